/**
 * One WebSocket of a wall at `/ws/wall` (`signaling/protocol/src/wall.rs`): typed messages out and in, requests matched with
 * their answers. It does not dial again; a lost socket is an event, and a new `WallSocket` is made by whoever decides to.
 */
import type { WallMessage, WallRequest } from "./generated/index";

/** An offer with 66 lines; more is a fault of ours (the server's `MESSAGE_LEN_BYTES_MAX`). */
const MESSAGE_LEN_MAX = 256 * 1024;
const ANSWER_MS_MAX = 10_000;

export class WallRefusal extends Error {
  constructor(
    readonly code: string,
    readonly detail: string,
  ) {
    super(`${code}: ${detail}`);
    this.name = "WallRefusal";
  }
}

type WithReq = Extract<WallRequest, { req: number }>;
export type WallQuestion<T = WithReq> = T extends { req: number } ? Omit<T, "req"> : never;
type Waiter = { resolve: (m: WallMessage) => void; reject: (e: WallRefusal) => void; timer: ReturnType<typeof setTimeout> };

export interface WallHandlers {
  open(): void;
  message(message: WallMessage): void;
  /** Once, however it ended. */
  closed(): void;
}

export class WallSocket {
  #socket: WebSocket;
  #waiters = new Map<number, Waiter>();
  #nextReq = 1;
  #over = false;

  constructor(
    url: string,
    private readonly handlers: WallHandlers,
  ) {
    this.#socket = new WebSocket(url);
    this.#socket.onopen = () => handlers.open();
    this.#socket.onmessage = (event) => this.#receive(event.data);
    this.#socket.onclose = this.#socket.onerror = () => this.close();
  }

  get open(): boolean {
    return !this.#over && this.#socket.readyState === 1;
  }

  send(message: WallRequest): boolean {
    if (!this.open) return false;
    const text = JSON.stringify(message);
    if (text.length > MESSAGE_LEN_MAX) return false;
    this.#socket.send(text);
    return true;
  }

  ask(question: WallQuestion): Promise<WallMessage> {
    const req = this.#nextReq++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(req)?.reject(new WallRefusal("timeout", "no answer in time")), ANSWER_MS_MAX);
      this.#waiters.set(req, { resolve, reject, timer });
      if (!this.send({ ...question, req } as WallRequest)) this.#settle(req)?.reject(new WallRefusal("disconnected", "the line is down"));
    });
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    socket.close();
    for (const req of [...this.#waiters.keys()]) this.#settle(req)?.reject(new WallRefusal("disconnected", "the line went down"));
    this.handlers.closed();
  }

  #settle(req: number): Waiter | undefined {
    const waiter = this.#waiters.get(req);
    if (waiter) {
      this.#waiters.delete(req);
      clearTimeout(waiter.timer);
    }
    return waiter;
  }

  #receive(data: unknown): void {
    if (typeof data !== "string") return;
    let message: WallMessage;
    try {
      message = JSON.parse(data) as WallMessage;
    } catch {
      return; // A newer server may say what we cannot read; the rest still counts.
    }
    if (message.type === "refused") this.#settle(message.req)?.reject(new WallRefusal(message.code, message.detail));
    else if (message.type === "answer" || message.type === "shown" || message.type === "pong") this.#settle(message.req)?.resolve(message);
    this.handlers.message(message);
  }
}

export function wallUrl(location: { protocol: string; host: string }): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/wall`;
}
