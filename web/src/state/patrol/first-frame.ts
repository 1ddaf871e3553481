/** Which frame of a line may be the first one that is shown under a camera's name: none that is still another camera's. Pure. */

/** Where the browser does not tell when a frame was received: one drawn so long after the server's word is of this camera (ms). */
export const SETTLED_MS = 300;

export interface DrawnFrame {
  /** When the line was asked for the camera; Infinity: it was not. */
  askedAt: number;
  /** When its last packet was received, if the browser knows. */
  receivedAt: number | undefined;
  /** How many frames there were so far, where the browser tells of time that passes and not of frames. */
  frames: number | null;
}

export class FirstFrame {
  #since: number | null = null;
  #frames: number | null = null;

  /** Whether the server says that the line carries the tile's camera. */
  carries(now: number, does: boolean): void {
    if (does) this.#since ??= now;
    else this.#since = this.#frames = null;
  }

  /** Whether what is drawn now is the camera's. A decoder that is behind still brings frames of the camera of before. */
  takes(now: number, { askedAt, receivedAt, frames }: DrawnFrame): boolean {
    if (this.#since === null || askedAt > now) return false;
    if (receivedAt !== undefined) return receivedAt >= askedAt;
    if (now - Math.max(this.#since, askedAt) < SETTLED_MS) return false;
    if (frames === null) return true;
    this.#frames ??= frames;
    return frames > this.#frames;
  }
}
