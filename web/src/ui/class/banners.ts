/** What must be known now, over the upper edge of the stage: one line each, with its button. All of it can be put away or
 *  goes by itself; what lasts (on stage, recording) stands in the top bar, where it covers nothing. */
import { html, nothing, type TemplateResult } from "lit";
import { TriangleAlert, Volume2, WifiOff } from "lucide";
import { t } from "../../i18n";
import { span } from "../../i18n/format";
import type { ClassSession } from "../../state/class-session";
import type { ClassState } from "../../state/class-state";
import { me } from "../../state/room";
import { icon } from "../icon";
import { wordsNote } from "../words";
import { faultWords } from "./faults";

export function banners(session: ClassSession, state: ClassState): TemplateResult {
  const { room, link, refusal, removing, microphone, camera, screen } = state;
  const self = room ? me(room) : undefined;
  const seen = self?.on_stage || room?.role === "teacher";
  const next = camera.fault ? faultWords("camera", camera.fault) : null;
  // Numbers that count are for the eye: a live region would read them again every second.
  return html`<div class="banners">
    ${link.state === "down"
      ? html`<div class="banner warn" role="status" data-banner="link">${icon(WifiOff)}<span>${link.offline ? t.room.offline : t.room.reconnecting} <span class="num muted" aria-hidden="true">${t.room.sinceDown(span(Date.now() - link.since))}</span></span></div>`
      : nothing}
    ${room?.recording === "failed" && room.role === "teacher" && !state.alarmSeen
      ? html`<div data-banner="recording">${wordsNote(t.room.recFailedLead, { tone: "bad", actions: html`<button class="btn small" @click=${() => session.seeAlarm()}>${t.common.dismiss}</button>` })}</div>`
      : nothing}
    ${state.mediaBlocked && link.state === "up" ? wordsNote(state.mediaBlocked === "browser" ? t.room.mediaForbidden : t.room.mediaBlocked) : nothing}
    ${refusal
      ? wordsNote(t.refusals[refusal.code] ?? t.refusals.unknown, { code: refusal.code, actions: html`${refusal.code === "bad_offer" ? html`<button class="btn small" @click=${() => location.reload()}>${t.common.reload}</button>` : nothing}<button class="btn small" @click=${() => session.dismissRefusal()}>${t.common.dismiss}</button>` })
      : nothing}
    ${removing
      ? html`<div class="banner" role="status" data-banner="removing"><span>${t.room.removed(removing.name)} <span class="num muted" aria-hidden="true">${Math.max(0, Math.ceil((removing.until - Date.now()) / 1000)) || ""}</span></span><button class="btn small" @click=${() => session.undoRemove()}>${t.common.undo}</button></div>`
      : nothing}
    ${microphone.fault && seen
      ? wordsNote(faultWords("microphone", microphone.fault), { actions: html`<button class="btn small" @click=${() => void session.own.turn("microphone", true)}>${t.common.again}</button>` })
      : nothing}
    ${next && seen && !microphone.fault
      ? html`<div class="banner" role="status">${icon(TriangleAlert)}<span>${next.what} ${next.next}</span><button class="btn small" @click=${() => void session.own.turn("camera", true)}>${t.common.again}</button></div>`
      : nothing}
    ${screen.fault ? html`<div class="banner" role="status">${icon(TriangleAlert)}<span>${t.faults[screen.fault].screen.what} ${t.faults[screen.fault].screen.next}</span></div>` : nothing}
  </div>
  ${state.soundBlocked
    ? html`<button class="play-sound btn primary large" data-control="play-sound" @click=${() => void session.unblockSound()}>${icon(Volume2)}<span>${t.room.playSound}</span></button>`
    : nothing}`;
}
