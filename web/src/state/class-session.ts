/**
 * One class, from joining to leaving: dials, enters, keeps the media connections alive, carries requests to the server
 * and commits to the store what server and browser confirm. Decisions that can be pure are elsewhere: when to dial
 * (`redial.ts`), what the room is (`room.ts`), which line carries what (`lines.ts`).
 */
import { keepAwake } from "../media/wake";
import { Receiver } from "../media/receiver";
import { Sender } from "../media/sender";
import { heardSince, StatsWatch } from "../media/stats";
import * as api from "../protocol/api";
import type { ClientMessage, JoinGrant, ServerMessage, TrackSource } from "../protocol/generated/index";
import { ApiError } from "../protocol/http";
import { Redial, type RedialOutput } from "../protocol/redial";
import { PROTOCOL_VERSION, Refusal, RoomSocket, socketUrl } from "../protocol/socket";
import { initialClassState, type ClassState } from "./class-state";
import { OwnMedia } from "./own-media";
import { apply, enter, mainTile, mayPublish, me, tiles, type RoomNews, type RoomState } from "./room";
import { forgetResume, keepResume, kept, resumeOf } from "./resume";
import { settings } from "./settings";
import { createStore, type Store } from "./store";
import { Viewing } from "./viewing";

/** How long a removed person can still be let stay. */
export const UNDO_MS = 10_000;
const STATS_MS = 2_000;
const REFUSAL_MS = 8_000;
const SILENCE_MS = 8_000;
/** Media that pauses for so long may have lost its network: what is not muted comes many times a second. */
const QUIET_MS = 1_500;
const QUIET_LOOK_MS = 1_000;
/** So long after such a doubt the line counts as dead, if neither an answer nor media came. */
const DOUBT_MS = 1_500;
const DOUBT_AGAIN_MS = 5_000;

export interface JoinOptions {
  code: string;
  name: string;
  classroom: boolean;
  /** Open the class as soon as we are in (the teacher pressed "start"). */
  open: boolean;
  lines: { video: number; audio: number };
}

