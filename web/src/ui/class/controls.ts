/** The controls at the lower edge. Each shows what is confirmed, and has its shortcut in the tooltip. Its name says what
 *  pressing does, or it stays and `aria-pressed` says the state: never both. */
import { html, nothing, type TemplateResult } from "lit";
import { CircleHelp, Ellipsis, Hand, Headphones, Keyboard, LogOut, Maximize, MessageSquare, Mic, MicOff, Minimize, MonitorUp, MonitorX, PhoneOff, Settings2, Users, Video, VideoOff, VolumeX } from "lucide";
import type { IconNode } from "lucide";
import { t } from "../../i18n";
import { span } from "../../i18n/format";
import { canShareScreen } from "../../media/devices";
import type { ClassSession } from "../../state/class-session";
import type { ClassState } from "../../state/class-state";
import { hands, mayPublish, me, type RoomState } from "../../state/room";
import { icon } from "../icon";
import { define, View } from "../view";
import type { Tab } from "./panel";
import "./meter";
import "./controls.css";

export type Command = "end" | "leave" | "full" | "help" | "devices" | "start" | Tab;

interface Button {
  icon: IconNode;
  label: string;
  /** Accessible name; the label by default. */
  name?: string;
  key?: string;
  tone?: "off" | "on" | "primary" | "danger" | "";
  pressed?: boolean;
  busy?: boolean;
  count?: number;
  id: string;
  run: () => void;
}

export class LecControls extends View {
  static override properties = { session: { attribute: false }, state: { attribute: false }, tab: {}, unread: { type: Number } };
  declare session: ClassSession;
  declare state: ClassState;
  declare tab: Tab | "";
  declare unread: number;

  override connectedCallback(): void {
    super.connectedCallback();
    this.every(1_000);
    this.on(document, "fullscreenchange", () => this.requestUpdate());
  }

