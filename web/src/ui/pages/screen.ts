/**
 * The screen of a remote classroom: no keyboard, no mouse. It shows what comes next, enters by itself when the lesson
 * begins, and stands ready again when it is over.
 */
import { html, nothing, type TemplateResult } from "lit";
import { Mic, MicOff, Monitor } from "lucide";
import { problemWords, t } from "../../i18n";
import type { Words } from "../../i18n/en";
import { clock, day } from "../../i18n/format";
import { keepAwake } from "../../media/wake";
import * as api from "../../protocol/api";
import type { ClassPreview } from "../../protocol/generated/index";
import { ApiError } from "../../protocol/http";
import { ClassSession } from "../../state/class-session";
import type { ClassState, Phase } from "../../state/class-state";
import { mayPublish, me } from "../../state/room";
import { forgetResume } from "../../state/resume";
import { changeSettings, settings } from "../../state/settings";
import { openDialog } from "../dialog";
import { icon } from "../icon";
import { define, View } from "../view";
import { banners } from "../class/banners";
import "../class/stage";
import { recording } from "../class/top";
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
  /** How one came out of class, if not at its end. */
  #out: Extract<Phase, { name: "closed" | "refused" }> | null = null;
  /** The lesson (by its start) that the teacher sent this room out of: it does not come back by itself. */
  #sentOutOf: number | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    const named = new URLSearchParams(location.search).get("name");
    if (named) changeSettings({ name: named.slice(0, 60) });
    changeSettings({ cameraOn: true, microphoneOn: true });
    this.every(1_000);
    // Between lessons, too: nobody is there to wake it for the next one.
    this.until(keepAwake());
    // A little apart from each other, so that a city's screens do not ask in step.
    const look = setInterval(() => void this.#look(), LOOK_MS + Math.random() * 1_000);
    this.until(() => clearInterval(look));
    void this.#look();
    if (!settings.get().name) void this.updateComplete.then(() => this.#askName());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    if (location.pathname.startsWith("/screen/")) this.#session?.close(); // built anew, for another language
    else this.#session?.leave();
  }

  async #look(): Promise<void> {
    if (this.#session) return;
    try {
      this.#preview = await api.classPreview(this.code);
      // Two looks may be on their way, one by the clock and one after the name was given: a room enters once.
      if (this.#session) return;
      this.#error = null;
      if (this.#sentOutOf !== null && this.#sentOutOf !== this.#preview.starts) this.#sentOutOf = this.#out = null;
      const soon = this.#preview.state === "live" || (this.#preview.state === "scheduled" && this.#preview.starts - Date.now() < EARLY_MS && this.#preview.starts > Date.now() - EARLY_MS);
      if (soon && this.#sentOutOf === null && settings.get().name && Date.now() - this.#leftAt > LOOK_MS) this.#enter();
    } catch (error) {
      this.#error = error;
    }
    this.requestUpdate();
  }

  #enter(): void {
    this.#out = this.#sentOutOf = null;
    const session = (this.#session = new ClassSession());
    this.watch(session.store);
    this.until(
      session.store.subscribe((state) => {
        if (session !== this.#session) return;
        if (state.phase.name !== "closed" && state.phase.name !== "refused") return;
        const reason = state.phase.name === "closed" ? state.phase.reason : null;
        this.#out = reason === "ended" || reason === "left" ? null : state.phase;
        if (reason === "removed" || reason === "refused") this.#sentOutOf = this.#preview?.starts ?? 0;
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
    return html`<main class="screen" data-phase="in" data-receiving=${state.receiving} data-link=${state.link.state}>
      <lec-stage .session=${session} .state=${state}></lec-stage>
      ${banners(session, state)}
      <p class="own-name">${icon(Monitor)}<span>${settings.get().name}</span>${this.#sound(session, state)} ${recording(state)}</p>
    </main>`;
  }

  /** Whether this room is heard; whoever muted it, somebody in the room can undo it. */
  #sound(session: ClassSession, { room, microphone }: ClassState): TemplateResult | typeof nothing {
    if (!room || !mayPublish(room)) return nothing;
    const heard = microphone.on && !me(room)?.muted.includes("microphone");
    return html`<button class="btn quiet" data-control="microphone" aria-label=${heard ? t.room.muteOn : t.room.muteOff} aria-busy=${microphone.busy ? "true" : nothing} @click=${() => void session.own.turn("microphone", !microphone.on)}>
      ${icon(heard ? Mic : MicOff)}${heard ? nothing : html`<span>${t.room.muteOff}</span>`}
    </button>`;
  }

  /** Why this room is not in class, if something is the matter. */
  #trouble(): Words | null {
    const out = this.#out;
    if (out) return out.name === "closed" ? t.closeReasons[out.reason] : problemWords(new ApiError(out.code, 0, out.detail));
    return this.#error ? problemWords(this.#error) : null;
  }

  #between(): TemplateResult {
    const preview = this.#preview;
    const words = this.#trouble();
    const now = Date.now();
    const session = this.#session?.store.get();
    const waits = session?.phase;
    const upcoming = preview && preview.starts > now - EARLY_MS && preview.state !== "over";
    return html`<main class="between" data-phase="between">
      <p class="clock num">${clock(now)}</p>
      <p class="date num">${day(now)}</p>
      ${words
        ? html`<div class="next" role="alert">
            <h1>${words.what}</h1>
            <p>${words.works} ${words.next}</p>
            ${this.#sentOutOf === null ? nothing : html`<button class="btn primary large" @click=${() => this.#enter()}>${t.lobby.join}</button>`}
          </div>`
        : nothing}
      ${preview
        ? html`<div class="next">
            <p class="muted">${upcoming ? t.screen.nextLesson : preview.state === "over" ? t.screen.over : t.screen.noNext}</p>
            <h1>${preview.title}</h1>
            <p>${preview.teacher}${preview.school ? ` · ${preview.school}` : ""}</p>
            ${upcoming ? html`<p class="start num">${t.screen.at(clock(preview.starts))} <span class="muted">${waits?.name === "waiting" && waits.open ? t.waiting.lead : t.screen.waiting}</span></p>` : nothing}
          </div>`
        : nothing}
      <p class="own-name">${icon(Monitor)}<span>${t.screen.thisIs}: ${settings.get().name || "—"}</span> <button class="btn quiet small" @click=${() => void this.#askName()}>${t.screen.change}</button>${session?.link.state === "down" ? html`<span class="badge warn">${t.room.reconnecting}</span>` : nothing}</p>
    </main>`;
  }
}
define("page-screen", PageScreen);
