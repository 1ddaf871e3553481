/**
 * When to dial the server again. A pure machine: time and events come in, at most one intention comes out.
 * It knows nothing of sockets; `socket.ts` and `state/class-session.ts` carry out what it says.
 *
 * A restart of the server must bring a whole class back within five seconds without a click, so the first tries come
 * fast and the longest pause is short; the random share keeps two thousand pages from knocking in the same instant.
 */
export type RedialState = "idle" | "dialing" | "connected" | "waiting" | "offline" | "stopped";

export type RedialEvent =
  | { type: "start" }
  | { type: "opened" }
  | { type: "failed" }
  | { type: "heard" }
  /** What else goes over the same network stopped: the line is asked, and nothing decided. */
  | { type: "doubted" }
  /** Nothing came on any way since then: the line is dead, too, unless something was heard on it. */
  | { type: "silent"; since: number }
  | { type: "online" }
  | { type: "offline" }
  | { type: "stop" };

export type RedialOutput = "dial" | "hang_up" | "ping" | null;

/** Pauses before each next try, in milliseconds; the last one repeats. Each is shortened by up to a half at random. */
export const PAUSES_MS = [200, 400, 800, 1_500, 2_500] as const;
/** A dial that has not become a connection by then is given up: a SYN lost on the way is retried by TCP after 1 s and 3 s. */
export const DIAL_MS_MAX = 5_000;
/** Silence after which the line is asked, and after which it is taken for dead. */
export const PING_AFTER_MS = 2_000;
export const DEAD_AFTER_MS = 7_000;
/** A browser that says that there is no network may be wrong, or never say that it is back: so often it is tried all the same. */
export const OFFLINE_MS = 5_000;

export class Redial {
  state: RedialState = "idle";
  /** When the state is to be looked at again; `null` = only on an event. */
  wakeAt: number | null = null;
  /** Tries since the last connection. */
  tries = 0;
  #offline = false;
  #heardAt = 0;
  #pingedAt = 0;

  constructor(private readonly random: () => number = Math.random) {}

  handle(now: number, event: RedialEvent): RedialOutput {
    if (this.state === "stopped") return null;
    switch (event.type) {
      case "start":
        return this.state === "idle" ? this.#dial(now) : null;
      case "opened":
        if (this.state !== "dialing") return null;
        this.state = "connected";
        this.#offline = false;
        this.tries = 0;
        this.#heardAt = now;
        this.#pingedAt = now;
        this.wakeAt = now + PING_AFTER_MS;
        return null;
      case "heard":
        if (this.state === "connected") {
          this.#heardAt = now;
          this.wakeAt = now + PING_AFTER_MS;
        }
        return null;
      case "failed":
        if (this.state === "dialing" || this.state === "connected") this.#pause(now);
        return null;
      case "offline":
        // The browser says there is no network at all. A connection may survive a short one, so it is not hung up.
        this.#offline = true;
        if (this.state === "waiting") this.#pause(now);
        return null;
      case "online":
        this.#offline = false;
        if (this.state === "waiting" || this.state === "offline") return this.#dial(now);
        if (this.state === "connected") {
          // Another network: the old socket is likely dead without knowing. Ask at once, decide soon.
          this.#heardAt = Math.min(this.#heardAt, now - DEAD_AFTER_MS + 1_500);
          this.#pingedAt = now;
          this.wakeAt = now + 1_500;
          return "ping";
        }
        return null;
      case "doubted":
        if (this.state !== "connected") return null;
        this.#pingedAt = now;
        return "ping";
      case "silent":
        if (this.state !== "connected" || this.#heardAt >= event.since) return null;
        this.#pause(now);
        return "hang_up";
      case "stop":
        this.state = "stopped";
        this.wakeAt = null;
        return "hang_up";
    }
  }

  /** Call when `wakeAt` has come. */
  tick(now: number): RedialOutput {
    if (this.wakeAt === null || now < this.wakeAt) return null;
    switch (this.state) {
      case "waiting":
      case "offline":
        return this.#dial(now);
      case "dialing":
        this.#pause(now);
        return "hang_up";
      case "connected":
        if (now - this.#heardAt >= DEAD_AFTER_MS) {
          this.#pause(now);
          return "hang_up";
        }
        this.wakeAt = now + 1_000;
        if (now - this.#pingedAt >= PING_AFTER_MS || now - this.#heardAt >= PING_AFTER_MS) {
          this.#pingedAt = now;
          return "ping";
        }
        return null;
      default:
        return null;
    }
  }

  #dial(now: number): "dial" {
    this.state = "dialing";
    this.tries += 1;
    this.wakeAt = now + DIAL_MS_MAX;
    return "dial";
  }

  #pause(now: number): void {
    if (this.#offline) {
      this.state = "offline";
      this.wakeAt = now + OFFLINE_MS;
      return;
    }
    const pause = PAUSES_MS[Math.min(Math.max(this.tries - 1, 0), PAUSES_MS.length - 1)] ?? 2_500;
    this.state = "waiting";
    this.wakeAt = now + pause * (1 - this.random() / 2);
  }
}
