/** The lesson large, everybody else on stage as a strip at its side or under it, whichever leaves the lesson larger. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Headphones } from "lucide";
import { t } from "../../i18n";
import type { ClassSession } from "../../state/class-session";
import type { ClassState } from "../../state/class-state";
import { mainTile, tiles, type RoomState } from "../../state/room";
import { icon } from "../icon";
import "./stage.css";
import "./tile";

export function stage(session: ClassSession, state: ClassState): TemplateResult {
  const room = state.room as RoomState;
  const all = tiles(room);
  const main = mainTile(room, all, state.pinned);
  // One's own picture is not shown large to oneself while somebody else can be.
  const strip = all.filter((m) => m.key !== main?.key);
  const teacherThere = all.some((m) => m.role === "teacher");
  return html`<div class="stage ${strip.length > 0 ? "with-strip" : ""}">
    <div class="stage-grid">
      <div class="main" aria-label=${t.room.mainPicture} role="group">
        ${main
          ? repeat([main], (m) => m.key, (m) => html`<lec-tile .session=${session} .model=${m} .state=${state} large></lec-tile>`)
          : html`<div class="nobody"><p>${teacherThere ? t.room.loadingPicture : t.room.teacherNotYet}</p></div>`}
      </div>
      ${strip.length > 0
        ? html`<div class="strip" role="group" aria-label=${t.room.participantsStrip}>
            ${repeat(strip, (m) => m.key, (m) => html`<lec-tile .session=${session} .model=${m} .state=${state}></lec-tile>`)}
          </div>`
        : nothing}
    </div>
    ${state.audioOnly
      ? html`<div class="audio-only">${icon(Headphones)}<span>${t.room.audioOnlyOn}</span><button class="btn small" @click=${() => session.setAudioOnly(false)}>${t.room.audioOnlyOff}</button></div>`
      : nothing}
  </div>`;
}
