/**
 * One picture: a participant's camera or screen. It tells the session how large it is shown (so that the server sends the
 * layer that fills it), shows the stream only once the server confirmed that the line carries this track and a frame of it
 * was drawn, and says in words why there is no picture otherwise.
 */
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { Hand, MicOff, MonitorUp, Pin, PinOff, Signal, WifiOff } from "lucide";
import { t } from "../../i18n";
import { canReceive } from "../../media/codecs";
import type { ClassSession } from "../../state/class-session";
import type { ClassState } from "../../state/class-state";
import type { TileModel } from "../../state/room";
import { icon } from "../icon";
import { define, View } from "../view";
import { mark } from "./mark";
import "./tile.css";

/** Without a word from the server by then, frames on the line are taken for the track's own. */
const CONFIRM_MS_MAX = 1_500;

export class LecTile extends View {
  static override properties = { session: { attribute: false }, model: { attribute: false }, state: { attribute: false }, large: { type: Boolean } };
  declare session: ClassSession;
  declare model: TileModel;
  declare state: ClassState;
  declare large: boolean;

  #video: HTMLVideoElement | null = null;
  #track: string | null = null;
  #drawn = false;
  /** Until it is measured: the middle layer, which most tiles end up with. */
  #height = 360;
  #measured = false;
  #inView = true;
  #armed = 0;
  #since = 0;
  #ownStream: MediaStream | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    const resize = new ResizeObserver(([entry]) => {
      if (!entry) return;
      this.#measure(entry.contentRect);
      this.#tell();
    });
    const view = new IntersectionObserver(([entry]) => {
      this.#inView = entry?.isIntersecting ?? true;
      this.#tell();
    });
    resize.observe(this);
    view.observe(this);
    this.on(document, "visibilitychange", () => this.#tell());
    this.until(() => {
      resize.disconnect();
      view.disconnect();
    });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    if (this.#track && !this.model.own) this.session.hide(this.#track);
    this.#track = null;
    if (this.#video) this.#video.srcObject = null;
  }

  #measure({ width, height }: { width: number; height: number }): void {
    // The picture fits inside; a narrow tall tile shows it only as high as its width allows.
    this.#height = Math.min(height, (width * 9) / 16) * devicePixelRatio;
    this.#measured = true;
  }

  #tell(): void {
    if (!this.#measured) {
      const rect = this.getBoundingClientRect();
      if (rect.height > 0) this.#measure(rect);
    }
    if (!this.#track || this.model.own) return;
    const seen = this.#inView && document.visibilityState === "visible";
    this.session.show(this.#track, seen ? this.#height : 0);
  }

  override updated(changed: PropertyValues): void {
    super.updated(changed);
    this.#video = this.querySelector("video");
    const { model } = this;
    const track = model.own ? model.source : (model.track?.id ?? null);
    if (track !== this.#track) {
      if (this.#track && !model.own) this.session.hide(this.#track);
      this.#track = track;
      this.#drawn = false;
      this.#since = performance.now();
      this.#tell();
      this.requestUpdate();
    }
    if (model.own) this.#attachOwn();
    else this.#attach();
  }

  #attachOwn(): void {
    const own = this.session.own.track(this.model.source);
    if (!own) this.#ownStream = null;
    else if (this.#ownStream?.getTracks()[0] !== own) this.#ownStream = new MediaStream([own]);
    this.#show(this.#ownStream, true);
  }

  #attach(): void {
    const from = this.#track === null ? null : this.session.streamOf(this.#track);
    const patient = performance.now() - this.#since < CONFIRM_MS_MAX;
    this.#show(from?.stream ?? null, from !== null && (from.confirmed || !patient));
    if (from && !from.confirmed && patient) setTimeout(() => this.requestUpdate(), CONFIRM_MS_MAX);
  }

  #show(stream: MediaStream | null, confirmed: boolean): void {
    const video = this.#video;
    if (!video) return;
    if (video.srcObject !== stream) {
      video.srcObject = stream;
      this.#drawn = false;
      if (stream) void video.play().catch(() => undefined);
    }
    if (this.#drawn || !stream || !confirmed) return;
    const turn = ++this.#armed;
    const drawn = (): void => {
      if (turn !== this.#armed) return;
      this.#drawn = true;
      this.requestUpdate();
    };
    // Firefox before 132 has no frame callback; a picture that plays has drawn.
    const frames = video as HTMLVideoElement & { requestVideoFrameCallback?: (f: () => void) => number };
    if (frames.requestVideoFrameCallback) frames.requestVideoFrameCallback(drawn);
    else video.addEventListener("timeupdate", drawn, { once: true });
  }

  /** What is to be seen now, also for tests and the style sheet. */
  #state(): "picture" | "loading" | "off" | "paused" | "away" | "unsupported" {
    const { model, state } = this;
    if (!model.online) return "away";
    const live = model.own ? (model.source === "screen" ? state.screen.on : state.camera.on) : model.track !== null && !model.track.muted;
    if (!live || (state.audioOnly && !model.own)) return "off";
    if (!model.own && model.track && !canReceive(model.track.codec)) return "unsupported";
    const from = !model.own && model.track ? this.session.streamOf(model.track.id) : null;
    if (from?.paused) return "paused";
    return this.#drawn ? "picture" : "loading";
  }

  override render(): TemplateResult {
    const { model, state, large } = this;
    const now = this.#state();
    const room = state.room;
    const name = model.source === "screen" ? (model.own ? t.room.ownScreen : t.room.screenOf(model.name)) : model.own ? `${model.name}${t.room.youMarker}` : model.name;
    const hand = room?.participants.get(model.participant)?.hand_since ?? null;
    const speaking = room?.speaker === model.participant && model.source === "camera";
    const pinned = state.pinned === model.key;
    // Small, one's own picture is a mirror; large it is what others see, so that a blackboard can be read.
    return html`<figure data-participant=${model.participant} data-name=${model.name} data-track-source=${model.source} data-state=${now} class="tile ${large ? "large" : ""} ${model.source} ${speaking ? "speaking" : ""}" aria-label=${name}>
      <video muted playsinline autoplay class="${model.own && model.source === "camera" && !large ? "mirror" : ""} ${now === "picture" ? "" : "veiled"}" tabindex="-1" disablepictureinpicture></video>
      ${now === "picture" ? nothing : html`<div class="instead">${this.#instead(now)}</div>`}
      <figcaption>
        ${model.source === "camera" && model.micMuted && !(model.own && state.microphone.on) ? mark(MicOff, t.room.micOff, "mute") : nothing}
        ${hand !== null ? mark(Hand, t.room.handUp, "up") : nothing}
        <span class="clip">${name}</span>
        ${speaking ? html`<span class="sr">${t.room.speaking}</span>` : nothing}
        ${model.quality === "poor" && model.online ? mark(Signal, t.quality.short.poor, "poor") : nothing}
      </figcaption>
      ${large && state.pinned === null
        ? nothing
        : html`<button class="pin" @click=${() => this.session.pin(model.key)} aria-pressed=${pinned} aria-label=${`${t.room.pin}: ${name}`} title=${pinned ? t.room.unpin : t.room.pin}>
            ${icon(pinned ? PinOff : Pin)}
          </button>`}
    </figure>`;
  }

  #instead(now: "loading" | "off" | "paused" | "away" | "unsupported"): TemplateResult {
    const { model } = this;
    if (model.source === "screen") return html`<span class="mark">${icon(MonitorUp)}</span><p>${now === "unsupported" ? t.room.unsupportedPicture : now === "paused" ? t.room.pausedPicture : t.room.loadingPicture}</p>`;
    const mark = now === "away" ? html`<span class="mark">${icon(WifiOff)}</span>` : html`<span class="initial" aria-hidden="true">${[...model.name][0] ?? "?"}</span>`;
    // Without a line nobody knows why a picture is missing.
    const cut = !model.own && this.state.link.state === "down" && (now === "paused" || now === "loading");
    const words = cut ? t.room.away : { away: t.room.away, off: this.state.audioOnly && !model.own ? t.room.audioOnly : t.room.noPicture, paused: t.room.pausedPicture, loading: t.room.loadingPicture, unsupported: t.room.unsupportedPicture }[now];
    return html`${mark}<p>${words}</p>`;
  }
}
define("lec-tile", LecTile);
