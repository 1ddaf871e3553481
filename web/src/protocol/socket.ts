/**
 * One WebSocket to `/ws`: typed messages out and in, requests matched with their answers. It does not dial again; a
 * lost socket is an event, and a new `RoomSocket` is made by whoever decides to.
 */
import type { ClientMessage, RefusalCode, ServerMessage } from "./generated/index";

export const PROTOCOL_VERSION = 1;
/** Longer messages are a fault of ours and are not sent (the server refuses them, `MESSAGE_LEN_BYTES_MAX`). */
const MESSAGE_LEN_MAX = 128 * 1024;
/** How long an answer may take. An offer is answered in milliseconds; a stalled line needs a few seconds. */
const ANSWER_MS_MAX = 8_000;

export class Refusal extends Error {
  constructor(
    readonly code: RefusalCode | "timeout" | "disconnected",
    readonly detail: string,
  ) {
    super(`${code}: ${detail}`);
    this.name = "Refusal";
  }
}

type Waiter = { resolve: (m: ServerMessage) => void; reject: (e: Refusal) => void; timer: ReturnType<typeof setTimeout> };
type WithReq = Extract<ClientMessage, { req: number }>;
/** A request without its number, which the socket gives. */
export type Question<T = WithReq> = T extends { req: number } ? Omit<T, "req"> : never;

export interface SocketHandlers {
  open(): void;
  message(message: ServerMessage): void;
  /** Once, however it ended. */
  closed(): void;
}

export class RoomSocket {
  #socket: WebSocket;
  #waiters = new Map<number, Waiter>();
  #nextReq = 1;
  #over = false;

  constructor(
    url: string,
    private readonly handlers: SocketHandlers,
    make: (url: string) => WebSocket = (u) => new WebSocket(u),
  ) {
    this.#socket = make(url);
    this.#socket.onopen = () => handlers.open();
    this.#socket.onmessage = (event) => this.#receive(event.data);
    this.#socket.onclose = () => this.close();
    this.#socket.onerror = () => this.close();
  }

  get open(): boolean {
    return !this.#over && this.#socket.readyState === 1;
  }

  /** Returns whether it was handed to the browser. A message said into a dead line is lost on purpose: state is
   *  re-established from the snapshot of the next `Welcome`, not replayed. */
  send(message: ClientMessage): boolean {
    if (!this.open) return false;
    const text = JSON.stringify(message);
    if (text.length > MESSAGE_LEN_MAX) return false;
    this.#socket.send(text);
    return true;
  }

  ask(question: Question): Promise<ServerMessage> {
    const req = this.#nextReq++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(req)?.reject(new Refusal("timeout", "no answer in time")), ANSWER_MS_MAX);
      this.#waiters.set(req, { resolve, reject, timer });
      if (!this.send({ ...question, req } as ClientMessage)) {
        this.#settle(req)?.reject(new Refusal("disconnected", "the line is down"));
      }
    });
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    socket.close();
    for (const req of [...this.#waiters.keys()]) this.#settle(req)?.reject(new Refusal("disconnected", "the line went down"));
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
    let message: ServerMessage;
    try {
      message = JSON.parse(data) as ServerMessage;
    } catch {
      return; // A newer server may say what we cannot read; the rest still counts.
    }
    if (message.type === "answer" || message.type === "pong") {
      this.#settle(message.req)?.resolve(message);
    } else if (message.type === "refused" && message.req !== null && message.req !== undefined) {
      const waiter = this.#settle(message.req);
      if (waiter) {
        waiter.reject(new Refusal(message.code, message.detail));
        return; // who asked decides what is shown
      }
    }
    this.handlers.message(message);
  }
}

/** The address of the room's socket for a page at `location`. */
export function socketUrl(location: { protocol: string; host: string }): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
}
