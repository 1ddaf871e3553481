/**
 * One tile of a wall. Its <video> lives as long as the wall: only what its line carries changes. A picture is shown once the
 * server has said that the line carries this camera and a frame of it was drawn; under another camera's name no picture is
 * ever shown. What is dead says so in words that are read from across the room, over its last picture, dimmed.
 */
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { Camera as CameraIcon, Expand, History, Plus, Radio, Shrink, Volume2, VolumeOff, VolumeX, X } from "lucide";
import { p } from "../../i18n/patrol";
import { canPlay, ReplayPlayer } from "../../media/replay";
import type { AlarmItem, Camera } from "../../protocol/generated/index";
import { FirstFrame } from "../../state/patrol/first-frame";
import { FrameWatch } from "../../state/patrol/frames";
import { pictureHeight } from "../../state/patrol/grid";
import type { MasterClock } from "../../state/patrol/step";
import type { Carried } from "../../state/patrol/wall";
import type { WallSession } from "../../state/patrol/wall-session";
import { icon } from "../icon";
import { define, View } from "../view";
import { alarmWords, clockS, isDead, lasting, stateSince } from "./words-of";

/** What the wall knows of a tile; made anew by the wall at every change. */
export interface TileModel {
  slot: number;
  camera: Camera | null;
  state: Camera["status"]["state"];
  since: number;
  recording: boolean;
  carried: Carried | null;
  /** Words for a refusal, if there is one. */
  refusal: string | null;
  alarm: AlarmItem | null;
  delayMs: number | null;
  /** Whether the delay counts from the lens, and not from the server. */
  delayWhole: boolean;
  /** Whether the camera tells its clock: what the browser takes for the capture is the lens's then, and not the server's. */
  clockTold: boolean;
  /** Why it can't be heard, in words. */
  soundless: string | null;
  selected: boolean;
  enlarged: boolean;
  /** Another tile is enlarged: this one is not to be seen. */
  hidden: boolean;
  heard: boolean;
  /** Its sound turned out to be unplayable. */
  mute: boolean;
  replaying: boolean;
  linkUp: boolean;
  clockOffset: number;
}

export type TileAct = "select" | "enlarge" | "sound" | "snapshot" | "back" | "live" | "clear" | "choose";

/** A live camera without a picture for so long (keyframes may be 30 s apart): what its line carries was not told, or is lost (ms). */
const WAIT_MS_MAX = 40_000;

const same = (a: TileModel | undefined, b: TileModel): boolean => a !== undefined && (Object.keys(b) as (keyof TileModel)[]).every((k) => Object.is(a[k], b[k]));

const framesOf = (video: HTMLVideoElement): number => video.getVideoPlaybackQuality?.().totalVideoFrames ?? Math.round(video.currentTime * 1_000);

export class LecWallTile extends View {
  static override properties = {
    model: { attribute: false, hasChanged: (is: TileModel, was: TileModel | undefined) => !same(was, is) },
    session: { attribute: false },
    clock: { attribute: false },
    act: { attribute: false },
  };
  declare model: TileModel;
  declare session: WallSession;
  declare clock: MasterClock;
  declare act: (act: TileAct, slot: number) => void;

