/** One of up to nine recordings that are played in step on the timeline page. */
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { p } from "../../i18n/patrol";
import { canPlay, ReplayPlayer } from "../../media/replay";
import type { MediaVariant } from "../../protocol/patrol";
import type { Camera, CameraDay } from "../../protocol/generated/index";
import { gapAt, isElsewhere, touches } from "../../state/patrol/day";
import { KEYFRAMES_FROM_RATE } from "../../state/patrol/step";
import { define, View } from "../view";
import { gapWords } from "./words-of";

/** More pictures at once are played small: what an office PC without a GPU decodes. */
const LARGE_MAX = 4;
/** A recording that begins or ends as near as this is opened. */
const NEAR_MS = 20_000;

/** Which stream is played, and whether that is less than the day has. Pure. */
export function chooseVariant(day: Pick<CameraDay, "main" | "sub" | "main_codec">, rate: number, playing: number, large: boolean, playable: (codec: string) => boolean): { variant: MediaVariant; notPlayable: boolean } {
  if (rate >= KEYFRAMES_FROM_RATE) return { variant: "keyframes", notPlayable: false };
  const main = day.main.length > 0;
  const plays = main && playable(day.main_codec);
  if (main && !plays && day.sub.length > 0) return { variant: "sub", notPlayable: true };
  if (!main) return { variant: "sub", notPlayable: false };
  return { variant: large || playing <= LARGE_MAX || day.sub.length === 0 ? "main" : "sub", notPlayable: !plays };
}

export class LecStepTile extends View {
  static override properties = { camera: { attribute: false }, day: { attribute: false }, rate: { type: Number }, playing: { type: Number }, large: { type: Boolean }, selected: { type: Boolean }, offset: { type: Number } };
  declare camera: Camera;
  declare day: CameraDay | null;
  declare rate: number;
  declare playing: number;
  declare large: boolean;
  declare selected: boolean;
  declare offset: number;
  #player: ReplayPlayer | null = null;
  #notPlayable = false;
  #at = 0;
  #words = "";

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#player?.close();
    this.#player = null;
  }

  get video(): HTMLVideoElement | null {
    return this.querySelector("video");
  }
  get player(): ReplayPlayer | null {
    return this.#player;
  }

  override updated(changed: PropertyValues): void {
    super.updated(changed);
    if (changed.has("camera")) {
      this.#player?.close();
      this.#player = null;
    }
    this.#choose();
  }

  #choose(): void {
    const video = this.video;
    if (!video || !this.day) return;
    const { variant, notPlayable } = chooseVariant(this.day, this.rate, this.playing, this.large, canPlay);
    if (notPlayable !== this.#notPlayable) {
      this.#notPlayable = notPlayable;
      this.requestUpdate();
    }
    if (!this.#player) this.#player = new ReplayPlayer(video, this.camera.id, variant, () => this.requestUpdate(), () => this.offset);
    else this.#player.use(variant);
  }

  step(at: number, running: boolean, rate: number): void {
    this.#at = at;
    // The day is known: what was never recorded is not asked for, or the audit log would tell of refusals.
    if (this.day && !touches(this.day, at - NEAR_MS, at + NEAR_MS)) this.#player?.rest();
    else this.#player?.follow(at, running, rate);
    const words = this.#gapNow();
    if (words !== this.#words) {
      this.#words = words;
      this.requestUpdate();
    }
  }

  #gapNow(): string {
    if (this.day && isElsewhere(this.day, this.#at)) return p.timeline.elsewhere;
    const gap = this.day ? gapAt(this.day, this.#at) : null;
    return gap && this.day ? gapWords(gap, this.day) : this.#player?.phase === "gap" ? p.tile.noRecording : "";
  }

  override render(): TemplateResult {
    const player = this.#player;
    const phase = player?.phase ?? "loading";
    return html`<figure class="step-tile ${this.selected ? "selected" : ""}" data-camera=${this.camera.id} data-phase=${phase} data-stream=${player?.variant ?? nothing}>
      <video muted playsinline disablepictureinpicture tabindex="-1" class=${phase === "playing" ? "" : "veiled"}></video>
      ${phase === "loading" ? html`<div class="instead"><p class="loading">${p.tile.loading}</p></div>` : nothing}
      ${phase === "gap" ? html`<div class="instead"><p class="mid">${this.#words || p.tile.noRecording}</p></div>` : nothing}
      ${phase === "unsupported" ? html`<div class="instead"><p class="mid">${p.tile.unsupported}</p></div>` : nothing}
      ${phase === "refused" || phase === "broken" ? html`<div class="instead"><p class="mid">${phase === "refused" ? p.tile.replayRefused : p.tile.replayBroken}</p><button class="btn small" @click=${() => player?.retry()}>${p.tile.again}</button></div>` : nothing}
      <div class="watermark" aria-hidden="true"></div>
      <figcaption><span class="clip">${this.camera.name} <span class="dim">${this.camera.place_name}</span></span>
        ${this.#notPlayable ? html`<span class="warn" title=${p.tile.mainNotPlayable}>${p.tile.h265Substream}</span>` : player?.variant === "sub" ? html`<span class="dim">${p.tile.substream}</span>` : player?.variant === "keyframes" ? html`<span class="dim">${p.tile.keyframes}</span>` : nothing}
      </figcaption>
    </figure>`;
  }
}
define("lec-step-tile", LecStepTile);
