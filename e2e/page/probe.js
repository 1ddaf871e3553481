// Runs inside a page, before its own scripts: reads the marked strip of every decoded video frame that the page receives,
// and finds the beeps in every received sound track. It only listens in; the page notices nothing.
//
// `window.lecternProbe` = { report(), reset(), peers(), stats(), watchConcealment(), clickedAt, connections }.

(() => {
  const RECORDS_MAX = 30_000; // twenty minutes at 25 frames per second
  const BEEP_HZ = 2000;
  const now = () => performance.timeOrigin + performance.now();

  const probe = { started: now(), videos: [], audios: [], connections: [], errors: [], concealed: [], clickedAt: 0 };

  // A person's wait begins with the press, not when the test heard of it.
  addEventListener("click", () => (probe.clickedAt = now()), { capture: true });

  class VideoRecord {
    constructor(track, mid) {
      Object.assign(this, { id: track.id, mid, decoded: 0, unreadable: 0, frames: [] });
    }
  }

  /** The luma of the strip's cells in one decoded frame. */
  async function readStrip(frame, buffer) {
    const { x, y, width, height } = frame.visibleRect;
    const row = (y + Math.floor(stripHeight(height) / 2)) & ~1;
    const even = width & ~1;
    const planes = await frame.copyTo(buffer, { rect: { x: x & ~1, y: row, width: even, height: 2 } });
    const { offset } = planes[0];
    const packed = /^(RGB|BGR)/.test(frame.format) ? 4 : 1; // green stands for luma in packed formats
    return decodeStrip((cell) => buffer[offset + Math.floor(((cell + 0.5) * width) / STRIP_CELLS) * packed + (packed === 4 ? 1 : 0)]);
  }

  async function watchVideo(track, mid) {
    const record = new VideoRecord(track, mid);
    probe.videos.push(record);
    const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 60 }).readable.getReader();
    const buffer = new Uint8Array(64 * 1024);
    for (;;) {
      const { value: frame, done } = await reader.read();
      if (done) return;
      const at = now();
      try {
        record.decoded += 1;
        const strip = await readStrip(frame, buffer);
        if (!strip) record.unreadable += 1;
        else if (record.frames.length < RECORDS_MAX) {
          record.frames.push([strip.frame, stripAge(strip.ms, at), frame.visibleRect.height, at]);
        }
      } finally {
        frame.close();
      }
    }
  }

  /** Energy of the beep's frequency in a stretch of samples (Goertzel), 0 to 1. */
  function beepLevel(samples, from, length, rate) {
    const coefficient = 2 * Math.cos((2 * Math.PI * BEEP_HZ) / rate);
    let one = 0;
    let two = 0;
    for (let at = from; at < from + length; at += 1) [one, two] = [samples[at] + coefficient * one - two, one];
    return (2 * Math.sqrt(Math.max(0, one * one + two * two - coefficient * one * two))) / length;
  }

  async function watchAudio(track, mid) {
    const record = { id: track.id, mid, chunks: 0, beeps: [], gaps: [], last: 0 };
    probe.audios.push(record);
    const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 200 }).readable.getReader();
    let samples = new Float32Array(4800);
    let quietSince = 0;
    for (;;) {
      const { value: chunk, done } = await reader.read();
      if (done) return;
      const at = now();
      const { numberOfFrames: count, sampleRate: rate } = chunk;
      if (samples.length < count) samples = new Float32Array(count);
      chunk.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      chunk.close();
      record.chunks += 1;
      if (record.last && at - record.last > 100) record.gaps.push([at, Math.round(at - record.last)]);
      record.last = at;
      const step = Math.round(rate / 200); // 5 ms
      for (let from = 0; from + step <= count; from += step) {
        const when = at - ((count - from) * 1000) / rate;
        if (beepLevel(samples, from, step, rate) > 0.15) {
          if (when - quietSince > 200 && record.beeps.length < RECORDS_MAX) record.beeps.push(when);
          quietSince = when;
        }
      }
    }
  }

  const failed = (error) => probe.errors.push(String(error));

  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class RTCPeerConnection extends Native {
    constructor(...settings) {
      super(...settings);
      probe.connections.push(this);
      this.addEventListener("track", ({ track, transceiver }) => {
        (track.kind === "video" ? watchVideo : watchAudio)(track, transceiver.mid).catch(failed);
      });
    }
  };

  /** Everything seen since the last reset, as plain data. */
  probe.report = () => ({
    started: probe.started,
    now: now(),
    videos: probe.videos.map((video) => ({ ...video, frames: [...video.frames] })),
    audios: probe.audios.map((audio) => ({ ...audio, beeps: [...audio.beeps], gaps: [...audio.gaps] })),
    concealed: [...probe.concealed],
    clickedAt: probe.clickedAt,
    errors: [...probe.errors],
  });

  probe.reset = () => {
    probe.started = now();
    for (const video of probe.videos) Object.assign(video, { decoded: 0, unreadable: 0, frames: [] });
    for (const audio of probe.audios) Object.assign(audio, { chunks: 0, beeps: [], gaps: [] });
    probe.concealed = [];
  };

  const CONCEALMENT_EVERY_MS = 200;

  /**
   * Looks five times a second how much of the sound that was played had been made up because nothing had come, comfort noise
   * left out: [time, ms made up, since the look before (ms)]. The track itself never has a gap, since the decoder fills it.
   */
  probe.watchConcealment = async () => {
    const known = new Map();
    const look = async () => {
      for (const { rows } of await probe.stats()) {
        for (const row of rows.filter((one) => one.type === "inbound-rtp" && one.kind === "audio" && one.totalSamplesReceived > 0)) {
          const made = (row.concealedSamples - row.silentConcealedSamples) / 48;
          const before = known.get(row.id);
          if (before && made > before.made && probe.concealed.length < RECORDS_MAX) {
            probe.concealed.push([now(), Math.round(made - before.made), Math.round(row.timestamp - before.timestamp)]);
          }
          known.set(row.id, { made, timestamp: row.timestamp });
        }
      }
      setTimeout(() => look().catch(failed), CONCEALMENT_EVERY_MS);
    };
    await look();
  };

  /** In what state each live peer connection is, and from where it looks for a path: for failures. */
  probe.peers = async () => (await probe.stats()).map(({ state, rows }) => [state, ...rows.filter((row) => row.type === "local-candidate").map((row) => row.address)].join(" "));

  /** Plain figures of every live peer connection, from getStats. */
  probe.stats = async () => {
    const all = [];
    for (const connection of probe.connections.filter((one) => one.connectionState !== "closed")) {
      const report = await connection.getStats();
      all.push({ state: connection.connectionState, rows: [...report.values()] });
    }
    return all;
  };

  window.lecternProbe = probe;
})();
