/**
 * One WebSocket of JSON messages, requests matched with their answers by number: what room and wall have in common. It does not
 * dial again; a lost socket is an event, and a new one is made by whoever decides to. What the messages are belongs to
 * `socket.ts` and `wall-socket.ts`.
 */

export interface SocketHandlers<In> {
  open(): void;
  message(message: In): void;
  /** Once, however it ended. */
  closed(): void;
}

/** A request without its number, which the socket gives. */
export type QuestionOf<Out, T = Extract<Out, { req: number }>> = T extends { req: number } ? Omit<T, "req"> : never;

/** Which request a message settles; `quiet`: it is for whoever asked alone. */
export type Settles<E> = { req: number; refusal?: E; quiet?: boolean } | null;

export interface Manners<In, E extends Error> {
  /** Longer messages are a fault of ours and are not sent: the server refuses them. In characters. */
  lengthMax: number;
  /** How long an answer may take. */
  answerMsMax: number;
  refusal(code: "timeout" | "disconnected", detail: string): E;
  settles(message: In): Settles<E>;
}

interface Waiter<In, E> {
  resolve(message: In): void;
  reject(error: E): void;
  timer: ReturnType<typeof setTimeout>;
}

export class AskingSocket<Out, In, E extends Error> {
  #socket: WebSocket;
  #waiters = new Map<number, Waiter<In, E>>();
  #nextReq = 1;
  #over = false;

  constructor(
    url: string,
    private readonly handlers: SocketHandlers<In>,
    private readonly manners: Manners<In, E>,
    make: (url: string) => WebSocket = (u) => new WebSocket(u),
  ) {
    this.#socket = make(url);
    this.#socket.onopen = () => handlers.open();
    this.#socket.onmessage = (event) => this.#receive(event.data);
    this.#socket.onclose = this.#socket.onerror = () => this.close();
  }

  get open(): boolean {
    return !this.#over && this.#socket.readyState === 1;
  }

  /** Returns whether it was handed to the browser. A message said into a dead line is lost on purpose: state is
   *  re-established from what the next welcome says, not replayed. */
  send(message: Out): boolean {
    if (!this.open) return false;
    const text = JSON.stringify(message);
    if (text.length > this.manners.lengthMax) return false;
    this.#socket.send(text);
    return true;
  }

  ask(question: QuestionOf<Out>): Promise<In> {
    const req = this.#nextReq++;
    const { refusal, answerMsMax } = this.manners;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(req)?.reject(refusal("timeout", "no answer in time")), answerMsMax);
      this.#waiters.set(req, { resolve, reject, timer });
      if (!this.send({ ...question, req } as Out)) this.#settle(req)?.reject(refusal("disconnected", "the line is down"));
    });
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    socket.close();
    for (const req of [...this.#waiters.keys()]) this.#settle(req)?.reject(this.manners.refusal("disconnected", "the line went down"));
    this.handlers.closed();
  }

  #settle(req: number): Waiter<In, E> | undefined {
    const waiter = this.#waiters.get(req);
    if (waiter) {
      this.#waiters.delete(req);
      clearTimeout(waiter.timer);
    }
    return waiter;
  }

  #receive(data: unknown): void {
    if (typeof data !== "string") return;
    let message: In;
    try {
      message = JSON.parse(data) as In;
    } catch {
      return; // A newer server may say what we cannot read; the rest still counts.
    }
    const settles = this.manners.settles(message);
    const waiter = settles ? this.#settle(settles.req) : undefined;
    if (settles?.refusal) waiter?.reject(settles.refusal);
    else waiter?.resolve(message);
    // Who asked decides what is shown; what nobody waits for any more is told to all.
    if (!(waiter && settles?.quiet)) this.handlers.message(message);
  }
}

/** The address of a socket for a page at `location`. */
export const socketAt = (location: { protocol: string; host: string }, path: string): string => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