export class ClassSession {
  readonly store: Store<ClassState>;
  readonly own: OwnMedia;
  readonly #redial = new Redial();
  #socket: RoomSocket | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #grant: JoinGrant | null = null;
  #options: JoinOptions | null = null;
  #sender: Sender | null = null;
  #receiver: Receiver | null = null;
  #viewing = new Viewing({
    mids: () => this.#receiver?.mids ?? { audio: [], video: [] },
    assign: (lines) => this.say({ type: "assign", lines }),
    moved: () => this.store.commit({ placement: this.store.get().placement + 1 }),
  });
  #saidMuted = new Map<TrackSource, boolean>();
  #saidAudioOnly = false;
  #downAt: number | null = null;
  #release: (() => void)[] = [];
  #statsUp = new StatsWatch();
  #statsDown = new StatsWatch();
  #renewedAt = Date.now();
  #doubtedAt = 0;
  #removeTimer: ReturnType<typeof setTimeout> | null = null;
  /** Whose time to be let stay is over, but the server has not heard of it yet. */
  #toRemove = new Set<string>();
  /** Told what is worth announcing: a raised hand, a chat line, a stage change. */
  onNews: (news: RoomNews) => void = () => undefined;

  constructor() {
    this.store = createStore(initialClassState());
    this.own = new OwnMedia(
      () => this.store.get(),
      (part) => {
        this.store.commit(part);
        this.#tellMuted();
      },
    );
    this.own.onTrack = (source, track) => this.#ownTrack(source, track);
  }

  join(options: JoinOptions): void {
    this.#options = options;
    this.store.commit({ phase: { name: "joining" }, link: { state: "connecting" }, audioOnly: kept(options.code)?.audioOnly ?? false });
    this.#receiver = this.#makeReceiver(options.lines);
    this.#receiver.prepare();
    const online = (): void => this.#carryOut(this.#redial.handle(Date.now(), { type: "online" }));
    const offline = (): void => {
      this.#carryOut(this.#redial.handle(Date.now(), { type: "offline" }));
      const { link } = this.store.get();
      if (link.state === "down") this.store.commit({ link: { ...link, offline: true } });
    };
    const leaving = (): void => this.#flushRemove();
    addEventListener("online", online);
    addEventListener("offline", offline);
    addEventListener("pagehide", leaving);
    // Phones report a change of network only here. The same event tells of every new guess at the line's rate, and where
    // that is all there is (no `type`) it says nothing about the network.
    const network = (navigator as { connection?: EventTarget & { type?: string } }).connection;
    let type = network?.type;
    const changed = (): void => {
      if (network?.type === type) return;
      type = network?.type;
      if (type !== undefined && type !== "none") online();
    };
    network?.addEventListener?.("change", changed);
    const stats = setInterval(() => void this.#lookAtStats(), STATS_MS);
    const quiet = setInterval(() => void this.#lookForQuiet(), QUIET_LOOK_MS);
    this.#release.push(
      keepAwake(),
      () => removeEventListener("online", online),
      () => removeEventListener("offline", offline),
      () => removeEventListener("pagehide", leaving),
      () => network?.removeEventListener?.("change", changed),
      () => clearInterval(stats),
      () => clearInterval(quiet),
    );
    this.#carryOut(this.#redial.handle(Date.now(), { type: "start" }));
  }

  // --- Requests. Each says what is wanted; the store changes when it is confirmed. ---

  say(message: ClientMessage): boolean {
    return this.#socket?.send(message) ?? false;
  }

  /** What a person asks for by pressing something: if the line is down, they are told that it was not done. */
  request(message: ClientMessage): boolean {
    const said = this.say(message);
    if (!said) this.#showRefusal("disconnected");
    return said;
  }

  get code(): string {
    return this.#options?.code ?? "";
  }

  /** Calls on someone: on stage, hand down. */
  call(participant: string): void {
    const raised = this.store.get().room?.participants.get(participant)?.hand_since ?? null;
    if (this.request({ type: "stage", participant, on: true }) && raised !== null) this.say({ type: "lower_hand", participant });
  }

  muteAll(): void {
    this.request({ type: "mute", participant: null });
  }

  leave(): void {
    this.#flushRemove();
    this.say({ type: "leave" });
    if (this.#options) forgetResume(this.#options.code);
    this.store.commit({ phase: { name: "closed", reason: "left" } });
    this.close();
  }

  /** One's own choice, so it holds whether the line is up or not; the server hears of it as soon as it can. */
  setAudioOnly(on: boolean): void {
    this.store.commit({ audioOnly: on });
    if (this.#options && this.#grant) keepResume(this.#options, this.#grant, on);
    this.#tellAudioOnly();
  }

  #tellAudioOnly(): void {
    const on = this.store.get().audioOnly;
    if (on !== this.#saidAudioOnly && this.say({ type: "audio_only", on })) this.#saidAudioOnly = on;
  }

  pin(key: string | null): void {
    this.store.commit({ pinned: this.store.get().pinned === key ? null : key });
    this.#updateViewing();
  }

  /** Takes someone's voice and picture away at once; they leave for good when the time to undo is over. */
  remove(participant: string): void {
    this.#flushRemove();
    const name = this.store.get().room?.participants.get(participant)?.name ?? "";
    this.store.commit({ removing: { participant, name, until: Date.now() + UNDO_MS } });
    this.#removeTimer = setTimeout(() => {
      this.#removeTimer = null;
      this.#removeInTime();
    }, UNDO_MS);
    this.#silenceRemoved();
  }

  undoRemove(): void {
    if (this.#removeTimer) clearTimeout(this.#removeTimer);
    this.#removeTimer = null;
    this.store.commit({ removing: null });
  }

  #silenceRemoved(): void {
    const participant = this.store.get().removing?.participant;
    if (participant !== undefined && this.say({ type: "mute", participant })) this.say({ type: "stage", participant, on: false });
  }

  /** The time to undo is over; but while the line is down the notice stays, and so does the way to undo it. */
  #removeInTime(): void {
    if (this.#removeTimer === null && this.store.get().link.state === "up") this.#flushRemove();
  }

  #flushRemove(): void {
    const { removing } = this.store.get();
    this.undoRemove();
    if (removing) this.#toRemove.add(removing.participant);
    for (const participant of this.#toRemove) if (this.say({ type: "remove", participant })) this.#toRemove.delete(participant);
  }

  seeAlarm(): void {
    this.store.commit({ alarmSeen: true });
  }

  dismissRefusal(): void {
    this.store.commit({ refusal: null });
  }

  async unblockSound(): Promise<void> {
    await this.#receiver?.unblock();
  }

  setSpeaker(id: string): void {
    this.#receiver?.setSpeaker(id);
  }

  /** A picture is on the page, this high. */
  show(track: string, px: number): void {
    this.#viewing.show(track, px);
  }

  hide(track: string): void {
    this.#viewing.hide(track);
  }

  /** The stream that shows a track, and whether the server confirmed that this line carries it now. */
  streamOf(track: string): { stream: MediaStream; confirmed: boolean; paused: boolean } | null {
    const mid = this.#viewing.midOf(track);
    const stream = mid === null ? undefined : this.#receiver?.stream(mid);
    if (mid === null || !stream) return null;
    const line = this.store.get().room?.lines.get(mid);
    return { stream, confirmed: line?.track === track, paused: line?.track === track && line.layer === null };
  }

  close(): void {
    this.#carryOut(this.#redial.handle(Date.now(), { type: "stop" }));
    for (const release of this.#release.splice(0)) release();
    this.#sender?.close();
    this.#sender = null;
    this.#receiver?.close();
    this.#viewing.close();
    this.own.close();
  }

  // --- The line to the server ---

  #carryOut(output: RedialOutput): void {
    if (output === "dial") void this.#dial();
    if (output === "hang_up") this.#socket?.close();
    if (output === "ping") {
      this.#socket?.ask({ type: "ping" }).catch(() => undefined);
    }
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    const { wakeAt } = this.#redial;
    if (wakeAt !== null) {
      this.#timer = setTimeout(() => this.#carryOut(this.#redial.tick(Date.now())), Math.max(0, wakeAt - Date.now()));
    }
  }

  /** Media stopped: if the network changed, the socket is dead, too, and does not know. */
  async #doubt(): Promise<void> {
    const since = Date.now();
    if (since - this.#doubtedAt < DOUBT_AGAIN_MS) return;
    this.#doubtedAt = since;
    this.#carryOut(this.#redial.handle(since, { type: "doubted" }));
    await new Promise((resolve) => setTimeout(resolve, DOUBT_MS));
    const pc = this.#receiver?.pc;
    if (!pc || (await heardSince(pc, since)) !== false) return;
    this.#carryOut(this.#redial.handle(Date.now(), { type: "silent", since }));
  }

  #failed(): void {
    const { link } = this.store.get();
    if (link.state !== "down") {
      this.#downAt ??= Date.now();
      this.store.commit({ link: { state: "down", since: this.#downAt, offline: navigator.onLine === false } });
    }
    this.#carryOut(this.#redial.handle(Date.now(), { type: "failed" }));
  }

  async #dial(): Promise<void> {
    const options = this.#options as JoinOptions;
    const attempt = this.#redial.tries;
    try {
      this.#grant = await api.joinClass(options.code, {
        name: options.name,
        classroom: options.classroom,
        resume: resumeOf(options.code),
      });
    } catch (error) {
      if (this.#redial.state !== "dialing" || this.#redial.tries !== attempt) return;
      const permanent =
        error instanceof ApiError && (error.code === "room_full" || (error.status >= 400 && error.status < 500 && error.status !== 408 && error.status !== 429));
      if (!permanent) return this.#failed();
      if (error.code === "bad_resume") forgetResume(options.code);
      this.store.commit({ phase: { name: "refused", code: error.code, detail: error.detail } });
      return this.close();
    }
    if (this.#redial.state !== "dialing" || this.#redial.tries !== attempt) return;
    keepResume(options, this.#grant, this.store.get().audioOnly);
    const grant = this.#grant.grant;
    const socket: RoomSocket = new RoomSocket(socketUrl(location), {
      open: () => socket.send({ type: "hello", version: PROTOCOL_VERSION, grant }),
      message: (message) => socket === this.#socket && this.#receive(message),
      closed: () => socket === this.#socket && this.#failed(),
    });
    this.#socket = socket;
  }

  #receive(message: ServerMessage): void {
    const now = Date.now();
    this.#carryOut(this.#redial.handle(now, { type: "heard" }));
    switch (message.type) {
      case "welcome":
        this.#carryOut(this.#redial.handle(now, { type: "opened" }));
        this.store.commit({ phase: { name: "in" }, link: { state: "up" }, room: enter(message, now) });
        if (this.store.get().refusal?.code === "disconnected") this.dismissRefusal();
        void this.#entered();
        return;
      case "waiting":
        this.#carryOut(this.#redial.handle(now, { type: "opened" }));
        this.#outside();
        this.store.commit({
          phase: { name: "waiting", title: message.title, teacher: message.teacher, open: message.open },
          link: { state: "up" },
        });
        return;
      case "closed":
        if (message.reason === "server_restart") return void this.#socket?.close();
        if (this.#options && message.reason !== "taken_over") forgetResume(this.#options.code);
        this.store.commit({ phase: { name: "closed", reason: message.reason } });
        return this.close();
      case "refused":
        this.#showRefusal(message.code);
        return;
      case "peer_lost":
        if (message.publish) void this.#sender?.restart().catch(() => undefined);
        else void this.#receiver?.connect();
        return;
    }
    const { room } = this.store.get();
    if (!room) return;
    if (message.type === "please_mute" && !this.#pleaseMute(room, message.source)) return;
    const next = apply(room, message);
    this.#opened(next.room);
    if (next.room !== room) this.store.commit({ room: next.room });
    if (next.room.recording !== room.recording) this.store.commit({ alarmSeen: false });
    for (const news of next.news) this.onNews(news);
    this.#roomChanged();
  }

  /** The teacher wants silence. Gives back whether there was anything to turn off; whoever is off stage is not disturbed. */
  #pleaseMute(room: RoomState, source: TrackSource): boolean {
    if ((source !== "microphone" && source !== "camera") || !mayPublish(room)) return false;
    const device = this.store.get()[source];
    if (!device.on && !device.busy) return false;
    // The store turns when the browser has muted; the server hears it from `#tellMuted`.
    void this.own.mute(source);
    return true;
  }

  /** Before the door again, after an absence too long for the server to keep the place: nothing of the class goes on here. */
  #outside(): void {
    this.#downAt = null; // no media outlives this
    if (!this.store.get().room) return;
    this.#sender?.close();
    this.#sender = null;
    this.#saidMuted.clear();
    this.#saidAudioOnly = false;
    this.own.release();
    this.#receiver?.hangUp();
    this.store.commit({ room: null, receiving: false, pinned: null, up: null, down: null });
  }

  /** A class that was opened once is not opened again by itself. */
  #opened(room: RoomState): void {
    if (room.state === "live" && this.#options?.open) this.#options = { ...this.#options, open: false };
  }

  async #entered(): Promise<void> {
    const downAt = this.#downAt;
    this.#downAt = null;
    this.#saidMuted.clear();
    const { room } = this.store.get();
    if (!room) return;
    this.#opened(room);
    // Said again each time until it is open: what was said may be lost with the line.
    if (this.#options?.open && room.role === "teacher") this.say({ type: "open" });
    if (this.store.get().audioOnly) this.#saidAudioOnly = false; // said again: a new server knows nothing of it
    this.#tellAudioOnly();
    this.#silenceRemoved();
    this.#removeInTime();
    for (const track of room.tracks.values()) {
      // A share that ended while the line was down, or with a page that was reloaded.
      if (track.participant === room.you && (track.source === "screen" || track.source === "screen_audio") && !this.own.track(track.source)) {
        this.say({ type: "unpublish", track: track.id });
      }
    }
    this.#roomChanged(true);
    if (downAt === null) {
      this.#expectMain();
      void this.#receiver?.connect();
      return;
    }
    // Media may have outlived the socket (it goes another way): what still arrives is kept, what stopped is offered anew.
    const margin = downAt + 500;
    const receiving = this.#receiver?.pc ? await heardSince(this.#receiver.pc, margin) : false;
    if (receiving) this.#viewing.renew();
    else void this.#receiver?.connect();
    const sender = this.#sender;
    if (!sender) return;
    const heard = sender.pc ? await heardSince(sender.pc, margin) : true;
    // What was first published while the line was down is offered now.
    await (heard ? sender.sync() : sender.restart()).catch(() => undefined);
  }

  /** The lesson will stand large: asked for before the page has drawn itself, which saves the first picture a tenth of a
   *  second. The tile says the true height as soon as it stands. */
  #expectMain(): void {
    const { room, pinned } = this.store.get();
    const main = room ? mainTile(room, tiles(room), pinned) : null;
    if (main?.track && !main.own) this.#viewing.show(main.track.id, Math.min(innerHeight * 0.85, (innerWidth * 9) / 16) * devicePixelRatio);
  }

  #roomChanged(entering = false): void {
    this.#updateViewing();
    this.#syncPublishing(entering);
    this.#tellMuted();
  }

  #updateViewing(): void {
    const { room, pinned } = this.store.get();
    if (room) this.#viewing.update(room, mainTile(room, tiles(room), pinned)?.track?.id ?? null);
  }

  // --- Sending ---

  /** Publishes while the server lets us, lets go of the devices when it no longer does. */
  #syncPublishing(entering: boolean): void {
    const { room } = this.store.get();
    if (!room) return;
    const should = mayPublish(room) && room.state === "live";
    if (should && !this.#sender) {
      const sender = (this.#sender = this.#makeSender());
      const { cameraOn, microphoneOn } = settings.get();
      const start = async (kind: "microphone" | "camera", wanted: boolean): Promise<void> => {
        const track = this.own.track(kind);
        if (track) await sender.set(kind, track);
        else if (wanted) await this.own.turn(kind, true);
      };
      // Whom the teacher muted stays so over a reload; whoever is called anew begins as they chose.
      const muted = entering && (me(room)?.muted.includes("microphone") ?? false);
      void start("microphone", microphoneOn && !muted).catch(() => undefined);
      void start("camera", cameraOn).catch(() => undefined);
      if (this.own.track("screen")) void sender.set("screen", this.own.track("screen")).catch(() => undefined);
    } else if (!should && this.#sender) {
      this.#sender.close();
      this.#sender = null;
      this.#saidMuted.clear();
      // Off stage one is neither seen nor heard, and the camera's lamp says so. A teacher before the class keeps the preview.
      if (room.role !== "teacher") this.#releaseDevices();
    } else if (!should && room.role !== "teacher" && room.state === "live" && (this.own.track("camera") || this.own.track("microphone"))) {
      this.#releaseDevices();
    }
  }

  /** Without changing what the person chose to join with. */
  #releaseDevices(): void {
    this.own.release();
  }

  #ownTrack(source: TrackSource, track: MediaStreamTrack | null | undefined): void {
    if (!this.#sender) return;
    const done = track === undefined ? this.#sender.remove(source) : this.#sender.set(source, track);
    done.then(() => this.#tellMuted()).catch(() => undefined);
  }

  /** Tells the server what the browser confirmed about microphone and camera, once per change. */
  #tellMuted(): void {
    const { room, microphone, camera } = this.store.get();
    const self = room ? me(room) : undefined;
    if (!self || !this.#sender) return;
    for (const [source, device] of [["microphone", microphone], ["camera", camera]] as const) {
      if (device.busy || !this.#sender.trackId(source)) continue;
      const muted = !device.on;
      if (this.#saidMuted.get(source) === muted) continue;
      if (this.say({ type: "mute_self", source, muted })) this.#saidMuted.set(source, muted);
    }
  }

  #makeSender(): Sender {
    const sender: Sender = new Sender({
      publish: async (sdp, lines) => {
        const answer = await this.#ask({ type: "publish", sdp, lines });
        queueMicrotask(() => this.#tellMuted());
        return answer;
      },
      unpublish: (track) => void this.say({ type: "unpublish", track }),
      connected: () => this.store.commit({ mediaBlocked: null }),
      wavering: () => void this.#doubt(),
      lost: () => this.store.get().link.state === "up" && void sender.restart().catch(() => undefined),
      stuck: (mediaBlocked) => this.store.commit({ mediaBlocked }),
      refused: (error) => this.#mediaRefused(error, () => sender === this.#sender && void sender.restart().catch(() => undefined)),
    });
    return sender;
  }

  // --- Receiving ---

  #makeReceiver(lines: { video: number; audio: number }): Receiver {
    const receiver: Receiver = new Receiver(lines, {
      subscribe: async (sdp) => (await this.#ask({ type: "subscribe", sdp })).sdp,
      offered: () => {
        const { room } = this.store.get();
        // What the old lines carried says nothing about the new ones.
        if (room) this.store.commit({ room: { ...room, lines: new Map() } });
        this.#viewing.hold();
      },
      ready: () => this.store.commit({ placement: this.store.get().placement + 1 }),
      connected: () => {
        this.store.commit({ receiving: true, mediaBlocked: null });
        this.#viewing.renew();
      },
      wavering: () => void this.#doubt(),
      lost: () => {
        this.store.commit({ receiving: false });
        if (this.store.get().link.state === "up") void receiver.connect();
      },
      stuck: (mediaBlocked) => this.store.commit({ mediaBlocked }),
      refused: (error) => this.#mediaRefused(error, () => void receiver.connect()),
      soundBlocked: (soundBlocked) => this.store.commit({ soundBlocked }),
    });
    receiver.setSpeaker(settings.get().speakerId);
    return receiver;
  }

  async #ask(question: { type: "publish"; sdp: string; lines: { mid: string; source: TrackSource }[] } | { type: "subscribe"; sdp: string }): Promise<{ sdp: string; tracks: string[] }> {
    const socket = this.#socket;
    if (!socket) throw new Refusal("disconnected", "not connected");
    const answer = await socket.ask(question);
    if (answer.type !== "answer") throw new Refusal("unknown", `expected an answer, got ${answer.type}`);
    return answer;
  }

  /** A busy server is asked again; a lost line is seen to by the redial; anything else is shown. */
  #mediaRefused(error: unknown, again: () => void): void {
    // What the browser itself could not do is told like an offer that the server could not take.
    const code = error instanceof Refusal ? error.code : "bad_offer";
    if (code === "disconnected") return; // `#entered` sees to it
    if (code === "busy" || code === "timeout" || code === "too_often") {
      setTimeout(() => this.store.get().link.state === "up" && again(), 1_000);
      return;
    }
    if (code !== "not_on_stage") this.#showRefusal(code, true);
  }

  /** Goes by itself after a while when it answers one press of a button; what `lasts` is a state, and stays. */
  #showRefusal(code: Refusal["code"], lasts = false): void {
    const refusal = { code, at: Date.now() };
    this.store.commit({ refusal });
    if (!lasts) setTimeout(() => this.store.get().refusal === refusal && this.dismissRefusal(), REFUSAL_MS);
  }

  async #lookAtStats(): Promise<void> {
    const up = this.#sender?.pc ? await this.#statsUp.look(this.#sender.pc).catch(() => null) : null;
    const down = this.#receiver?.pc ? await this.#statsDown.look(this.#receiver.pc).catch(() => null) : null;
    if (this.#redial.state !== "stopped") this.store.commit({ up, down });
    await this.#lookForSilence();
  }

  /** A browser tells of a lost path after five seconds and more. Asking the server costs one small message, so it is asked long before. */
  async #lookForQuiet(): Promise<void> {
    const { room, link } = this.store.get();
    const [now, pc] = [Date.now(), this.#receiver?.pc];
    if (!room || !pc || link.state !== "up" || pc.connectionState !== "connected") return;
    const flows = [...room.tracks.values()].some((track) => !track.muted && isAnothers(room, track));
    if (flows && (await heardSince(pc, now - QUIET_MS)) === false) await this.#doubt();
  }

  /**
   * The last resort: a connection that counts as up but carries nothing, not even reports, although the server has
   * something to say on it, is made anew. A peer that died at the server without a word looks like this.
   */
  async #lookForSilence(): Promise<void> {
    const { room, link } = this.store.get();
    const now = Date.now();
    if (!room || link.state !== "up" || now - this.#renewedAt < SILENCE_MS * 2) return;
    const silent = async (pc: RTCPeerConnection | null | undefined): Promise<boolean> => pc?.connectionState === "connected" && (await heardSince(pc, now - SILENCE_MS)) === false;
    const expects = [...room.tracks.values()].some((track) => isAnothers(room, track));
    if (expects && (await silent(this.#receiver?.pc))) {
      this.#renewedAt = now;
      void this.#receiver?.connect();
    }
    if (await silent(this.#sender?.pc)) {
      this.#renewedAt = now;
      void this.#sender?.restart().catch(() => undefined);
    }
  }
}

/** Whether somebody else who is here publishes it. */
const isAnothers = (room: RoomState, track: { participant: string }): boolean => track.participant !== room.you && room.participants.get(track.participant)?.online === true;
