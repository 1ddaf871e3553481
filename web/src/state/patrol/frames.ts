/** Watches that a picture moves. A <video> can stand still though all else is well; people would not notice for hours. Pure. */

export type FrameAdvice = "fine" | "frozen" | "play" | "ask" | "renew";

/** What is done, and after how much stillness (ms). The thumbnail tier brings one picture a second or less. */
export const STILL_MS = { live: { told: 4_000, ask: 8_000, renew: 20_000 }, thumbnail: { told: 12_000, ask: 20_000, renew: 45_000 } } as const;

export class FrameWatch {
  #frames = -1;
  #movedAt: number | null = null;
  #askedAt = 0;
  #renewedAt = 0;

  /** Since when it stands still, if it does. */
  stillSince: number | null = null;

  /** Something else is shown, or nothing should be: begins anew. */
  reset(): void {
    this.#frames = -1;
    this.#movedAt = null;
    this.stillSince = null;
  }

  look(now: number, frames: number, paused: boolean, thumbnail: boolean): FrameAdvice {
    if (frames !== this.#frames || this.#movedAt === null) {
      this.#frames = frames;
      this.#movedAt = now;
      this.stillSince = null;
      this.#askedAt = this.#renewedAt = 0;
      return paused ? "play" : "fine";
    }
    const limits = thumbnail ? STILL_MS.thumbnail : STILL_MS.live;
    const still = now - this.#movedAt;
    if (paused) return "play";
    if (still < limits.told) return "fine";
    this.stillSince = this.#movedAt;
    if (still >= limits.renew && now - this.#renewedAt >= limits.renew) {
      this.#renewedAt = now;
      return "renew";
    }
    if (still >= limits.ask && this.#askedAt === 0) {
      this.#askedAt = now;
      return "ask";
    }
    return "frozen";
  }
}
