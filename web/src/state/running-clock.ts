/**
 * A clock that runs, stands, waits and jumps between two bounds, at any speed: what pictures and voices of a recording follow.
 * Pure; `now` is a monotonic time in milliseconds, positions are milliseconds of whatever is played.
 */
export class RunningClock {
  #at: number;
  #since = 0;
  #playing = false;
  #held = false;
  #rate = 1;

  constructor(
    at: number,
    public from: number,
    public to: number,
  ) {
    this.#at = at;
  }

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
    return Math.min(this.to, Math.max(this.from, this.#at + run));
  }

  play(now: number): void {
    this.#settle(now);
    this.#playing = true;
  }

  pause(now: number): void {
    this.#settle(now);
    this.#playing = false;
  }

  seek(now: number, at: number): void {
    this.#at = Math.min(this.to, Math.max(this.from, at));
    this.#since = now;
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

/** What brings an element into step: a jump, or a little faster or slower. */
export type Correction = { type: "seek"; to: number } | { type: "rate"; rate: number };
