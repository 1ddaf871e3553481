/** The open alarms beside the wall: newest first, what is unhandled above what somebody has taken on. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { BellOff, BellRing, Check, MessageSquare, UserRoundPlus } from "lucide";
import { problemWords, t } from "../../i18n";
import { p } from "../../i18n/patrol";
import type { AlarmItem } from "../../protocol/generated/index";
import { changeAlarm } from "../../protocol/patrol";
import { isUrgent } from "../../state/patrol/wall";
import { notify } from "../announce";
import { openDialog } from "../dialog";
import { icon } from "../icon";
import { wordsNote } from "../words";
import { alarmWords, clockS, lasting } from "./words-of";

export interface RailPort {
  /** Whether the list is what the server has now. */
  known: boolean;
  now: number;
  mutedUntil: number;
  mute(on: boolean): void;
  /** Shows the camera on the wall. */
  bring(alarm: AlarmItem): void;
  changed(alarm: AlarmItem): void;
}

export async function acknowledge(alarm: AlarmItem, changed: (a: AlarmItem) => void): Promise<void> {
  try {
    changed(await changeAlarm(alarm.id, { acknowledge: true, note: null, hand_to: null }));
  } catch (error) {
    notify({ text: problemWords(error).what });
  }
}

/** A note, or whom it is handed over to. */
export async function handle(alarm: AlarmItem, what: "note" | "hand", changed: (a: AlarmItem) => void): Promise<void> {
  let error: unknown = null;
  const done = await openDialog<AlarmItem>((close, update) => {
    const submit = async (event: Event): Promise<void> => {
      event.preventDefault();
      const text = String(new FormData(event.target as HTMLFormElement).get("text")).trim();
      try {
        close(await changeAlarm(alarm.id, what === "note" ? { acknowledge: null, note: text, hand_to: null } : { acknowledge: null, note: null, hand_to: text }));
      } catch (e) {
        error = e;
        update();
      }
    };
    const words = error ? problemWords(error) : null;
    return html`<form class="dialog-body" @submit=${submit}>
      <h2>${what === "note" ? p.alarms.note : p.alarms.handOver}</h2>
      <p class="muted">${alarm.place_name} ${alarm.camera_name} · ${alarmWords(alarm)} · ${clockS(alarm.since)}</p>
      <div class="field"><label for="al-text">${what === "note" ? p.alarms.noteText : p.alarms.handTo}</label>
        ${what === "note" ? html`<textarea class="input" id="al-text" name="text" rows="3" maxlength="500" autofocus>${alarm.note}</textarea>` : html`<input class="input" id="al-text" name="text" maxlength="60" required autofocus value=${alarm.handed_to ?? ""} />`}</div>
      ${words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing}
      <div class="dialog-actions"><button type="button" class="btn" @click=${() => close(null)}>${t.common.cancel}</button><button class="btn primary">${what === "note" ? t.common.save : p.alarms.handOver}</button></div>
    </form>`;
  });
  if (done) changed(done);
}

export function alarmRail(alarms: readonly AlarmItem[], port: RailPort): TemplateResult {
  const sorted = [...alarms].sort((a, b) => Number(isUrgent(b)) - Number(isUrgent(a)) || b.since - a.since);
  const urgent = alarms.filter(isUrgent).length;
  const muted = port.mutedUntil > port.now;
  return html`<aside class="alarm-rail" aria-label=${p.alarms.title}>
    <header>
      <h2>${p.alarms.title}</h2>${urgent > 0 ? html`<span class="badge live num">${urgent}</span>` : nothing}
      <button class="btn quiet small mute" aria-pressed=${muted} title=${muted ? p.alarms.unmute : p.alarms.mute} @click=${() => port.mute(!muted)}>${icon(muted ? BellOff : BellRing)}${muted ? html`<span class="num">${p.time.minutes(Math.max(1, Math.ceil((port.mutedUntil - port.now) / 60_000)))}</span>` : nothing}<span class="sr">${muted ? p.alarms.unmute : p.alarms.mute}</span></button>
    </header>
    ${sorted.length === 0 ? port.known ? html`<p class="calm">${icon(Check)}${p.alarms.calm}</p>` : html`<p class="unknown muted">${p.alarms.unknown}</p>` : html`<ol>${repeat(sorted, (a) => a.id, (a) => row(a, port))}</ol>`}
  </aside>`;
}

/** What was said of it at other places where the camera hung meanwhile, one line each. */
export function saidElsewhere(a: AlarmItem): string[] {
  return a.elsewhere.map((said) => [said.place_name, said.note, said.handed_to ? p.alarms.handedTo(said.handed_to) : ""].filter(Boolean).join(" · "));
}

/** Who has taken it on: somebody of another place goes without a name. */
export const takenOn = (a: AlarmItem): string => (a.acknowledged_by ? p.alarms.takenBy(a.acknowledged_by) : a.acknowledged_at ? p.alarms.takenElsewhere : p.alarms.nobody);

function row(a: AlarmItem, port: RailPort): TemplateResult {
  return html`<li class="alarm-row ${isUrgent(a) ? "urgent" : ""}" data-alarm=${a.id}>
    <button class="what" @click=${() => port.bring(a)} title=${p.alarms.bring}><strong>${alarmWords(a)}</strong><span class="clip">${a.camera_name} <span class="muted">${a.place_name}</span></span>
      <span class="num muted tiny">${clockS(a.since)} · ${lasting(port.now - a.since)}</span></button>
    ${isUrgent(a) && !a.handed_to ? nothing : html`<p class="tiny muted">${a.handed_to ? p.alarms.handedTo(a.handed_to) : takenOn(a)}</p>`}
    ${a.note ? html`<p class="tiny">${a.note}</p>` : nothing}${saidElsewhere(a).map((said) => html`<p class="tiny">${said}</p>`)}
    <div class="row-acts">
      ${isUrgent(a) ? html`<button class="btn small primary" @click=${() => void acknowledge(a, port.changed)}>${icon(Check)}${p.alarms.acknowledge}</button>` : nothing}
      <button class="btn quiet small icon-only" aria-label=${p.alarms.note} title=${p.alarms.note} @click=${() => void handle(a, "note", port.changed)}>${icon(MessageSquare)}</button>
      <button class="btn quiet small icon-only" aria-label=${p.alarms.handOver} title=${p.alarms.handOver} @click=${() => void handle(a, "hand", port.changed)}>${icon(UserRoundPlus)}</button>
    </div>
  </li>`;
}
