/**
 * Several recordings played in step: one master clock in wall time, and what brings each picture to it. Pure; `now` is a
 * monotonic time in milliseconds, moments are Unix milliseconds.
 */
import { RunningClock, type Correction } from "../running-clock";

export const RATES = [0.25, 0.5, 1, 2, 4, 8, 16] as const;
/** From here on only keyframes are played: nothing decodes nine pictures sixteen times as fast. */
export const KEYFRAMES_FROM_RATE = 8;

/** Further off than this a jump is less disturbing than catching up (seconds of recording at single speed). */
export const SEEK_BEYOND_S = 0.4;
/** Nearer than this counts as in step: a frame at 25 pictures a second. */
export const IN_STEP_S = 0.04;

/** In wall time: positions are Unix milliseconds. */
export class MasterClock extends RunningClock {}

/** What brings a picture at `have` to `want` (seconds of its own time) while the clock runs at `rate`. */
export function keepStep(have: number, want: number, rate: number, running: boolean): Correction {
  const drift = want - have;
  // Standing still, the very frame is wanted; running fast, the same delay of the decoder is more of the recording.
  const limit = running ? SEEK_BEYOND_S * Math.max(1, rate) : IN_STEP_S / 2;
  if (Math.abs(drift) > limit) return { type: "seek", to: want };
  if (Math.abs(drift) <= IN_STEP_S) return { type: "rate", rate };
  const share = Math.max(-0.1, Math.min(0.1, (drift / Math.max(1, rate)) * 0.5));
  // Browsers take 0.0625 to 16.
  return { type: "rate", rate: Math.min(16, Math.max(0.0625, rate * (1 + share))) };
}

/** One stretch of a playlist: where it begins in the player's time and in the world's. */
export interface Fragment {
  /** Seconds of the player. */
  start: number;
  duration: number;
  /** EXT-X-PROGRAM-DATE-TIME (RFC 8216 §4.3.2.6), Unix milliseconds. */
  date: number | null;
}

/** The player's time of a moment, or nothing where nothing is recorded. A few frames' worth of hole is none. */
export function playerTime(fragments: readonly Fragment[], at: number, slackMs = 120): number | null {
  let low = 0;
  let high = fragments.length - 1;
  let found: Fragment | null = null;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const f = fragments[middle] as Fragment;
    if ((f.date ?? Number.POSITIVE_INFINITY) <= at) {
      found = f;
      low = middle + 1;
    } else high = middle - 1;
  }
  if (!found || found.date === null) {
    const first = fragments[0];
    return first?.date != null && first.date - at <= slackMs ? first.start : null;
  }
  const into = (at - found.date) / 1_000;
  if (into <= found.duration) return found.start + into;
  // Just after its end: the next fragment may begin within the slack.
  return into - found.duration <= slackMs / 1_000 ? found.start + found.duration : null;
}

/** When recording begins again after a moment; nothing if the playlist knows no more. */
export function nextRecorded(fragments: readonly Fragment[], at: number): number | null {
  for (const f of fragments) if (f.date !== null && f.date > at) return f.date;
  return null;
}

/** Whether a moment is after everything that the playlist knows. */
export function beyond(fragments: readonly Fragment[], at: number): boolean {
  const last = fragments.at(-1);
  return last?.date != null && at > last.date + last.duration * 1_000;
}
