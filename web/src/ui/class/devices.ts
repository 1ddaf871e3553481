/** Pickers for camera, microphone and speaker, with the test sound. In the lobby and in the class' device dialog. */
import { html, nothing, type TemplateResult } from "lit";
import { Camera, Mic, Volume2 } from "lucide";
import { t } from "../../i18n";
import { listDevices, watchDevices, type DeviceList } from "../../media/devices";
import { playTestSound } from "../../media/level";
import { changeSettings, settings } from "../../state/settings";
import type { ClassSession } from "../../state/class-session";
import { icon } from "../icon";
import { define, View } from "../view";
import "./meter";
import "./devices.css";

export class LecDevices extends View {
  static override properties = { session: { attribute: false } };
  declare session: ClassSession;
  #list: DeviceList = { cameras: [], microphones: [], speakers: [] };
  #test: "idle" | "playing" | "asked" = "idle";

  override connectedCallback(): void {
    super.connectedCallback();
    this.watch(this.session.store);
    this.until(watchDevices(() => void this.#refresh()));
    // Labels appear only once a permission was given.
    this.until(this.session.store.subscribe(() => void this.#refresh()));
    void this.#refresh();
  }

  async #refresh(): Promise<void> {
    const list = await listDevices();
    const text = (l: DeviceList): string => [...l.cameras, ...l.microphones, ...l.speakers].map((d) => d.deviceId + d.label).join();
    if (text(list) === text(this.#list)) return;
    this.#list = list;
    this.requestUpdate();
  }

  async #testSound(): Promise<void> {
    this.#test = "playing";
    this.requestUpdate();
    await playTestSound(settings.get().speakerId);
    this.#test = "asked";
    this.requestUpdate();
  }

  override render(): TemplateResult {
    const { camera, microphone } = this.session.store.get();
    const now = settings.get();
    return html`
      ${this.#picker("camera", t.lobby.camera, icon(Camera), this.#list.cameras, camera.deviceId || now.cameraId, (id) => void this.session.own.choose("camera", id))}
      <div>
        ${this.#picker("microphone", t.lobby.microphone, icon(Mic), this.#list.microphones, microphone.deviceId || now.microphoneId, (id) => void this.session.own.choose("microphone", id))}
        <lec-meter .track=${this.session.own.track("microphone")} label=${t.lobby.level}></lec-meter>
        <p class="tiny muted hint">${t.lobby.speak}</p>
      </div>
      <div>
        <div class="with-test">
          ${this.#picker("speaker", t.lobby.speaker, icon(Volume2), this.#list.speakers, now.speakerId, (id) => {
            changeSettings({ speakerId: id });
            this.session.setSpeaker(id);
          })}
          <button type="button" class="btn" ?disabled=${this.#test === "playing"} @click=${() => void this.#testSound()}>${this.#test === "playing" ? t.lobby.testing : t.lobby.testSound}</button>
        </div>
        <p class="tiny muted hint" role="status">${this.#test === "asked" ? t.lobby.testDone : html`&nbsp;`}</p>
      </div>
    `;
  }

  #picker(id: string, label: string, mark: TemplateResult, list: MediaDeviceInfo[], chosen: string, choose: (id: string) => void): TemplateResult {
    return html`<div class="field picker">
      <label for="pick-${id}">${label}</label>
      <div class="with-icon">
        ${mark}
        <select class="input" id="pick-${id}" ?disabled=${list.length === 0} @change=${(e: Event) => choose((e.target as HTMLSelectElement).value)}>
          ${list.length === 0 ? html`<option value="">${t.lobby.systemDefault}</option>` : nothing}
          ${list.map((d, i) => html`<option value=${d.deviceId} .selected=${d.deviceId === chosen}>${d.label || `${label} ${i + 1}`}</option>`)}
        </select>
      </div>
    </div>`;
  }
}
define("lec-devices", LecDevices);
