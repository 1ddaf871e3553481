/** The socket of a room at `/ws` (`signaling/protocol/src/ws.rs`). */
import { AskingSocket, socketAt, type QuestionOf, type SocketHandlers as Handlers } from "./asking-socket";
import type { ClientMessage, RefusalCode, ServerMessage } from "./generated/index";

export const PROTOCOL_VERSION = 1;
/** The server's `MESSAGE_LEN_BYTES_MAX`. */
const MESSAGE_LEN_MAX = 128 * 1024;
/** An offer is answered in milliseconds; a stalled line needs a few seconds. */
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

export type Question = QuestionOf<ClientMessage>;
export type SocketHandlers = Handlers<ServerMessage>;

export class RoomSocket extends AskingSocket<ClientMessage, ServerMessage, Refusal> {
  constructor(url: string, handlers: SocketHandlers, make?: (url: string) => WebSocket) {
    const manners = {
      lengthMax: MESSAGE_LEN_MAX,
      answerMsMax: ANSWER_MS_MAX,
      refusal: (code: "timeout" | "disconnected", detail: string) => new Refusal(code, detail),
      settles: (m: ServerMessage) => {
        if (m.type === "answer" || m.type === "pong") return { req: m.req };
        if (m.type !== "refused" || m.req === null || m.req === undefined) return null;
        return { req: m.req, refusal: new Refusal(m.code, m.detail), quiet: true };
      },
    };
    super(url, handlers, manners, make);
  }
}

export const socketUrl = (location: { protocol: string; host: string }): string => socketAt(location, "/ws");
