/** The one side panel: chat, questions, people. Hands stay above it for the teacher, whatever tab is open. */
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Hand, X } from "lucide";
import { t } from "../../i18n";
import { span } from "../../i18n/format";
import type { ClassSession } from "../../state/class-session";
import type { ClassState } from "../../state/class-state";
import { hands, type RoomState } from "../../state/room";
import { icon } from "../icon";
import { define, View } from "../view";
import "./chat";
import "./people";
import "./questions";
import "./panel.css";

export type Tab = "chat" | "questions" | "people";

export class LecPanel extends View {
  static override properties = { session: { attribute: false }, state: { attribute: false }, tab: {} };
  declare session: ClassSession;
  declare state: ClassState;
  declare tab: Tab;

  override connectedCallback(): void {
    super.connectedCallback();
    this.every(1_000); // waiting times of hands
  }

  protected override shouldUpdate(_changed: PropertyValues): boolean {
    return this.state.room !== null;
  }

  #choose(tab: Tab | null): void {
    this.dispatchEvent(new CustomEvent<Tab | null>("choose", { detail: tab }));
  }

  override render(): TemplateResult {
    const room = this.state.room as RoomState;
    const open = room.questions.filter((q) => q.answered === null).length;
    const tabs: [Tab, string, number][] = [
      ["chat", t.room.chat, 0],
      ["questions", t.room.questions, open],
      ["people", t.room.people, room.role === "teacher" ? room.waiting.length : 0],
    ];
    return html`
      ${room.role === "teacher" ? this.#hands(room) : nothing}
      <div class="tabs">
        <div role="tablist" aria-label=${t.room.sidePanel} @keydown=${this.#arrows}>
          ${tabs.map(
            ([tab, label, count]) => html`<button role="tab" id="tab-${tab}" aria-selected=${tab === this.tab} aria-controls="panel-body" tabindex=${tab === this.tab ? 0 : -1} @click=${() => this.#choose(tab)}>
              ${label}${count > 0 ? html`<span class="count num">${count}</span>` : nothing}
            </button>`,
          )}
        </div>
        <button class="btn quiet icon-only small shut" aria-label=${t.common.close} title=${t.common.close} @click=${() => this.#choose(null)}>${icon(X)}</button>
      </div>
      <div class="body" id="panel-body" role="tabpanel" aria-labelledby="tab-${this.tab}">
        ${this.tab === "chat"
          ? html`<lec-chat .session=${this.session} .room=${room}></lec-chat>`
          : this.tab === "questions"
            ? html`<lec-questions .session=${this.session} .room=${room}></lec-questions>`
            : html`<lec-people .session=${this.session} .room=${room}></lec-people>`}
      </div>
    `;
  }

  #arrows = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    const all: Tab[] = ["chat", "questions", "people"];
    this.#choose(all[(all.indexOf(this.tab) + step + all.length) % all.length] ?? "chat");
    void this.updateComplete.then(() => this.querySelector<HTMLElement>("[aria-selected=true]")?.focus());
    event.preventDefault();
  };

  #hands(room: RoomState): TemplateResult {
    const up = hands(room);
    const now = Date.now() + room.clockOffset;
    return html`<section class="hands" aria-label=${t.room.hands}>
      <h2>${icon(Hand)}${t.room.hands}<span class="muted num">${up.length || ""}</span>
        ${up.length > 1 ? html`<button class="btn quiet small" @click=${() => this.session.request({ type: "lower_hand", participant: null })}>${t.room.lowerAll}</button>` : nothing}
      </h2>
      ${up.length === 0
        ? html`<p class="small muted">${t.room.noHands}</p>`
        : html`<ol>
            ${repeat(up, (p) => p.id, (p, i) => html`<li data-hand=${p.id}>
              <span class="clip">${p.name}</span>
              <span class="small muted num">${span(now - (p.hand_since ?? now))}</span>
              <button class="btn small ${i === 0 ? "primary" : ""}" title=${i === 0 ? `${t.room.callNext(p.name)} (Space)` : t.room.callNext(p.name)} @click=${() => this.session.call(p.id)}>${t.room.callFirst}</button>
              <button class="btn quiet icon-only small" aria-label=${`${t.room.lowerHand}: ${p.name}`} title=${t.room.lowerHand} @click=${() => this.session.request({ type: "lower_hand", participant: p.id })}>${icon(X)}</button>
            </li>`)}
          </ol>`}
    </section>`;
  }
}
define("lec-panel", LecPanel);
