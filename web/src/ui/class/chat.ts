/** Chat: lines as they come, one field. Keeps its place when one has scrolled up. */
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { MessageSquare, SendHorizontal } from "lucide";
import { t } from "../../i18n";
import { clock } from "../../i18n/format";
import type { ClassSession } from "../../state/class-session";
import type { RoomState } from "../../state/room";
import { icon } from "../icon";
import { define, View } from "../view";

export class LecChat extends View {
  static override properties = { session: { attribute: false }, room: { attribute: false } };
  declare session: ClassSession;
  declare room: RoomState;
  #atEnd = true;

  protected override willUpdate(_changed: PropertyValues): void {
    const list = this.querySelector(".lines");
    if (list) this.#atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  }

  override updated(): void {
    const list = this.querySelector(".lines");
    if (list && this.#atEnd) list.scrollTop = list.scrollHeight;
  }

  #send = (event: Event): void => {
    event.preventDefault();
    const field = this.querySelector<HTMLTextAreaElement>("textarea");
    const text = field?.value.trim() ?? "";
    // The text stays in the field if the line is down: nothing typed is lost.
    if (field && text !== "" && this.session.request({ type: "chat", text })) {
      field.value = "";
      this.#atEnd = true;
    }
  };

  override render(): TemplateResult {
    const { chat, you, participants } = this.room;
    return html`
      ${chat.length === 0
        ? html`<div class="empty">${icon(MessageSquare)}<p>${t.room.chatEmpty}</p></div>`
        : html`<ol class="lines" tabindex="0" aria-label=${t.room.chat}>
            ${repeat(chat, (line) => line.id, (line, i) => {
              const follows = chat[i - 1]?.from === line.from && line.at - (chat[i - 1]?.at ?? 0) < 60_000;
              const teacher = participants.get(line.from)?.role === "teacher";
              return html`<li class="${line.from === you ? "own" : ""} ${follows ? "follows" : ""}">
                ${follows ? nothing : html`<p class="small"><strong class=${teacher ? "teacher" : ""}>${line.name}</strong> <span class="muted num">${clock(line.at)}</span></p>`}
                <p class="text">${line.text}</p>
              </li>`;
            })}
          </ol>`}
      <form class="say" @submit=${this.#send}>
        <textarea class="input" rows="1" maxlength="2000" aria-label=${t.room.chatPlaceholder} placeholder=${t.room.chatPlaceholder}
          @keydown=${(e: KeyboardEvent) => e.key === "Enter" && !e.shiftKey && !e.isComposing && this.#send(e)}></textarea>
        <button class="btn icon-only" aria-label=${t.room.send} title=${t.room.send}>${icon(SendHorizontal)}</button>
      </form>
    `;
  }
}
define("lec-chat", LecChat);
