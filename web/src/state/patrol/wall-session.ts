/**
 * A wall's session: socket, receiving connection and what is said on them. It lives for days: every loss is met by the same
 * path (dial, hello, offer, show), and nothing grows with the number of times. Elements report how high their pictures stand
 * and dispatch events; state comes back through `store`.
 */
import { WallReceiver } from "../../media/wall-receiver";
import type { Delay } from "../../media/delay";
import { csrfToken } from "../../protocol/http";
import type { CameraId, ExportJob, RefusedTile, TileRefusal, WallMessage } from "../../protocol/generated/index";
import { Redial, type RedialEvent, type RedialOutput } from "../../protocol/redial";
import { PROTOCOL_VERSION } from "../../protocol/socket";
import { wallUrl, WallRefusal, WallSocket } from "../../protocol/wall-socket";
import { createStore, type Store } from "../store";
import { reduce, tilesOf, type Carried, type Known, type WallEvent, type WallState } from "./wall";

export interface WallLink {
  /** `closed`: the server ended it for good, `code` says why. */
  phase: "dialing" | "up" | "lost" | "offline" | "closed";
  /** Since when there has been no connection. */
  since: number | null;
  code: string | null;
  /** Whether pictures come through: the peer connection. */
  media: "connecting" | "up" | "blocked" | "forbidden";
  watermark: string;
  soundBlocked: boolean;
}

export interface WallSessionState {
  wall: WallState;
  link: WallLink;
  /** Age of the picture by media id. */
  delays: ReadonlyMap<string, Delay>;
}

export interface WallTold {
  /** A connection is there (again): what was said meanwhile was missed, lists are asked for anew. */
  welcomed(): void;
  camerasChanged(): void;
  soundRefused(reason: TileRefusal): void;
  exported(job: ExportJob): void;
  /** The second factor is wanted; resolves with whether it was shown. */
  needsFactor(): Promise<boolean>;
}

/** Tiles that settle in steps say one thing (ms). */
const SHOW_SETTLE_MS = 40;
/** Messages about cameras are gathered: a page of 64 is not drawn 64 times (ms). */
const GATHER_MS = 200;
/** What lines carry is gathered for a frame of the screen: a page that changes tells it of each of its tiles (ms). */
const CARRIES_MS = 16;
const DELAYS_EVERY_MS = 3_000;
/** A connection is renewed at most this often because pictures stand still. */
const RENEW_MS_MIN = 30_000;
const PEER_PAUSE_MS = 1_500;
const TOO_OFTEN_MS = 1_000;
const BUSY_AGAIN_MS = 3_000;
const REFUSED_AGAIN_MS = 60_000;
/** Said even if nothing else is: the server takes silence for a dead window. */
const PING_EVERY_MS = 20_000;
export const LINES_MAX = 64;
/** Refusals of a whole message: the lines carry what they did. */
const UNHEARD = new Set(["too_often", "bad_request"]);

interface Asked {
  camera: CameraId;
  at: number;
  turn: number;
}

export class WallSession {
  readonly store: Store<WallSessionState>;
  #redial = new Redial();
  #wake: ReturnType<typeof setTimeout> | undefined;
  #socket: WallSocket | null = null;
  #receiver: WallReceiver;
  #heights: number[] = [];
  #showTimer: ReturnType<typeof setTimeout> | undefined;
  #gathered = new Map<CameraId, Known>();
  #gatherTimer: ReturnType<typeof setTimeout> | undefined;
  /** What the lines were said to carry since the newest answer to an offer, and not forgotten since. */
  #told = new Map<string, Carried>();
  #carriesTimer: ReturnType<typeof setTimeout> | undefined;
  #peerTimer: ReturnType<typeof setTimeout> | undefined;
  #tourTimer: ReturnType<typeof setTimeout> | undefined;
  #againTimer: ReturnType<typeof setTimeout> | undefined;
  #timers: ReturnType<typeof setInterval>[] = [];
  #welcomed = false;
  #shown = "";
  /** By line: the camera it was asked to carry, when, and by which message. */
  #asked: ReadonlyMap<string, Asked> = new Map();
  #turn = 0;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #clockOffset = 0;
  #over = false;
  #online = (): void => this.#event({ type: "online" });
  #offline = (): void => this.#event({ type: "offline" });