  #command(command: Command): void {
    this.dispatchEvent(new CustomEvent<Command>("command", { detail: command }));
  }

  override render(): TemplateResult | typeof nothing {
    const { room } = this.state;
    if (!room) return nothing;
    const teacher = room.role === "teacher";
    return html`<div class="controls ${room.role}">
      <div class="group own">${mayPublish(room) ? this.#own(room) : nothing}</div>
      <div class="group main">${teacher ? this.#teacher(room) : this.#student(room)}</div>
      <div class="group aside">
        ${this.#button({ id: "chat", icon: MessageSquare, label: t.room.chat, key: "C", pressed: this.tab === "chat", count: this.unread, run: () => this.#command("chat") })}
        ${this.#button({ id: "questions", icon: CircleHelp, label: t.room.questions, key: "Q", pressed: this.tab === "questions", count: room.questions.filter((q) => q.answered === null).length, run: () => this.#command("questions") })}
        ${this.#button({ id: "people", icon: Users, label: t.room.people, key: "P", pressed: this.tab === "people", count: room.waiting.length, run: () => this.#command("people") })}
        ${this.#more(teacher)}
        ${teacher
          ? this.#button({ id: "end", icon: PhoneOff, label: t.room.end, name: t.room.end, tone: "danger", run: () => this.#command("end") })
          : this.#button({ id: "leave", icon: LogOut, label: t.waiting.leave, name: t.room.leave, run: () => this.#command("leave") })}
      </div>
    </div>`;
  }

  #own(room: RoomState): TemplateResult {
    const { microphone, camera } = this.state;
    const self = me(room);
    // On only when the browser delivers and the server agrees.
    const said = self?.muted ?? [];
    const micOn = microphone.on && !(room.state === "live" && said.includes("microphone"));
    const cameraOn = camera.on && !(room.state === "live" && said.includes("camera"));
    return html`
      ${this.#button({ id: "microphone", icon: micOn ? Mic : MicOff, label: t.room.mic, name: micOn ? t.room.muteOn : t.room.muteOff, key: teacherKey(room), tone: micOn ? "" : "off", busy: microphone.busy || micOn !== microphone.on, run: () => void this.session.own.turn("microphone", !microphone.on) }, micOn ? html`<lec-meter .track=${this.session.own.track("microphone")} label=""></lec-meter>` : nothing)}
      ${this.#button({ id: "camera", icon: cameraOn ? Video : VideoOff, label: t.room.camera, name: cameraOn ? t.room.cameraOff : t.room.cameraOn, key: "V", tone: cameraOn ? "" : "off", busy: camera.busy, run: () => void this.session.own.turn("camera", !camera.on) })}
    `;
  }

  #teacher(room: RoomState): TemplateResult {
    const { screen } = this.state;
    const first = hands(room)[0];
    const count = hands(room).length;
    return html`
      ${canShareScreen()
        ? this.#button({ id: "share", icon: screen.on ? MonitorX : MonitorUp, label: screen.on ? t.room.shareStop : t.room.share, key: "S", tone: screen.on ? "on" : "", busy: screen.busy, run: () => (screen.on ? this.session.own.stopScreen() : void this.session.own.shareScreen()) })
        : nothing}
      ${this.#button({ id: "mute-all", icon: VolumeX, label: t.room.muteAll, key: "M", run: () => this.session.muteAll() })}
      ${first
        ? html`<button class="btn primary call" data-control="call" title="${t.room.keys.call} (Space)" @click=${() => this.session.call(first.id)}>
            ${icon(Hand)}<span class="clip">${t.room.callNext(first.name)}</span>${count > 1 ? html`<span class="count num">${count}</span>` : nothing}
          </button>`
        : nothing}
    `;
  }

  #student(room: RoomState): TemplateResult {
    const self = me(room);
    const { screen } = this.state;
    if (room.role === "viewer") return html``;
    const since = self?.hand_since ?? null;
    const up = since !== null;
    return html`
      ${mayPublish(room) && canShareScreen()
        ? this.#button({ id: "share", icon: screen.on ? MonitorX : MonitorUp, label: screen.on ? t.room.shareStop : t.room.share, key: "S", tone: screen.on ? "on" : "", busy: screen.busy, run: () => (screen.on ? this.session.own.stopScreen() : void this.session.own.shareScreen()) })
        : nothing}
      <button class="btn hand ${up ? "up" : "primary"}" data-control="hand" aria-label=${t.room.hand} aria-pressed=${up} title="${t.room.keys.hand} (H)" ?disabled=${room.state !== "live"} @click=${() => this.session.request({ type: "hand", up: !up })}>
        ${icon(Hand)}<span>${up ? t.room.handUp : t.room.hand}</span>${up ? html`<span class="num">${span(Date.now() + room.clockOffset - (since ?? 0))}</span>` : nothing}
      </button>
    `;
  }

  #more(teacher: boolean): TemplateResult {
    const { audioOnly } = this.state;
    const full = document.fullscreenElement !== null;
    return html`<details class="menu up">
      <summary class="control" aria-label=${t.room.more} title=${t.room.more} data-control="more">${icon(Ellipsis)}<span>${t.room.more}</span></summary>
      <div class="panel">
        <button class="menu-item" data-closes @click=${() => this.#command("devices")}>${icon(Settings2)}${t.room.settings}</button>
        <button class="menu-item" data-closes @click=${() => this.session.setAudioOnly(!audioOnly)}>${icon(Headphones)}${audioOnly ? t.room.audioOnlyOff : t.room.audioOnly}</button>
        ${document.fullscreenEnabled ? html`<button class="menu-item" data-closes @click=${() => this.#command("full")}>${icon(full ? Minimize : Maximize)}${full ? t.room.fullScreenExit : t.room.fullScreen}<kbd class="end">F</kbd></button>` : nothing}
        <button class="menu-item" data-closes @click=${() => this.#command("help")}>${icon(Keyboard)}${t.room.keyboard}<kbd class="end">?</kbd></button>
        ${teacher ? html`<button class="menu-item" data-closes @click=${() => this.#command("leave")}>${icon(LogOut)}${t.room.leaveOnly}</button>` : nothing}
      </div>
    </details>`;
  }

  #button(b: Button, inside: TemplateResult | typeof nothing = nothing): TemplateResult {
    const name = b.name ?? b.label;
    return html`<button class="control ${b.tone ?? ""}" data-control=${b.id} aria-label=${b.count ? `${name} (${b.count})` : name} title=${b.key ? `${name} (${b.key})` : name} aria-pressed=${b.pressed ?? nothing} aria-busy=${b.busy ? "true" : nothing} @click=${b.run}>
      ${icon(b.icon)}<span>${b.label}</span>${b.count ? html`<span class="count num" aria-hidden="true">${b.count > 99 ? "99+" : b.count}</span>` : nothing}${inside}
    </button>`;
  }
}
define("lec-controls", LecControls);

/** M mutes everybody for the teacher, so her own microphone is on D (as in most meeting rooms); others use M. */
export const teacherKey = (room: RoomState): string => (room.role === "teacher" ? "D" : "M");
