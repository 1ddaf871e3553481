/** Who is in class and who waits: admit, call, mute, remove; the attendance list to copy. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Check, ClipboardList, Ellipsis, Hand, Link, MicOff, Monitor, Presentation, Signal, WifiOff, X } from "lucide";
import { problemWords, t } from "../../i18n";
import { clock, day } from "../../i18n/format";
import { attendance } from "../../protocol/api";
import type { Participant } from "../../protocol/generated/index";
import type { ClassSession } from "../../state/class-session";
import { roster, type RoomState } from "../../state/room";
import { notify } from "../announce";
import { copyText } from "../clipboard";
import { icon } from "../icon";
import { define, View } from "../view";
import { mark } from "./mark";

export class LecPeople extends View {
  static override properties = { session: { attribute: false }, room: { attribute: false } };
  declare session: ClassSession;
  declare room: RoomState;

  override render(): TemplateResult {
    const { room, session } = this;
    const teacher = room.role === "teacher";
    return html`
      <div class="lines people" tabindex="0" aria-label=${t.room.people}>
        ${teacher ? this.#waiting() : nothing}
        <p class="small muted num">${t.room.count(room.count)}</p>
        <ul>
          ${repeat(roster(room), (p) => p.id, (p) => this.#person(p, teacher))}
        </ul>
      </div>
      ${teacher
        ? html`<div class="foot">
            <label class="check small"><input type="checkbox" .checked=${room.waitingRoom} @change=${(e: Event) => {
              const box = e.target as HTMLInputElement;
              session.request({ type: "waiting_room", on: box.checked });
              box.checked = room.waitingRoom; // until the server confirms
            }} />${t.room.waitingRoomToggle}</label>
            <div class="row">
              <button class="btn small" @click=${() => void copyText(`${location.origin}/c/${session.code}`)}>${icon(Link)}${t.room.copyLink}</button>
              <button class="btn small" @click=${() => void this.#copyAttendance()}>${icon(ClipboardList)}${t.room.attendance}</button>
            </div>
          </div>`
        : nothing}
    `;
  }

  #waiting(): TemplateResult | typeof nothing {
    const { room, session } = this;
    if (room.waiting.length === 0) return nothing;
    return html`<section class="waiting" aria-label=${t.room.waitingRoom}>
      <h2>${t.room.waitingRoom}<span class="muted num">${room.waiting.length}</span>
        ${room.waiting.length > 1 ? html`<button class="btn small primary" @click=${() => session.request({ type: "admit", participant: null, admit: true })}>${t.room.admitAll}</button>` : nothing}
      </h2>
      <ul>
        ${repeat(room.waiting, (p) => p.id, (p) => html`<li>
          <span class="clip">${p.name}</span>
          <button class="btn small primary" aria-label=${`${t.room.admit}: ${p.name}`} @click=${() => session.request({ type: "admit", participant: p.id, admit: true })}>${icon(Check)}${t.room.admit}</button>
          <button class="btn quiet icon-only small" aria-label=${`${t.room.turnAway}: ${p.name}`} title=${t.room.turnAway} @click=${() => session.request({ type: "admit", participant: p.id, admit: false })}>${icon(X)}</button>
        </li>`)}
      </ul>
    </section>`;
  }

  #person(p: Participant, teacher: boolean): TemplateResult {
    const { session, room } = this;
    const self = p.id === room.you;
    return html`<li class=${p.online ? "" : "away"} data-person=${p.id} data-online=${p.online}>
      ${p.role === "classroom" || p.role === "teacher" ? mark(p.role === "teacher" ? Presentation : Monitor, t.roomRoles[p.role], "role") : nothing}
      <span class="name"><span class="clip">${p.name}${self ? t.room.youMarker : ""}</span>
        <span class="tiny muted">${[p.on_stage && p.role !== "teacher" ? t.room.onStage : "", p.online ? (teacher ? t.room.since(clock(p.joined)) : "") : t.room.away].filter(Boolean).join(" · ") || t.roomRoles[p.role]}</span>
      </span>
      ${p.hand_since === null ? nothing : mark(Hand, t.room.handUp, "up")}
      ${p.on_stage && p.muted.includes("microphone") ? mark(MicOff, t.room.micOff, "muted") : nothing}
      ${!p.online ? html`<span class="muted">${icon(WifiOff)}</span>` : p.quality === "poor" || p.quality === "fair" ? mark(Signal, t.quality.short[p.quality], `q-${p.quality}`) : nothing}
      ${teacher && !self
        ? html`<button class="btn small" @click=${() => (p.on_stage ? session.request({ type: "stage", participant: p.id, on: false }) : session.call(p.id))}>${p.on_stage ? t.room.takeOffStage : t.room.putOnStage}</button>
            <details class="menu">
              <summary class="btn quiet icon-only small" aria-label=${`${t.common.more}: ${p.name}`}>${icon(Ellipsis)}</summary>
              <div class="panel">
                <button class="menu-item" data-closes @click=${() => session.request({ type: "mute", participant: p.id })}>${icon(MicOff)}${t.room.mutePerson}</button>
                <button class="menu-item" data-closes ?hidden=${p.hand_since === null} @click=${() => session.request({ type: "lower_hand", participant: p.id })}>${icon(Hand)}${t.room.lowerHand}</button>
                <button class="menu-item" data-closes @click=${() => session.remove(p.id)}>${icon(X)}${t.room.remove}</button>
              </div>
            </details>`
        : nothing}
    </li>`;
  }

  /** The server's list: what this page saw knows nothing of who left. */
  async #copyAttendance(): Promise<void> {
    const { room } = this;
    const line = (name: string, role: string, from: number, to: number | null): string => [name, role, clock(from), to === null ? "" : clock(to)].join("\t");
    let rows: string[];
    try {
      rows = (await attendance(room.lesson)).map((a) => line(a.name, t.roomRoles[a.role], a.from, a.to));
    } catch (error) {
      const words = problemWords(error);
      notify({ text: `${words.what} ${words.next}` });
      return;
    }
    await copyText([`${room.title}\t${day(Date.now())}`, ...rows].join("\n"));
  }
}
define("lec-people", LecPeople);