  constructor(
    initial: WallState,
    lines: number,
    private readonly told: WallTold,
  ) {
    this.store = createStore<WallSessionState>({
      wall: initial,
      link: { phase: "dialing", since: null, code: null, media: "connecting", watermark: "", soundBlocked: false },
      delays: new Map(),
    });
    this.#receiver = new WallReceiver(Math.min(LINES_MAX, Math.max(1, lines)), {
      offer: (sdp) => this.#offer(sdp),
      ready: () => {
        // What was told before the answer is of the lines of before; what came since is of these, and not told again.
        this.#apply({ type: "no_lines" });
        // Said as news: tiles take their new streams with it.
        this.#apply({ type: "carries", lines: [...this.#told].map(([mid, carried]) => [mid, { ...carried }]) });
        this.#shown = "";
        this.#say();
        if (this.store.get().wall.sound !== null) this.#listen();
      },
      connected: () => this.#link({ media: "up" }),
      lost: () => this.#lostPeer(),
      stuck: (obstacle) => this.#link({ media: obstacle === "browser" ? "forbidden" : "blocked" }),
      refused: () => this.#lostPeer(),
      soundBlocked: (soundBlocked) => this.#link({ soundBlocked }),
    });
  }

  /** The server's clock. */
  now(): number {
    return Date.now() + this.#clockOffset;
  }

  start(): void {
    addEventListener("online", this.#online);
    addEventListener("offline", this.#offline);
    this.#timers.push(setInterval(() => void this.#measure(), DELAYS_EVERY_MS));
    this.#timers.push(setInterval(() => void this.#socket?.ask({ type: "ping" }).catch(() => undefined), PING_EVERY_MS));
    this.#event({ type: "start" });
  }

  close(): void {
    this.#over = true;
    removeEventListener("online", this.#online);
    removeEventListener("offline", this.#offline);
    for (const timer of this.#timers) clearInterval(timer);
    for (const timer of [this.#wake, this.#showTimer, this.#gatherTimer, this.#carriesTimer, this.#peerTimer, this.#tourTimer, this.#againTimer]) clearTimeout(timer);
    this.#event({ type: "stop" });
    this.#receiver.close();
  }

  /** What people and elements do. */
  dispatch(event: WallEvent): void {
    const before = this.store.get().wall;
    this.#apply(event);
    const { wall } = this.store.get();
    if (wall.tiles > this.#receiver.lineCount) {
      // Once is enough: whoever wants more tiles than ever may want all of them tomorrow.
      this.#receiver.grow(LINES_MAX);
      if (this.#welcomed) void this.#receiver.connect();
    }
    if (wall.sound !== before.sound) this.#listen();
    this.#show();
  }

  /** How high each tile's picture stands, in device pixels; 0 = not to be seen now. */
  measured(slot: number, height: number): void {
    if (this.#heights[slot] === height) return;
    this.#heights[slot] = height;
    this.#show();
  }

  stream(slot: number): MediaStream | null {
    return this.#receiver.stream(slot);
  }
  mid(slot: number): string | null {
    return this.#receiver.mids[slot] ?? null;
  }

  /** When the line of a tile was asked for this camera, by the page's clock; what was received before is of another one. Infinity: it was not. */
  askedAt(slot: number, camera: CameraId): number {
    const asked = this.#asked.get(this.mid(slot) ?? "");
    return asked?.camera === camera ? asked.at : Number.POSITIVE_INFINITY;
  }

  /** A picture stands still: says again what is shown, or takes a new connection. */
  still(what: "ask" | "renew"): void {
    if (what === "ask") {
      this.#shown = "";
      return this.#say();
    }
    const now = performance.now();
    if (!this.#welcomed || now - this.#renewedAt < RENEW_MS_MIN) return;
    this.#renewedAt = now;
    void this.#receiver.connect();
  }

  unblockSound(): void {
    void this.#receiver.unblock();
  }

  /** Takes the wall here again after the server ended it. */
  again(): void {
    if (this.store.get().link.phase !== "closed") return;
    this.#redial = new Redial();
    this.#link({ phase: "dialing", code: null });
    this.#event({ type: "start" });
  }

  #apply(event: WallEvent): void {
    const { wall } = this.store.get();
    const next = reduce(wall, event);
    if (next !== wall) this.store.commit({ wall: next });
    this.#armTour();
  }

  #armTour(): void {
    clearTimeout(this.#tourTimer);
    const { tour } = this.store.get().wall;
    if (!tour || tour.heldAt !== null || this.#over) return;
    // A tour of one page has nothing due, but an alarm may still be up: looked at once a second at most.
    const due = tour.since + (tour.alarm === null ? tour.dwellMs : Math.max(10_000, tour.dwellMs)) - Date.now();
    this.#tourTimer = setTimeout(() => this.dispatch({ type: "tick", now: Date.now() }), Math.max(due > 0 ? 0 : 1_000, due) + 5);
  }

  #show(afterMs = SHOW_SETTLE_MS): void {
    clearTimeout(this.#showTimer);
    this.#showTimer = setTimeout(() => this.#say(), afterMs);
  }

  #say(): void {
    if (!this.#welcomed || this.#receiver.mids.length === 0) return;
    const tiles = tilesOf(this.store.get().wall, this.#receiver.mids, this.#heights);
    const text = JSON.stringify(tiles);
    if (text === this.#shown) return;
    this.#shown = text;
    const [at, turn, before] = [performance.now(), ++this.#turn, this.#asked];
    const asked = new Map(tiles.map(({ mid, camera }) => {
      const was = before.get(mid);
      return [mid, was?.camera === camera ? was : { camera, at, turn }];
    }));
    this.#asked = asked;
    // What a line carried for another camera says nothing any more; the server tells it anew, also if it is the same again.
    const forgotten = this.#forget((mid) => before.get(mid)?.camera !== asked.get(mid)?.camera);
    this.#socket?.ask({ type: "show", tiles }).then((answer) => {
      // The answer to a newer question counts.
      if (answer.type !== "shown" || this.#shown !== text) return;
      this.#apply({ type: "shown", refused: answer.refused });
      this.#askAgain();
    }).catch((error: unknown) => {
      if (this.#shown === text) this.#shown = "";
      if (error instanceof WallRefusal && UNHEARD.has(error.code)) this.#unsay(turn, before, forgotten);
      // A refused request is not repeated as it is; one that was lost is said with the next connection.
      if (error instanceof WallRefusal && error.code === "too_often") this.#show(TOO_OFTEN_MS);
    });
  }

  #forget(changed: (mid: string) => boolean): Map<string, Carried> {
    const { carried } = this.store.get().wall;
    const mids = new Set([...carried.keys(), ...this.#told.keys()].filter(changed));
    const forgotten = new Map([...carried, ...this.#told].filter(([mid]) => mids.has(mid)));
    for (const mid of mids) this.#told.delete(mid);
    if (mids.size > 0) this.#apply({ type: "forget", lines: mids });
    return forgotten;
  }

  /** The server did not take what was said: its lines carry what they did, and it will not tell that again. */
  #unsay(turn: number, before: ReadonlyMap<string, Asked>, forgotten: ReadonlyMap<string, Carried>): void {
    const newest = this.#turn === turn;
    if (newest) this.#asked = before;
    // Said again since, by the very next message, it never was another camera's.
    const same = (mid: string): boolean => {
      const is = this.#asked.get(mid);
      return is !== undefined && is.camera === before.get(mid)?.camera && is.turn <= turn + 1;
    };
    const back = [...forgotten].filter(([mid]) => !this.#told.has(mid) && (newest || same(mid)));
    for (const [mid, carried] of back) this.#told.set(mid, carried);
    if (back.length > 0) this.#apply({ type: "carries", lines: back });
  }

  /** A server that is busy now is not for long; a right may come back with the hour. */
  #askAgain(): void {
    clearTimeout(this.#againTimer);
    const reasons = [...this.store.get().wall.refused.values()];
    if (reasons.length === 0 || this.#over) return;
    this.#againTimer = setTimeout(() => {
      this.#shown = "";
      this.#say();
    }, reasons.includes("busy") ? BUSY_AGAIN_MS : REFUSED_AGAIN_MS);
  }

  #listen(): void {
    const mid = this.#receiver.soundMid;
    if (!this.#welcomed || mid === null) return;
    const { sound } = this.store.get().wall;
    this.#socket?.ask({ type: "listen", mid, camera: sound }).then((answer) => {
      const refused = answer.type === "shown" ? answer.refused[0] : undefined;
      if (!refused || this.store.get().wall.sound !== sound) return;
      this.#deaf(refused);
    }).catch(() => undefined);
  }

  /** A camera is not heard, or no longer; its picture is another matter. */
  #deaf({ camera, reason }: RefusedTile): void {
    this.#apply({ type: "sound", camera: null });
    if (reason === "sound_not_playable") this.#apply({ type: "mute", camera });
    this.told.soundRefused(reason);
  }

  async #offer(sdp: string): Promise<string> {
    const socket = this.#socket;
    if (!socket) throw new WallRefusal("disconnected", "no line");
    const answer = await socket.ask({ type: "offer", sdp });
    if (answer.type !== "answer") throw new WallRefusal("protocol_error", answer.type);
    this.#told.clear();
    return answer.sdp;
  }

  #lostPeer(): void {
    // What keeps pictures away is said until they come: the next try meets the same.
    if (this.store.get().link.media === "up") this.#link({ media: "connecting" });
    clearTimeout(this.#peerTimer);
    this.#peerTimer = setTimeout(() => {
      if (this.#welcomed && !this.#over) void this.#receiver.connect();
    }, PEER_PAUSE_MS);
  }

  async #measure(): Promise<void> {
    if (document.visibilityState !== "visible") return;
    const delays = await this.#receiver.delays(this.now(), (mid) => this.#clockOf(mid)).catch(() => null);
    if (delays && !this.#over) this.store.commit({ delays });
  }

  /** How far the clock of the camera on a line is ahead of the server's, if it tells. */
  #clockOf(mid: string): number | null {
    const { wall } = this.store.get();
    const camera = wall.carried.get(mid)?.camera ?? null;
    return camera === null ? null : (wall.known.get(camera)?.status?.clock_offset_ms ?? null);
  }

  #link(part: Partial<WallLink>): void {
    const { link } = this.store.get();
    if (Object.entries(part).every(([k, v]) => link[k as keyof WallLink] === v)) return;
    this.store.commit({ link: { ...link, ...part } });
  }

  #event(event: RedialEvent): void {
    this.#act(this.#redial.handle(performance.now(), event));
  }

  #act(output: RedialOutput): void {
    if (output === "dial") this.#dial();
    else if (output === "hang_up") this.#hangUp();
    else if (output === "ping") void this.#socket?.ask({ type: "ping" }).catch(() => undefined);
    clearTimeout(this.#wake);
    const { wakeAt, state } = this.#redial;
    if (wakeAt !== null) this.#wake = setTimeout(() => this.#act(this.#redial.tick(performance.now())), Math.max(0, wakeAt - performance.now()));
    const { link } = this.store.get();
    if (link.phase === "closed") return;
    const phase = state === "offline" ? "offline" : this.#welcomed ? "up" : link.since === null && link.phase === "dialing" ? "dialing" : "lost";
    this.#link({ phase, since: phase === "up" || phase === "dialing" ? null : (link.since ?? Date.now()) });
  }

  #hangUp(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#welcomed = false;
    socket?.close();
  }

  #dial(): void {
    this.#hangUp();
    const socket = new WallSocket(wallUrl(location), {
      open: () => {
        this.#event({ type: "opened" });
        socket.send({ type: "hello", version: PROTOCOL_VERSION, csrf: csrfToken() });
      },
      message: (message) => {
        if (this.#socket !== socket) return;
        this.#event({ type: "heard" });
        this.#message(message);
      },
      closed: () => {
        if (this.#socket !== socket) return;
        this.#socket = null;
        this.#welcomed = false;
        this.#event({ type: "failed" });
      },
    });
    this.#socket = socket;
  }

  #gather(camera: CameraId, known: Known): void {
    // The newest word of each: the list is bounded by the number of cameras.
    const before = this.#gathered.get(camera);
    this.#gathered.set(camera, known.status === null && before?.state === known.state && before.since === known.since ? before : known);
    this.#gatherTimer ??= setTimeout(() => {
      this.#gatherTimer = undefined;
      const cameras = [...this.#gathered];
      this.#gathered.clear();
      this.#apply({ type: "known", cameras });
    }, GATHER_MS);
  }

  #message(message: WallMessage): void {
    switch (message.type) {
      case "welcome":
        this.#welcomed = true;
        this.#clockOffset = message.now - Date.now();
        this.#shown = "";
        this.#link({ phase: "up", since: null, watermark: message.watermark, media: "connecting" });
        void this.#receiver.connect();
        this.told.welcomed();
        break;
      case "withdrawn":
        if (message.tile.mid === this.#receiver.soundMid) {
          if (this.store.get().wall.sound === message.tile.camera) this.#deaf(message.tile);
          break;
        }
        this.#apply({ type: "withdrawn", tile: message.tile });
        this.#askAgain();
        break;
      case "carries":
        this.#told.set(message.mid, { camera: message.camera, stream: message.stream, thumbnail: message.thumbnail, limited: message.limited, mainNotPlayable: message.main_not_playable });
        this.#carriesTimer ??= setTimeout(() => {
          this.#carriesTimer = undefined;
          this.#apply({ type: "carries", lines: this.#told });
        }, CARRIES_MS);
        break;
      case "camera":
        this.#gather(message.camera, { state: message.status.state, since: message.status.since, status: message.status });
        break;
      case "camera_state":
        this.#gather(message.camera, { state: message.state, since: message.since, status: null });
        break;
      case "cameras_changed":
        this.told.camerasChanged();
        break;
      case "alarm":
        this.dispatch({ type: "alarm", now: Date.now(), alarm: message.alarm });
        break;
      case "export":
        this.told.exported(message.job);
        break;
      case "peer_lost":
        this.#lostPeer();
        break;
      case "closed":
        this.#closed(message.code);
        break;
      default:
        break;
    }
  }

  #closed(code: string): void {
    if (code === "server_restart") return; // the socket ends by itself and is dialled again
    this.#event({ type: "stop" });
    this.#hangUp();
    this.#link({ phase: "closed", code, since: this.store.get().link.since ?? Date.now() });
    if (code === "needs_second_factor") {
      void this.told.needsFactor().then((shown) => {
        if (shown && !this.#over) this.again();
      });
    }
  }
}
