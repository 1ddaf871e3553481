/** The socket of a wall at `/ws/wall` (`signaling/protocol/src/wall.rs`). */
import { AskingSocket, socketAt, type QuestionOf, type SocketHandlers } from "./asking-socket";
import type { WallMessage, WallRequest } from "./generated/index";

/** An offer with 66 lines; the server's `MESSAGE_LEN_BYTES_MAX`. */
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

export type WallQuestion = QuestionOf<WallRequest>;
export type WallHandlers = SocketHandlers<WallMessage>;

export class WallSocket extends AskingSocket<WallRequest, WallMessage, WallRefusal> {
  constructor(url: string, handlers: WallHandlers) {
    super(url, handlers, {
      lengthMax: MESSAGE_LEN_MAX,
      answerMsMax: ANSWER_MS_MAX,
      refusal: (code, detail) => new WallRefusal(code, detail),
      settles: (m) => {
        if (m.type === "refused") return { req: m.req, refusal: new WallRefusal(m.code, m.detail) };
        return m.type === "answer" || m.type === "shown" || m.type === "pong" ? { req: m.req } : null;
      },
    });
  }
}

export const wallUrl = (location: { protocol: string; host: string }): string => socketAt(location, "/ws/wall");
