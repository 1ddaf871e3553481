/**
 * The screen of a remote classroom: no keyboard, no mouse. It shows what comes next, enters by itself when the lesson
 * begins, and stands ready again when it is over.
 */
import { html, nothing, type TemplateResult } from "lit";
import { Monitor, Volume2 } from "lucide";
import { problemWords, t } from "../../i18n";
import { clock, day } from "../../i18n/format";
import * as api from "../../protocol/api";
import type { ClassPreview } from "../../protocol/generated/index";
import { ClassSession } from "../../state/class-session";
import { hands } from "../../state/room";
import { forgetResume } from "../../state/resume";
import { changeSettings, settings } from "../../state/settings";
import { openDialog } from "../dialog";
import { icon } from "../icon";
import { define, View } from "../view";
import "../class/stage";
import "./class.css";
import "./screen.css";

const LOOK_MS = 5_000;
/** Enters this early, so that the first sentence is heard. */
const EARLY_MS = 5 * 60_000;

class PageScreen extends View {
  static override properties = { code: {} };
  declare code: string;
  #preview: ClassPreview | null = null;
  #error: unknown = null;
  #session: ClassSession | null = null;
  #leftAt = 0;

  override connectedCallback(): void {
    super.connectedCallback();
    const named = new URLSearchParams(location.search).get("name");
    if (named) changeSettings({ name: named.slice(0, 60) });
    changeSettings({ cameraOn: true, microphoneOn: true });
    this.every(1_000);
    // A little apart from each other, so that a city's screens do not ask in step.
    const look = setInterval(() => void this.#look(), LOOK_MS + Math.random() * 1_000);
    this.until(() => clearInterval(look));
    void this.#look();
    if (!settings.get().name) void this.updateComplete.then(() => this.#askName());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#session?.close();
  }

  async #look(): Promise<void> {
    if (this.#session) return;
    try {
      this.#preview = await api.classPreview(this.code);
      this.#error = null;
      const soon = this.#preview.state === "live" || (this.#preview.state === "scheduled" && this.#preview.starts - Date.now() < EARLY_MS && this.#preview.starts > Date.now() - EARLY_MS);
      if (soon && settings.get().name && Date.now() - this.#leftAt > LOOK_MS) this.#enter();
    } catch (error) {
      this.#error = error;
    }
    this.requestUpdate();
  }

  #enter(): void {
    const session = (this.#session = new ClassSession());
    this.watch(session.store);
    this.until(
      session.store.subscribe((state) => {
        if (session !== this.#session) return;
        if (state.phase.name !== "closed" && state.phase.name !== "refused") return;
        this.#session = null;
        this.#leftAt = Date.now();
        forgetResume(this.code);
        void this.#look();
      }),
    );
    session.join({ code: this.code, name: settings.get().name, classroom: true, open: false, lines: { video: 6, audio: 8 } });
  }

  async #askName(): Promise<void> {
    const name = await openDialog<string>((close) => html`<form class="dialog-body" @submit=${(e: Event) => { e.preventDefault(); close(String(new FormData(e.target as HTMLFormElement).get("name")).trim()); }}>
      <h2>${t.screen.nameTitle}</h2>
      <p class="muted">${t.screen.nameLead}</p>
      <input class="input" name="name" required maxlength="60" autofocus aria-label=${t.screen.nameTitle} .value=${settings.get().name} />
      <div class="dialog-actions"><button class="btn primary large">${t.screen.nameSave}</button></div>
    </form>`);
    if (name) {
      changeSettings({ name });
      void this.#look();
    }
    this.requestUpdate();
  }

  override render(): TemplateResult {
    const state = this.#session?.store.get();
    const title = state?.room?.title ?? this.#preview?.title ?? "";
    document.title = `${title} · ${t.brand}`;
    if (this.#session && state?.room && state.phase.name === "in" && state.room.state === "live") return this.#lesson(this.#session);
    return this.#between();
  }

  #lesson(session: ClassSession): TemplateResult {
    const state = session.store.get();
    const own = settings.get().name;
    const raised = state.room ? hands(state.room).some((p) => p.id === state.room?.you) : false;
    return html`<main class="screen" data-phase="in" data-receiving=${state.receiving} data-link=${state.link.state}>
      <lec-stage .session=${session} .state=${state}></lec-stage>
      <p class="own-name">${icon(Monitor)}<span>${own}</span>${raised ? html`<span class="badge warn">${t.room.handUp}</span>` : nothing}${state.link.state === "down" ? html`<span class="badge warn">${t.room.reconnecting}</span>` : nothing}</p>
      ${state.soundBlocked ? html`<button class="play-sound btn primary large" @click=${() => void session.unblockSound()}>${icon(Volume2)}${t.room.playSound}</button>` : nothing}
    </main>`;
  }

  #between(): TemplateResult {
    const preview = this.#preview;
    const words = this.#error ? problemWords(this.#error) : null;
    const now = Date.now();
    const waits = this.#session?.store.get().phase;
    const upcoming = preview && preview.starts > now - EARLY_MS && preview.state !== "over";
    return html`<main class="between" data-phase="between">
      <p class="clock num">${clock(now)}</p>
      <p class="date num">${day(now)}</p>
      ${words ? html`<div class="next"><h1>${words.what}</h1><p>${words.next}</p></div>` : nothing}
      ${preview
        ? html`<div class="next">
            <p class="muted">${upcoming ? t.screen.nextLesson : preview.state === "over" ? t.screen.over : t.screen.noNext}</p>
            <h1>${preview.title}</h1>
            <p>${preview.teacher}${preview.school ? ` · ${preview.school}` : ""}</p>
            ${upcoming ? html`<p class="start num">${t.screen.at(clock(preview.starts))} <span class="muted">${waits?.name === "waiting" && waits.open ? t.waiting.lead : t.screen.waiting}</span></p>` : nothing}
          </div>`
        : nothing}
      <p class="own-name">${icon(Monitor)}<span>${t.screen.thisIs}: ${settings.get().name || "—"}</span> <button class="btn quiet small" @click=${() => void this.#askName()}>${t.screen.change}</button></p>
    </main>`;
  }
}
define("page-screen", PageScreen);
