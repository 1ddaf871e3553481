/** Before class: one's own picture, sound and name, and one button that goes in. Nothing is sent from here. */
import { html, nothing, type TemplateResult } from "lit";
import { Mic, MicOff, Video, VideoOff } from "lucide";
import { t } from "../../i18n";
import { clock, day } from "../../i18n/format";
import { isoDay, today } from "../../i18n/zone";
import type { DeviceFault } from "../../media/faults";
import type { ClassPreview } from "../../protocol/generated/index";
import type { ClassSession } from "../../state/class-session";
import { session as person } from "../../state/session";
import { changeSettings, settings } from "../../state/settings";
import { icon } from "../icon";
import { settingsMenu } from "../shell";
import { define, View } from "../view";
import { wordsNote } from "../words";
import { faultWords } from "./faults";
import "./devices";
import "./lobby.css";

export interface LobbyChoice {
  name: string;
  open: boolean;
}

export class LecLobby extends View {
  static override properties = { session: { attribute: false }, preview: { attribute: false } };
  declare session: ClassSession;
  declare preview: ClassPreview;
  #name = settings.get().name;
  #stream: MediaStream | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    this.watch(this.session.store);
    this.watch(person);
    const { cameraOn, microphoneOn } = settings.get();
    // Both at once gives one question instead of two in most browsers that remember, and never fails for the other's sake.
    if (microphoneOn) void this.session.own.turn("microphone", true);
    if (cameraOn) void this.session.own.turn("camera", true);
  }

  override updated(): void {
    const track = this.session.own.track("camera");
    if (!track) this.#stream = null;
    else if (this.#stream?.getTracks()[0] !== track) this.#stream = new MediaStream([track]);
    const video = this.querySelector("video");
    if (video && video.srcObject !== this.#stream) video.srcObject = this.#stream;
  }

  #submit(event: Event, open: boolean): void {
    event.preventDefault();
    const name = person.get().account?.name ?? this.#name.trim();
    if (!name) {
      this.querySelector<HTMLInputElement>("#name")?.focus();
      return;
    }
    if (!person.get().account) changeSettings({ name });
    this.dispatchEvent(new CustomEvent<LobbyChoice>("choose", { detail: { name, open } }));
  }

  override render(): TemplateResult {
    const { preview } = this;
    const { camera, microphone } = this.session.store.get();
    const { account } = person.get();
    const starts = preview.mine && preview.state !== "live";
    const isToday = isoDay(preview.starts) === today();
    return html`<div class="corner">${settingsMenu()}</div>
      <main class="lobby">
        <header>
          <h1>${preview.title}</h1>
          <p class="muted">
            ${[t.lobby.byTeacher(preview.teacher), preview.school].filter(Boolean).join(" · ")}
            ·
            ${preview.state === "live"
              ? html`<span class="badge live"><span class="dot"></span>${t.lobby.running}</span>`
              : html`<span class="num">${t.lobby.opensAt(isToday ? clock(preview.starts) : `${day(preview.starts)} ${clock(preview.starts)}`)}</span>`}
          </p>
        </header>
        <section class="self" aria-label=${t.lobby.camera}>
          <div class="frame" data-state=${camera.on ? "picture" : camera.busy ? "loading" : "off"}>
            <video muted playsinline autoplay class="mirror" ?hidden=${!camera.on}></video>
            ${camera.on ? nothing : html`<p class="muted">${camera.busy ? t.lobby.starting : t.lobby.cameraOff}</p>`}
          </div>
          <div class="switches">
            ${this.#switch("microphone", microphone.on, microphone.busy, microphone.on ? t.lobby.turnMicOff : t.lobby.turnMicOn, icon(microphone.on ? Mic : MicOff))}
            ${this.#switch("camera", camera.on, camera.busy, camera.on ? t.lobby.turnCameraOff : t.lobby.turnCameraOn, icon(camera.on ? Video : VideoOff))}
          </div>
          ${this.#faults(camera.fault, microphone.fault)}
        </section>
        <form class="ready" @submit=${(e: Event) => this.#submit(e, starts)}>
          ${account
            ? nothing
            : html`<div class="field">
                <label for="name">${t.lobby.yourName}</label>
                <input class="input" id="name" name="name" autocomplete="name" maxlength="60" required placeholder=${t.lobby.namePlaceholder} .value=${this.#name}
                  @input=${(e: Event) => { this.#name = (e.target as HTMLInputElement).value; }} />
              </div>`}
          <button class="btn primary large" data-action="join">${starts ? t.lobby.start : t.lobby.join}</button>
          ${starts ? html`<button type="button" class="btn quiet" @click=${(e: Event) => this.#submit(e, false)}>${t.lobby.enterOnly}</button>` : nothing}
          <p class="small muted">${preview.mine ? nothing : html`${t.lobby.studentLead} ${preview.waiting_room ? t.lobby.waitingLead : nothing}`}</p>
          <lec-devices .session=${this.session}></lec-devices>
        </form>
      </main>`;
  }

  #switch(kind: "camera" | "microphone", on: boolean, busy: boolean, label: string, mark: TemplateResult): TemplateResult {
    return html`<button class="btn icon-only round ${on ? "" : "off"}" aria-label=${label} title=${label} aria-busy=${busy ? "true" : nothing} @click=${() => void this.session.own.turn(kind, !on)}>${mark}</button>`;
  }

  #faults(camera: DeviceFault | null, microphone: DeviceFault | null): TemplateResult | typeof nothing {
    if (!camera && !microphone) return nothing;
    // One cause for both is told once, for the microphone: it matters more.
    const both = camera !== null && camera === microphone;
    const one = (kind: "camera" | "microphone", fault: DeviceFault, leave: boolean): TemplateResult => {
      return wordsNote(faultWords(kind, fault), {
        actions: html`
          <button class="btn small" @click=${() => void this.#retry(both)}>${t.common.again}</button>
          ${leave ? html`<button class="btn small" @click=${(e: Event) => this.#submit(e, this.preview.mine && this.preview.state !== "live")}>${kind === "camera" ? t.lobby.withoutCamera : t.lobby.withoutBoth}</button>` : nothing}
        `,
      });
    };
    return html`<div class="faults">
      ${microphone ? one("microphone", microphone, both) : nothing} ${camera && !both ? one("camera", camera, true) : nothing}
    </div>`;
  }

  async #retry(both: boolean): Promise<void> {
    const state = this.session.store.get();
    if (both || state.microphone.fault) await this.session.own.turn("microphone", true);
    if (both || state.camera.fault) await this.session.own.turn("camera", true);
  }
}
define("lec-lobby", LecLobby);
