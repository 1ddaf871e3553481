/** How loud a track is, ten times a second, without feeding it anywhere. */

let shared: AudioContext | null = null;

/** One context for the page; browsers allow few. */
export function audioContext(): AudioContext {
  shared ??= new AudioContext();
  if (shared.state === "suspended") {
    resume();
    // A page that was only reloaded has had no gesture yet, and may not: the first one does it, or the meter would lie.
    for (const type of ["pointerdown", "keydown"]) addEventListener(type, resume, { once: true });
  }
  return shared;
}

const resume = (): void => void shared?.resume().catch(() => undefined);

/** Root mean square of samples (-1 to 1) on a scale of 0 to 1 that looks even to the eye: -60 dB is 0, -6 dB is 1. Pure. */
export function loudness(samples: Float32Array): number {
  let sum = 0;
  for (const s of samples) sum += s * s;
  const rms = Math.sqrt(sum / Math.max(samples.length, 1));
  if (rms <= 0) return 0;
  return Math.min(1, Math.max(0, (20 * Math.log10(rms) + 60) / 54));
}

/** Calls `heard` with 0 to 1 about ten times a second until stopped. */
export function watchLevel(track: MediaStreamTrack, heard: (level: number) => void): () => void {
  let context: AudioContext;
  try {
    context = audioContext();
  } catch {
    return () => undefined; // No WebAudio: no meter, everything else works.
  }
  const source = context.createMediaStreamSource(new MediaStream([track]));
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    heard(track.enabled && track.readyState === "live" ? loudness(samples) : 0);
  }, 100);
  return () => {
    clearInterval(timer);
    source.disconnect();
    analyser.disconnect();
  };
}

/** Plays three rising notes for a second on the chosen speaker, so that one knows whether sound comes out. */
export async function playTestSound(speakerId: string): Promise<boolean> {
  const context = audioContext();
  const out = context.createMediaStreamDestination();
  const gain = context.createGain();
  gain.connect(out);
  const start = context.currentTime + 0.05;
  [523.25, 659.25, 783.99].forEach((frequency, i) => {
    const note = context.createOscillator();
    note.frequency.value = frequency;
    note.connect(gain);
    note.start(start + i * 0.3);
    note.stop(start + i * 0.3 + 0.28);
  });
  gain.gain.setValueAtTime(0.0001, start);
  gain.gain.exponentialRampToValueAtTime(0.25, start + 0.05);
  gain.gain.setValueAtTime(0.25, start + 0.8);
  gain.gain.exponentialRampToValueAtTime(0.0001, start + 0.95);
  const element = new Audio();
  element.srcObject = out.stream;
  try {
    await setSpeaker(element, speakerId);
    await element.play();
  } catch {
    return false;
  }
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  element.pause();
  element.srcObject = null;
  gain.disconnect();
  return true;
}

/** Firefox and Safari may lack `setSinkId`: the system's choice is used then. */
export async function setSpeaker(element: HTMLMediaElement, speakerId: string): Promise<void> {
  const sink = element as HTMLMediaElement & { setSinkId?: (id: string) => Promise<void> };
  if (sink.setSinkId && speakerId) await sink.setSinkId(speakerId).catch(() => undefined);
}
