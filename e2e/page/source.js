// Runs inside a page, before its own scripts: gives it a camera, a microphone and a screen that draw the marked strip and
// beep on the second, all from one clock. The real devices are never asked.
//
// `window.lecternSource` = { options, frames() } for the test; the page sees only navigator.mediaDevices.
//
// options: width, height, fps, firstFrame (numbers of the camera start here, those of the screen 400,000 higher),
//          fail: undefined | "denied" | "no-camera" | "no-devices" | "busy".

(() => {
  // On the browser's own page about an error there are no devices.
  if (!navigator.mediaDevices) return;
  const options = Object.assign({ width: 1280, height: 720, fps: 25, firstFrame: 0, fail: undefined }, __OPTIONS__);
  const SCREEN_OFFSET = 400_000;
  const BEEP_HZ = 2000;
  const BEEP_SECONDS = 0.05;

  /** A canvas with a lesson-like picture and the strip, one frame at a time. */
  class Picture {
    constructor(width, height, title) {
      this.canvas = document.createElement("canvas");
      this.canvas.width = width;
      this.canvas.height = height;
      this.context = this.canvas.getContext("2d", { alpha: false, desynchronized: true });
      this.title = title;
      this.texture = this.#texture(256, 144);
      this.board = this.#board(width, height, title);
      this.context.drawImage(this.board, 0, 0);
    }

    // A moving patch with detail, so that the encoder has something to spend its bits on.
    #texture(width, height) {
      const canvas = document.createElement("canvas");
      canvas.width = width;
      canvas.height = height;
      const context = canvas.getContext("2d");
      const pixels = context.createImageData(width, height);
      let seed = 1;
      for (let at = 0; at < pixels.data.length; at += 4) {
        seed = (seed * 48271) % 2147483647;
        const value = 96 + (seed & 63);
        pixels.data.set([value, value >> 1, 180 - value / 2, 255], at);
      }
      context.putImageData(pixels, 0, 0);
      return canvas;
    }

    #board(width, height, title) {
      const canvas = document.createElement("canvas");
      canvas.width = width;
      canvas.height = height;
      const context = canvas.getContext("2d", { alpha: false });
      const shade = context.createLinearGradient(0, 0, width, height);
      shade.addColorStop(0, "#1d3b4f");
      shade.addColorStop(1, "#27543f");
      context.fillStyle = shade;
      context.fillRect(0, 0, width, height);
      context.fillStyle = "#f4f1e4";
      context.font = `600 ${Math.round(height / 11)}px "Noto Sans CJK SC", sans-serif`;
      context.fillText(title, width * 0.06, height * 0.28);
      context.font = `${Math.round(height / 18)}px "Noto Sans CJK SC", sans-serif`;
      ["三角形的内角和等于 180°", "The angles of a triangle add up to 180°"].forEach((line, row) =>
        context.fillText(line, width * 0.06, height * (0.42 + 0.1 * row)));
      return canvas;
    }

    draw(number, now) {
      const { context, canvas } = this;
      const { width, height } = canvas;
      const strip = stripHeight(height);
      const patch = { width: width / 4, height: height / 4, x: (number * 3) % (width * 0.7), y: height * 0.7 };
      context.drawImage(this.board, 0, patch.y, width, patch.height, 0, patch.y, width, patch.height);
      context.drawImage(this.texture, patch.x, patch.y, patch.width, patch.height);
      const cells = encodeStrip(number, now);
      for (let cell = 0; cell < STRIP_CELLS; cell += 1) {
        const from = Math.round((cell * width) / STRIP_CELLS);
        context.fillStyle = cells[cell] ? "#fff" : "#000";
        context.fillRect(from, 0, Math.round(((cell + 1) * width) / STRIP_CELLS) - from, strip);
      }
    }
  }

  /** All pictures and the beep, driven by one timer that never drifts. */
  const clock = {
    outputs: [], // { picture, firstFrame, track, owner }
    number: -1,
    started: 0,
    audio: undefined,

    start() {
      if (this.started) return;
      this.started = performance.now();
      const tick = () => {
        const elapsed = performance.now() - this.started;
        const due = Math.floor((elapsed * options.fps) / 1000);
        if (due > this.number) {
          this.number = due;
          this.frame();
        }
        setTimeout(tick, Math.max(0, ((due + 1) * 1000) / options.fps - (performance.now() - this.started)));
      };
      tick();
    },

    frame() {
      const now = Date.now();
      this.outputs = this.outputs.filter((output) => output.track.readyState === "live");
      const drawn = new Set();
      for (const output of this.outputs) {
        if (!drawn.has(output.picture)) {
          output.picture.draw((output.firstFrame + this.number) % FRAME_NUMBERS, now);
          drawn.add(output.picture);
        }
        output.owner.requestFrame();
      }
      if (this.audio && this.number % options.fps === 0) {
        const from = this.audio.context.currentTime;
        this.audio.beep.gain.setValueAtTime(0.5, from);
        this.audio.beep.gain.setValueAtTime(0, from + BEEP_SECONDS);
      }
    },

    sound() {
      if (!this.audio) {
        const context = new AudioContext({ sampleRate: 48000 });
        const destination = context.createMediaStreamDestination();
        const tone = (frequency, level) => {
          const oscillator = new OscillatorNode(context, { frequency });
          const gain = new GainNode(context, { gain: level });
          oscillator.connect(gain).connect(destination);
          oscillator.start();
          return gain;
        };
        tone(180, 0.02); // a voice is never quite silent, and a microphone neither
        this.audio = { context, destination, beep: tone(BEEP_HZ, 0) };
      }
      this.audio.context.resume();
      return this.audio.destination.stream.getAudioTracks()[0].clone();
    },

    video(picture, firstFrame) {
      const stream = picture.canvas.captureStream(0);
      const [track] = stream.getVideoTracks();
      const owner = track.requestFrame ? track : stream; // Firefox has it on the stream, the standard on the track
      this.outputs.push({ picture, firstFrame, track, owner });
      return track;
    },
  };

  // A context made before the first click of a page stays silent until it is asked again after one.
  for (const type of ["mousedown", "pointerup", "click", "keydown"]) addEventListener(type, () => clock.audio?.context.resume(), true);

  let camera;
  let screen;
  const failure = (name, message) => Promise.reject(new DOMException(message, name));

  navigator.mediaDevices.getUserMedia = async (constraints = {}) => {
    if (options.fail === "denied") return failure("NotAllowedError", "Permission denied");
    if (options.fail === "no-devices") return failure("NotFoundError", "Requested device not found");
    if (options.fail === "no-camera" && constraints.video) return failure("NotFoundError", "Requested device not found");
    if (options.fail === "busy" && constraints.video) return failure("NotReadableError", "Could not start video source");
    const stream = new MediaStream();
    if (constraints.video) {
      camera ??= new Picture(options.width, options.height, "第十二课 三角形");
      stream.addTrack(clock.video(camera, options.firstFrame));
    }
    if (constraints.audio) stream.addTrack(clock.sound());
    clock.start();
    return stream;
  };

  navigator.mediaDevices.getDisplayMedia = async (constraints = {}) => {
    if (options.fail === "denied") return failure("NotAllowedError", "Permission denied");
    screen ??= new Picture(options.width, options.height, "课件：内角和的证明");
    const stream = new MediaStream([clock.video(screen, options.firstFrame + SCREEN_OFFSET)]);
    if (constraints.audio) stream.addTrack(clock.sound());
    clock.start();
    return stream;
  };

  if (options.fail === "no-devices" || options.fail === "no-camera") {
    const real = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
    navigator.mediaDevices.enumerateDevices = async () =>
      (await real()).filter((device) => options.fail === "no-camera" && device.kind !== "videoinput");
  }

  window.lecternSource = { options, frames: () => clock.number + 1, SCREEN_OFFSET };
})();
