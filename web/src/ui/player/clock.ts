/**
 * The player's own time. Recorded tracks begin and end when they like, so none of them can be the clock: this one runs,
 * and pictures and voices follow it. Pure; `now` is a monotonic time in milliseconds.
 */
import { RunningClock, type Correction } from "../../state/running-clock";

export class PlayClock extends RunningClock {
  constructor(duration: number) {
    super(0, 0, duration);
  }

  get duration(): number {
    return this.to;
  }

  /** From the beginning, if it has come to its end. */
  override play(now: number): void {
    if (this.position(now) >= this.duration) this.seek(now, 0);
    super.play(now);
  }

  /** A lesson that runs gets longer. What was played past the old end while waiting does not count. */
  grow(now: number, duration: number): void {
    if (this.position(now) >= this.duration) this.seek(now, this.duration);
    this.to = Math.max(this.duration, duration);
  }
}

/** Beyond this a jump is less disturbing than catching up (seconds). */
export const SEEK_BEYOND_S = 0.35;
/** Within this picture and sound count as in step: a quarter of what people notice (seconds). */
export const IN_STEP_S = 0.03;

/** What brings an element at `have` to `want` (seconds) while the clock runs at `rate`. Pure. */
export function correct(have: number, want: number, rate: number): Correction {
  const drift = want - have;
  if (Math.abs(drift) > SEEK_BEYOND_S * Math.max(1, rate)) return { type: "seek", to: want };
  if (Math.abs(drift) <= IN_STEP_S) return { type: "rate", rate };
  return { type: "rate", rate: rate * (1 + Math.max(-0.1, Math.min(0.1, drift * 0.6))) };
}
