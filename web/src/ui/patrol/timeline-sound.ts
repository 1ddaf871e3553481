/** The one sound of the timeline: whose it is, and what stands in its way. */
import { html, nothing, type TemplateResult } from "lit";
import { Volume2, VolumeX } from "lucide";
import { p } from "../../i18n/patrol";
import { ReplaySound } from "../../media/replay-sound";
import type { Camera, CameraDay, CameraId } from "../../protocol/generated/index";
import { icon } from "../icon";

export class TimelineSound {
  #player: ReplaySound | null = null;
  #camera: Camera | null = null;

  constructor(private readonly changed: () => void) {}

  /** `days`: what is recorded of each camera. */
  follow(at: number, running: boolean, rate: number, days: ReadonlyMap<CameraId, CameraDay>): void {
    this.#player?.follow(at, running, rate, days.get(this.#player.camera) ?? null);
  }

  /** Of this camera, instead of any other; off if it is heard already. */
  toggle(camera: Camera | null): void {
    const heard = this.#camera;
    this.close();
    if (camera?.may.listen && camera.id !== heard?.id) {
      this.#camera = camera;
      this.#player = new ReplaySound(camera.id, this.changed);
    }
    this.changed();
  }

  close(): void {
    this.#player?.close();
    this.#player = null;
    this.#camera = null;
  }

  /** The button, and beside it whose sound it is and why it may not be heard. `selected`: whose sound a click is about. */
  button(selected: Camera | null, click: () => void): TemplateResult | typeof nothing {
    const heard = this.#camera;
    if (!selected?.may.listen && heard === null) return nothing;
    const on = heard !== null && heard.id === selected?.id;
    const name = on ? p.timeline.soundOff : p.timeline.soundOn;
    const phase = this.#player?.phase;
    const words = phase === undefined ? undefined : p.timeline.soundStates[phase];
    const whose = heard && !on ? p.timeline.soundOf(heard.name) : "";
    return html`<button class="btn quiet small icon-only sound" data-phase=${phase ?? "off"} aria-label=${name} aria-pressed=${on} title="${name} (M)" @click=${click}>${icon(heard ? Volume2 : VolumeX)}</button>
      <span class="sound-words small" role="status">${[whose, words].filter(Boolean).join(" · ")}</span>`;
  }
}
