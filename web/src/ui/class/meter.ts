/** The level of a microphone as a bar. Moves ten times a second without rendering anything. */
import { html, type PropertyValues, type TemplateResult } from "lit";
import { watchLevel } from "../../media/level";
import { define, View } from "../view";
import "./meter.css";

export class LecMeter extends View {
  static override properties = { track: { attribute: false }, label: {} };
  declare track: MediaStreamTrack | null;
  declare label: string;
  #stop: (() => void) | null = null;
  #watched: MediaStreamTrack | null = null;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop?.();
    this.#stop = null;
    this.#watched = null;
  }

  override updated(changed: PropertyValues): void {
    super.updated(changed);
    if (this.track === this.#watched) return;
    this.#stop?.();
    this.#watched = this.track;
    const bar = this.querySelector<HTMLElement>(".meter");
    bar?.style.setProperty("--level", "0");
    this.#stop = this.track
      ? watchLevel(this.track, (level) => {
          bar?.style.setProperty("--level", level.toFixed(2));
          bar?.setAttribute("aria-valuenow", String(Math.round(level * 100)));
        })
      : null;
  }

  override render(): TemplateResult {
    // Without a label it only repeats what something beside it says.
    return this.label
      ? html`<div class="meter" role="meter" aria-label=${this.label} aria-valuemin="0" aria-valuemax="100" aria-valuenow="0"><span></span></div>`
      : html`<div class="meter" aria-hidden="true"><span></span></div>`;
  }
}
define("lec-meter", LecMeter);