  #stream: MediaStream | null = null;
  #camera: string | null = null;
  #drawn = false;
  #waiting = false;
  #waitsSince: number | null = null;
  #height = 0;
  #watch = new FrameWatch();
  #first = new FirstFrame();
  #stillSince: number | null = null;
  #hasLast = false;
  /** Age of the picture at a frame that was looked at, milliseconds. */
  #age: number | null = null;
  #ageWhole = false;
  #replay: ReplayPlayer | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    const resize = new ResizeObserver(([entry]) => {
      if (!entry) return;
      this.#height = pictureHeight(entry.contentRect.width, entry.contentRect.height, devicePixelRatio);
      this.tell();
    });
    resize.observe(this);
    this.until(() => resize.disconnect());
    this.on(document, "visibilitychange", () => {
      this.#watch.reset();
      this.tell();
    });
    this.every(5_000); // "offline for 3 minutes" grows
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.session.measured(this.model.slot, 0);
    this.#endReplay();
    const video = this.video;
    if (video) video.srcObject = null;
    this.#stream = null;
  }

  get video(): HTMLVideoElement | null {
    return this.querySelector<HTMLVideoElement>("video.live");
  }
  /** The element whose picture is to be seen: what a snapshot takes. */
  get shownVideo(): HTMLVideoElement | null {
    return this.#replay ? this.querySelector<HTMLVideoElement>("video.replay") : this.#drawn ? this.video : null;
  }
  get replay(): ReplayPlayer | null {
    return this.#replay;
  }

  tell(): void {
    const { slot, camera, hidden, replaying } = this.model;
    const seen = camera !== null && !hidden && !replaying && document.visibilityState === "visible";
    this.session.measured(slot, seen ? this.#height : 0);
  }

  /** New streams after a new connection: the last picture stays until the first new one. */
  attach(): void {
    const video = this.video;
    const stream = this.session.stream(this.model.slot);
    if (!video || stream === this.#stream) return;
    this.#keepLast();
    this.#stream = stream;
    video.srcObject = stream;
    this.#drawn = false;
    this.#first.carries(0, false);
    this.#watch.reset();
    if (stream) void video.play().catch(() => undefined);
    this.#await();
    this.requestUpdate();
  }

  /** Every two seconds: does the picture move? */
  look(now: number): void {
    const { camera, state, hidden, replaying, carried, refusal, linkUp } = this.model;
    const video = this.video;
    const waits = camera && state === "live" && !hidden && !replaying && !this.#drawn && refusal === null && linkUp && document.visibilityState === "visible";
    if (!waits) this.#waitsSince = null;
    else if (now - (this.#waitsSince ??= now) > WAIT_MS_MAX) {
      this.#waitsSince = null;
      this.session.still("renew");
    }
    const due = video && camera && state === "live" && !hidden && !replaying && this.#drawn && carried?.camera === camera.id && document.visibilityState === "visible";
    if (!due) {
      this.#watch.reset();
    } else {
      const frames = framesOf(video);
      const advice = this.#watch.look(now, frames, video.paused, carried.thumbnail);
      if (advice === "play") void video.play().catch(() => undefined);
      else if (advice === "ask" || advice === "renew") this.session.still(advice);
    }
    if (due) this.#measureAge(video);
    const still = this.#watch.stillSince === null ? null : Date.now() - (now - this.#watch.stillSince);
    if ((still === null) !== (this.#stillSince === null)) {
      this.#stillSince = still;
      this.requestUpdate();
    }
  }

  /** From capture, where the browser knows it, or from the last packet of a frame to its light on the screen. */
  #measureAge(video: HTMLVideoElement): void {
    video.requestVideoFrameCallback?.((_now, frame) => {
      const from = frame.captureTime ?? frame.receiveTime;
      const age = from === undefined ? null : frame.expectedDisplayTime - from;
      this.#ageWhole = frame.captureTime !== undefined;
      this.#age = age !== null && age >= 0 && age < 30_000 ? age : null;
    });
  }

  /** The larger of what this frame and what the connection's counters say: neither sees the whole way. */
  #delay(): number | null {
    const { delayMs } = this.model;
    return delayMs === null && this.#age === null ? null : Math.max(delayMs ?? 0, this.#age ?? 0);
  }

  /** While a recording is shown: brings it to the clock. */
  step(now: number): void {
    if (!this.model.replaying || !this.model.camera) return this.#endReplay();
    if (!this.#replay) {
      const video = this.querySelector<HTMLVideoElement>("video.replay");
      if (!video) return;
      const sub = this.model.camera.status.streams.find((s) => s.stream === "sub");
      // Nine large pictures at once are too much for an old PC; one that is enlarged is worth its main stream.
      const variant = (this.model.enlarged && canPlay("avc1.640028")) || !sub ? "main" : "sub";
      this.#replay = new ReplayPlayer(video, this.model.camera.id, variant, () => this.requestUpdate(), () => this.model.clockOffset);
    }
    this.#replay.follow(this.clock.position(now), this.clock.playing, this.clock.rate);
  }

  #endReplay(): void {
    this.#replay?.close();
    this.#replay = null;
  }

  #keepLast(): void {
    const video = this.video;
    const canvas = this.querySelector<HTMLCanvasElement>("canvas.last");
    if (!video || !canvas || !this.#drawn || video.videoWidth === 0) return;
    canvas.width = Math.min(640, video.videoWidth);
    canvas.height = Math.round((canvas.width * video.videoHeight) / video.videoWidth);
    canvas.getContext("2d")?.drawImage(video, 0, 0, canvas.width, canvas.height);
    this.#hasLast = true;
  }

  /** Waits for the first frame that is drawn of what the line carries now. */
  #await(): void {
    const video = this.video;
    if (!video || this.#waiting || this.#drawn) return;
    this.#waiting = true;
    const told = typeof video.requestVideoFrameCallback === "function";
    const drawn = (_now?: unknown, frame?: VideoFrameCallbackMetadata): void => {
      this.#waiting = false;
      const { slot, camera, carried } = this.model;
      if (this.#drawn || !this.isConnected || !camera || carried?.camera !== camera.id) return;
      const [askedAt, frames] = [this.session.askedAt(slot, camera.id), told ? null : framesOf(video)];
      if (!this.#first.takes(performance.now(), { askedAt, receivedAt: frame?.receiveTime, frames })) return this.#await();
      this.#drawn = true;
      this.#hasLast = false;
      this.requestUpdate();
    };
    if (told) video.requestVideoFrameCallback(drawn);
    else video.addEventListener("timeupdate", () => drawn(), { once: true });
  }

  override updated(changed: PropertyValues): void {
    super.updated(changed);
    const { camera, carried, replaying } = this.model;
    if ((camera?.id ?? null) !== this.#camera) {
      this.#camera = camera?.id ?? null;
      this.#age = null;
      this.#drawn = false;
      this.#hasLast = false;
      this.#first.carries(0, false);
      this.#watch.reset();
      this.#stillSince = null;
      this.#endReplay();
      this.requestUpdate();
    } else if (this.#drawn && camera && carried?.camera && carried.camera !== camera.id) {
      // Another camera's picture comes; the server tells when it is this one's again.
      this.#drawn = false;
      this.#watch.reset();
      this.#stillSince = null;
      this.requestUpdate();
    } else if (this.#drawn && this.model.state !== "live" && !this.#hasLast) {
      this.#keepLast();
    }
    if (!replaying) this.#endReplay();
    this.attach();
    const carries = camera !== null && carried?.camera === camera.id;
    this.#first.carries(performance.now(), carries);
    if (carries) this.#await();
    this.tell();
  }

  override render(): TemplateResult {
    const { model } = this;
    const { camera } = model;
    if (!camera) return this.#empty();
    const now = Date.now() + model.clockOffset;
    const dead = isDead(model.state);
    const phase = this.#phase(dead);
    const what = stateSince(model.state, model.since, now);
    const delay = this.#delay();
    const wholeDelay = model.delayWhole || (model.clockTold && this.#ageWhole);
    return html`<div class="wall-tile ${model.alarm ? "alarmed" : ""} ${model.selected ? "selected" : ""} ${phase}" data-camera=${camera.id} data-state=${model.state} data-phase=${phase}
      data-stream=${model.carried?.stream ?? nothing} tabindex=${model.selected ? 0 : -1} role="group" draggable="true"
      aria-label=${`${p.wall.tileNo(model.slot + 1)} ${camera.place_name} ${camera.name}, ${what}${model.alarm ? `, ${alarmWords(model.alarm)}` : ""}`}
      @click=${() => this.act("select", model.slot)} @dblclick=${() => this.act("enlarge", model.slot)}>
      <canvas class="last" ?hidden=${!this.#hasLast || model.refusal !== null || model.replaying}></canvas>
      <video class="live ${this.#drawn && !model.replaying && model.refusal === null ? "" : "veiled"}" muted playsinline autoplay disablepictureinpicture tabindex="-1"></video>
      ${model.replaying ? html`<video class="replay ${this.#replay?.phase === "playing" ? "" : "veiled"}" muted playsinline disablepictureinpicture tabindex="-1"></video>` : nothing}
      ${this.#instead(phase, what, now)}
      <div class="watermark" aria-hidden="true"></div>
      <div class="caption">
        <span class="clip name"><strong>${camera.name}</strong> <span class="dim">${camera.place_name}</span></span>
        ${model.carried?.mainNotPlayable && model.enlarged ? html`<span class="warn" title=${p.tile.mainNotPlayable}>${p.tile.substream}</span>` : nothing}
        ${model.carried?.limited ? html`<span class="warn">${p.tile.limited}</span>` : nothing}
        ${this.#replayFacts()}
        ${!model.replaying && phase === "shown" && delay !== null ? html`<span class="num delay" title=${wholeDelay ? p.tile.delay : p.tile.delayPart}>${wholeDelay ? p.time.delay(delay) : p.time.least(delay)}</span>` : nothing}
        ${model.recording ? html`<span class="rec" title=${p.tile.recording}><span class="dot"></span>REC</span>` : camera.record ? html`<span class="norec" title=${p.tile.notRecording}>${p.tile.notRecordingShort}</span>` : nothing}
        ${model.heard ? html`<span class="heard">${icon(Volume2)}</span>` : model.mute ? html`<span class="warn" title=${p.refusals.sound_not_playable}>${p.tile.mute}</span>` : nothing}
      </div>
      ${model.alarm ? html`<div class="alarm-words">${alarmWords(model.alarm)} <span class="num">${clockS(model.alarm.since)}</span></div>` : nothing}
      ${this.#acts()}
    </div>`;
  }

  #phase(dead: boolean): "shown" | "dead" | "still" | "refused" | "loading" | "replaying" {
    if (this.model.replaying) return "replaying";
    if (this.model.refusal !== null) return "refused";
    if (dead) return "dead";
    if (this.#stillSince !== null) return "still";
    return this.#drawn ? "shown" : "loading";
  }

  #instead(phase: string, what: string, now: number): TemplateResult | typeof nothing {
    const { model } = this;
    switch (phase) {
      case "dead":
        return html`<div class="instead"><p class="big">${p.state[model.state]}</p><p class="since num">${lasting(now - model.since)}</p><span class="sr">${what}</span></div>`;
      case "still":
        return html`<div class="instead"><p class="big">${p.tile.still}</p><p class="since num">${lasting(Date.now() - (this.#stillSince ?? Date.now()))}</p></div>`;
      case "refused":
        return html`<div class="instead"><p class="mid">${model.refusal}</p></div>`;
      case "loading":
        return html`<div class="instead"><p class="loading">${model.linkUp ? p.tile.loading : p.wall.reconnecting}</p></div>`;
      case "replaying": {
        const replay = this.#replay;
        if (!replay || replay.phase === "loading") return html`<div class="instead"><p class="loading">${p.tile.loading}</p></div>`;
        if (replay.phase === "gap") return html`<div class="instead"><p class="mid">${p.tile.noRecording}</p>${replay.next === null ? nothing : html`<p class="since num">${p.tile.goesOn(clockS(replay.next))}</p>`}</div>`;
        if (replay.phase === "unsupported") return html`<div class="instead"><p class="mid">${p.tile.unsupported}</p></div>`;
        if (replay.phase === "refused" || replay.phase === "broken") return html`<div class="instead"><p class="mid">${replay.phase === "refused" ? p.tile.replayRefused : p.tile.replayBroken}</p><button class="btn small" @click=${(e: Event) => { e.stopPropagation(); replay.retry(); }}>${p.tile.again}</button></div>`;
        return nothing;
      }
      default:
        return nothing;
    }
  }

  #replayFacts(): TemplateResult | typeof nothing {
    return this.model.replaying ? html`<span class="replay-mark">${icon(History)}${p.tile.replay}</span>` : nothing;
  }

  #acts(): TemplateResult {
    const { model } = this;
    const may = model.camera?.may;
    const button = (act: TileAct, name: string, key: string, mark: TemplateResult, pressed?: boolean, why: string | null = null): TemplateResult =>
      html`<button tabindex=${model.selected ? 0 : -1} aria-label=${why ?? name} title=${why ?? `${name} (${key})`} aria-disabled=${why === null ? nothing : "true"} aria-pressed=${pressed === undefined || why !== null ? nothing : pressed}
        @click=${(e: Event) => { e.stopPropagation(); this.act(act, model.slot); }} @dblclick=${(e: Event) => e.stopPropagation()}>${mark}</button>`;
    return html`<div class="acts">
      ${button("sound", p.tile.sound, "M", icon(model.soundless ? VolumeOff : model.heard ? Volume2 : VolumeX), model.heard, model.soundless)}
      ${button("snapshot", p.tile.snapshot, "S", icon(CameraIcon))}
      ${may?.play ? (model.replaying ? button("live", p.tile.toLive, "L", icon(Radio)) : button("back", p.tile.backMinute, "B", icon(History))) : nothing}
      ${button("enlarge", model.enlarged ? p.tile.shrink : p.tile.enlarge, "Enter", icon(model.enlarged ? Shrink : Expand))}
      ${button("clear", p.tile.clear, "Delete", icon(X))}
    </div>`;
  }

  #empty(): TemplateResult {
    const { model } = this;
    return html`<div class="wall-tile empty-tile ${model.selected ? "selected" : ""}" data-phase="empty" tabindex=${model.selected ? 0 : -1} role="group" aria-label=${`${p.wall.tileNo(model.slot + 1)} ${p.tile.empty}`}
      @click=${() => this.act("select", model.slot)} @dblclick=${() => this.act("choose", model.slot)}>
      <canvas class="last" hidden></canvas><video class="live veiled" muted playsinline tabindex="-1"></video>
      <div class="instead"><span class="plus">${icon(Plus)}</span></div>
    </div>`;
  }
}
define("lec-wall-tile", LecWallTile);
