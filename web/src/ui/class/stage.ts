/** The lesson large, everybody else on stage beside or under it. One container: a picture that grows is not rebuilt. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Headphones } from "lucide";
import { t } from "../../i18n";
import type { ClassSession } from "../../state/class-session";
import type { ClassState } from "../../state/class-state";
import { mainTile, tiles, type RoomState } from "../../state/room";
import { icon } from "../icon";
import { vars } from "../vars";
import { define, View } from "../view";
import { arrange, type Rect } from "./arrange";
import "./stage.css";
import "./tile";

export class LecStage extends View {
  static override properties = { session: { attribute: false }, state: { attribute: false } };
  declare session: ClassSession;
  declare state: ClassState;
  #size = { width: 0, height: 0 };

  override connectedCallback(): void {
    super.connectedCallback();
    const resize = new ResizeObserver(([entry]) => {
      const { width, height } = entry?.contentRect ?? this.#size;
      this.#size = { width, height };
      this.requestUpdate();
    });
    resize.observe(this);
    this.until(() => resize.disconnect());
  }

  /** Measured at once, not at the observer's leisure: the first request for pictures then names the right heights. */
  override firstUpdated(): void {
    const { width, height } = this.getBoundingClientRect();
    if (width === 0 || height === 0) return;
    this.#size = { width, height };
    this.requestUpdate();
  }

  override render(): TemplateResult {
    const { session, state } = this;
    const room = state.room as RoomState;
    const all = tiles(room);
    const main = mainTile(room, all, state.pinned);
    // Who is away keeps the place in the order, but not at the cost of someone who is here.
    const others = all.filter((m) => m !== main);
    const ranked = [...others].sort((a, b) => Number(b.online) - Number(a.online));
    const places = arrange(this.#size.width, this.#size.height, others.length);
    const shown = new Set(ranked.slice(0, places.strip.length));
    const rects = new Map<string, Rect>();
    if (main) rects.set(main.key, places.main);
    others.filter((m) => shown.has(m)).forEach((m, i) => rects.set(m.key, places.strip[i] as Rect));
    return html`
      ${repeat(
        all.filter((m) => rects.has(m.key)),
        (m) => m.key,
        (m) => {
          const { left, top, width, height } = rects.get(m.key) as Rect;
          return html`<lec-tile .session=${session} .model=${m} .state=${state} ?large=${m === main}
            ${vars({ "--left": `${left}px`, "--top": `${top}px`, "--width": `${width}px`, "--height": `${height}px` })}></lec-tile>`;
        },
      )}
      ${main ? nothing : html`<div class="nobody"><p>${t.room.teacherNotYet}</p></div>`}
      ${places.hidden > 0 && others.length > 0 ? html`<span class="more num" title=${t.room.people}>+${places.hidden}</span>` : nothing}
      ${state.audioOnly
        ? html`<div class="audio-only">${icon(Headphones)}<span>${t.room.audioOnlyOn}</span><button class="btn small" @click=${() => session.setAudioOnly(false)}>${t.room.audioOnlyOff}</button></div>`
        : nothing}
    `;
  }
}
define("lec-stage", LecStage);
