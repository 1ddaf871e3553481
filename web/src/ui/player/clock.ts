/**
 * The player's own time. Recorded tracks begin and end when they like, so none of them can be the clock: this one runs,
 * and pictures and voices follow it. Pure; `now` is a monotonic time in milliseconds.
 */
export class PlayClock {
  #at = 0;
  #since = 0;
  #playing = false;
  #held = false;
  #rate = 1;

  constructor(public duration: number) {}

  get playing(): boolean {
    return this.#playing;
  }
  get held(): boolean {
    return this.#held;
  }
  get rate(): number {
    return this.#rate;
  }

  position(now: number): number {
    const run = this.#playing && !this.#held ? (now - this.#since) * this.#rate : 0;
    return Math.min(this.duration, Math.max(0, this.#at + run));
  }

  play(now: number): void {
    if (this.position(now) >= this.duration) this.#at = 0;
    this.#settle(now);
    this.#playing = true;
  }

  pause(now: number): void {
    this.#settle(now);
    this.#playing = false;
  }

  seek(now: number, position: number): void {
    this.#at = Math.min(this.duration, Math.max(0, position));
    this.#since = now;
  }

  /** A lesson that runs gets longer. What was played past the old end while waiting does not count. */
  grow(now: number, duration: number): void {
    if (this.position(now) >= this.duration) this.seek(now, this.duration);
    this.duration = Math.max(this.duration, duration);
  }

  setRate(now: number, rate: number): void {
    this.#settle(now);
    this.#rate = rate;
  }

  /** Stands still while something essential is still loading, without ceasing to play. */
  hold(now: number, held: boolean): void {
    if (held === this.#held) return;
    this.#settle(now);
    this.#held = held;
  }

  #settle(now: number): void {
    this.#at = this.position(now);
    this.#since = now;
  }
}

export type Correction = { type: "seek"; to: number } | { type: "rate"; rate: number };

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
