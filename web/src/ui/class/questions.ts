/** Questions: the most wanted first, answered ones below. Anyone asks and votes; the teacher answers. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { CircleCheck, CircleHelp, SendHorizontal, ThumbsUp } from "lucide";
import { t } from "../../i18n";
import { clock } from "../../i18n/format";
import type { Question } from "../../protocol/generated/index";
import type { ClassSession } from "../../state/class-session";
import { orderedQuestions, type RoomState } from "../../state/room";
import { icon } from "../icon";
import { define, View } from "../view";

export class LecQuestions extends View {
  static override properties = { session: { attribute: false }, room: { attribute: false } };
  declare session: ClassSession;
  declare room: RoomState;
  #answering: number | null = null;

  #ask = (event: Event): void => {
    event.preventDefault();
    const field = this.querySelector<HTMLTextAreaElement>(".say textarea");
    const text = field?.value.trim() ?? "";
    if (field && text !== "" && this.session.request({ type: "ask", text })) field.value = "";
  };

  #answer(event: Event, question: Question): void {
    event.preventDefault();
    const text = String(new FormData(event.target as HTMLFormElement).get("answer")).trim();
    if (this.session.request({ type: "answer", question: question.id, text: text === "" ? null : text })) this.#answering = null;
    this.requestUpdate();
  }

  override render(): TemplateResult {
    const questions = orderedQuestions(this.room);
    return html`
      ${questions.length === 0
        ? html`<div class="empty">${icon(CircleHelp)}<p>${t.room.questionsEmpty}</p><p class="small">${t.room.questionsEmptyLead}</p></div>`
        : html`<ol class="lines questions" tabindex="0" aria-label=${t.room.questions}>${repeat(questions, (q) => q.id, (q) => this.#question(q))}</ol>`}
      ${this.room.role === "teacher"
        ? nothing
        : html`<form class="say" @submit=${this.#ask}>
            <textarea class="input" rows="1" maxlength="1000" aria-label=${t.room.askPlaceholder} placeholder=${t.room.askPlaceholder}
              @keydown=${(e: KeyboardEvent) => e.key === "Enter" && !e.shiftKey && !e.isComposing && this.#ask(e)}></textarea>
            <button class="btn icon-only" aria-label=${t.room.ask} title=${t.room.ask}>${icon(SendHorizontal)}</button>
          </form>`}
    `;
  }

  #question(q: Question): TemplateResult {
    const teacher = this.room.role === "teacher";
    const open = q.answered === null;
    return html`<li class="question ${open ? "" : "answered"}" data-question=${q.id}>
      <p class="small"><strong>${q.name}</strong> <span class="muted num">${clock(q.at)}</span> ${open ? nothing : html`<span class="badge ok">${icon(CircleCheck)}${t.room.answered}</span>`}</p>
      <p class="text">${q.text}</p>
      ${q.answer ? html`<p class="text answer">${q.answer}</p>` : nothing}
      <div class="row">
        ${teacher || !open
          ? html`<span class="small muted num">${t.room.votes(q.votes)}</span>`
          : html`<button class="btn small" aria-pressed=${q.voted} title=${t.room.vote} aria-label=${`${t.room.vote} (${t.room.votes(q.votes)})`} @click=${() => this.session.request({ type: "vote", question: q.id, up: !q.voted })}>
              ${icon(ThumbsUp)}<span class="num">${q.votes}</span>
            </button>`}
        ${teacher && open && this.#answering !== q.id
          ? html`<button class="btn small" @click=${() => this.session.request({ type: "answer", question: q.id, text: null })}>${t.room.markAnswered}</button>
              <button class="btn small" @click=${() => { this.#answering = q.id; this.requestUpdate(); void this.updateComplete.then(() => this.querySelector<HTMLElement>("[name=answer]")?.focus()); }}>${t.room.answer}</button>`
          : nothing}
      </div>
      ${this.#answering === q.id
        ? html`<form class="reply" @submit=${(e: Event) => this.#answer(e, q)}>
            <textarea class="input" name="answer" rows="2" maxlength="2000" aria-label=${t.room.answerPlaceholder} placeholder=${t.room.answerPlaceholder}></textarea>
            <div class="row">
              <button class="btn small primary">${t.room.send}</button>
              <button type="button" class="btn small" @click=${() => { this.#answering = null; this.requestUpdate(); }}>${t.common.cancel}</button>
            </div>
          </form>`
        : nothing}
    </li>`;
  }
}
define("lec-questions", LecQuestions);
