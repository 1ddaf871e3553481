/** One class for one person: lobby, waiting room, class, the way out. Joins again by itself after a reload. */
import { html, nothing, type TemplateResult } from "lit";
import { Clock } from "lucide";
import { problemWords, t } from "../../i18n";
import * as api from "../../protocol/api";
import { ApiError } from "../../protocol/http";
import type { ClassPreview } from "../../protocol/generated/index";
import { ClassSession } from "../../state/class-session";
import { kept } from "../../state/resume";
import { mayPublish, tiles, type RoomNews } from "../../state/room";
import { loadSession, session as person } from "../../state/session";
import { announce, notify } from "../announce";
import { openDialog, confirmDialog } from "../dialog";
import { icon } from "../icon";
import { define, plainKey, View } from "../view";
import { wordsNote } from "../words";
import { banners } from "../class/banners";
import { closed } from "../class/closed";
import { keyFor, showKeys } from "../class/keys";
import type { Command } from "../class/controls";
import type { LobbyChoice } from "../class/lobby";
import type { Tab } from "../class/panel";
import "../class/stage";
import { top } from "../class/top";
import "../class/controls";
import "../class/lobby";
import "../class/panel";
import "../shell.css";
import "./class.css";

/** How often a server that could not be reached is tried again. */
const RETRY_MS = 5_000;
/** In full screen the controls fade after this long without a movement. */
const IDLE_MS = 3_000;

class PageClass extends View {
  static override properties = { code: {} };
  declare code: string;
  #session = new ClassSession();
  #preview: ClassPreview | null = null;
  #error: unknown = null;
  #inside = false;
  #tab: Tab | "" = "";
  #lastTab: Tab = "chat";
  #unread = 0;
  #idle = false;
  #idleTimer: ReturnType<typeof setTimeout> | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    this.watch(this.#session.store);
    this.watch(person);
    this.every(1_000);
    this.#session.onNews = (news) => this.#news(news);
    this.on(document, "keydown", this.#key);
    this.on(document, "fullscreenchange", () => this.#awake(true));
    for (const type of ["pointermove", "pointerdown", "keydown"] as const) this.on(document, type, () => this.#awake());
    this.addEventListener("click", this.#letGo, { capture: true });
    const place = kept(this.code);
    if (place) {
      void loadSession();
      this.#join({ name: place.name, open: false });
    } else {
      void this.#look();
      // As soon as the server can be reached the lobby is there, without a click.
      const again = setInterval(() => this.#error instanceof ApiError && this.#error.status === 0 && void this.#look(), RETRY_MS);
      this.until(() => clearInterval(again));
    }
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    // Another page was gone to (Back, a link): out of class. The same address is this page built anew, for another language.
    const { name } = this.#session.store.get().phase;
    const away = location.pathname.replace(/\/$/, "") !== `/c/${encodeURIComponent(this.code)}`;
    if (away && this.#inside && name !== "closed" && name !== "refused") this.#session.leave();
    else this.#session.close();
    if (this.#idleTimer) clearTimeout(this.#idleTimer);
  }

  async #look(): Promise<void> {
    try {
      const [preview] = await Promise.all([api.classPreview(this.code), loadSession()]);
      // Nobody knows who is asking: a teacher would be asked for a name, as a guest is.
      if (person.get().phase === "unreachable") throw new ApiError("offline", 0, "");
      this.#preview = preview;
      this.#error = null;
    } catch (error) {
      this.#error = error;
    }
    this.requestUpdate();
  }

  #lookAgain = (): void => {
    this.#error = null;
    this.requestUpdate();
    void this.#look();
  };

  #join(choice: LobbyChoice): void {
    this.#inside = true;
    const phone = matchMedia("(max-width: 700px)").matches;
    const many = this.#preview?.mine ?? kept(this.code)?.role === "teacher";
    if (phone || innerWidth >= 1_200) this.#tab = "chat";
    this.#session.join({
      code: this.code,
      name: choice.name,
      classroom: false,
      open: choice.open,
      lines: phone ? { video: 4, audio: 6 } : many ? { video: 12, audio: 12 } : { video: 8, audio: 8 },
    });
    this.requestUpdate();
  }

  #news(news: RoomNews): void {
    const room = this.#session.store.get().room;
    const name = (id: string): string => room?.participants.get(id)?.name ?? "";
    switch (news.type) {
      case "hand":
        this.#awake(); // whoever faded the controls must see whom to call
        if (news.participant.id !== room?.you) announce(t.room.handAnnounce(news.participant.name));
        return;
      case "stage":
        return announce(t.room.stageAnnounce(news.participant.name, news.on));
      case "you_stage":
        return void notify({ text: news.on ? t.room.youOnStage : t.room.youOffStage });
      case "muted_by_teacher":
        return void notify({ text: t.room.mutedByTeacher, action: { label: t.room.unmuteSelf, run: () => this.#unmute() } });
      case "chat":
        if (news.line.from === room?.you) return;
        if (this.#tab !== "chat") this.#unread += 1;
        return announce(t.room.chatAnnounce(news.line.name, news.line.text));
      case "question":
        return announce(t.room.questionAnnounce(news.question.name));
      case "waiting":
        if (this.#tab !== "people") notify({ text: t.room.waitingAnnounce(news.count), action: { label: t.room.admitAll, run: () => this.#session.request({ type: "admit", participant: null, admit: true }) } });
        return announce(t.room.waitingAnnounce(news.count));
      case "recording":
        return announce(news.state === "failed" ? t.room.recFailed : news.state === "on" ? t.room.rec : t.room.recOff);
      case "opened":
        return announce(t.room.opened);
      case "screen":
        return announce(t.room.screenAnnounce(name(news.participant), news.on));
    }
  }

  /** Not from a notice that outlived the stage: the microphone would open for nobody. */
  #unmute(): void {
    const { room } = this.#session.store.get();
    if (room && mayPublish(room)) void this.#session.own.turn("microphone", true);
  }

  #awake(drawn = false): void {
    if (this.#idleTimer) clearTimeout(this.#idleTimer);
    this.#idleTimer = null;
    if (this.#idle || drawn) {
      this.#idle = false;
      this.requestUpdate();
    }
    if (!document.fullscreenElement) return;
    this.#idleTimer = setTimeout(() => {
      // Whoever is in the middle of something keeps the controls.
      const busy = document.querySelector("details.menu[open], dialog[open]") !== null || this.querySelector("lec-controls :focus-visible") !== null;
      if (busy) return this.#awake();
      this.#idle = true;
      this.requestUpdate();
    }, IDLE_MS);
  }

  /** A pointer leaves no focus on what it pressed: Space, the key for the first hand, would press it again. Before the press
   *  is carried out, so that a dialog does not give the focus back there either. */
  #letGo = (event: MouseEvent): void => {
    const pressed = event.detail > 0 ? (event.target as Element).closest<HTMLElement>("button, summary, a") : null;
    if (pressed && pressed === document.activeElement) pressed.blur();
  };

  #key = (event: KeyboardEvent): void => {
    const { room, phase } = this.#session.store.get();
    if (!room || phase.name !== "in" || !plainKey(event) || event.repeat) return;
    const teacher = room.role === "teacher";
    const onButton = (event.target as Element).closest?.("button, summary, a, input, [role=tab]") !== null;
    const key = keyFor(event.key, teacher, onButton);
    if (!key) return;
    event.preventDefault();
    const control = (id: string): void => this.querySelector<HTMLButtonElement>(`[data-control="${id}"]`)?.click();
    switch (key) {
      case "call":
        return control("call");
      case "muteAll":
        return control("mute-all");
      case "mute":
        return control("microphone");
      case "camera":
      case "share":
      case "hand":
        return control(key);
      case "chat":
      case "questions":
      case "people":
        return this.#choose(this.#tab === key ? null : key);
      case "full":
        return void this.#fullScreen();
      case "help":
        return void showKeys(teacher);
    }
  };

  async #fullScreen(): Promise<void> {
    if (document.fullscreenElement) await document.exitFullscreen().catch(() => undefined);
    else await document.documentElement.requestFullscreen?.().catch(() => undefined);
  }

  #choose(tab: Tab | null): void {
    this.#tab = tab ?? "";
    if (tab) this.#lastTab = tab;
    if (tab === "chat") this.#unread = 0;
    this.requestUpdate();
  }

  async #command(command: Command): Promise<void> {
    const { room } = this.#session.store.get();
    switch (command) {
      case "chat":
      case "questions":
      case "people":
        return this.#choose(this.#tab === command ? null : command);
      case "full":
        return this.#fullScreen();
      case "help":
        return void showKeys(room?.role === "teacher");
      case "start":
        return void this.#session.request({ type: "open" });
      case "leave":
        return this.#session.leave();
      case "devices":
        await openDialog((close) => html`<div class="dialog-body">
          <h2>${t.room.settings}</h2>
          <lec-devices .session=${this.#session}></lec-devices>
          <div class="dialog-actions"><button class="btn primary" @click=${() => close(null)}>${t.common.close}</button></div>
        </div>`);
        return;
      case "end": {
        if (room?.state !== "live") return this.#session.leave();
        const others = Math.max(0, (room?.count ?? 1) - 1);
        const choice = await confirmDialog(t.room.endTitle, t.room.endLead(others), [{ value: "end", label: t.room.end, danger: true }], t.room.endKeep);
        if (choice === "end") this.#session.request({ type: "end" });
        return;
      }
    }
  }

  override render(): TemplateResult {
    const state = this.#session.store.get();
    document.title = `${state.room?.title ?? this.#preview?.title ?? t.lobby.title} · ${t.brand}`;
    if (!this.#inside) return this.#before();
    switch (state.phase.name) {
      case "closed":
      case "refused":
        return closed(state.phase, () => location.reload());
      case "waiting": {
        const { title, teacher, open } = state.phase;
        return html`<main class="closed" data-phase="waiting">
          <div class="empty" role="status">
            ${icon(Clock)}
            <h1>${open ? t.waiting.title : t.waiting.notOpen}</h1>
            <p>${title} · ${t.lobby.byTeacher(teacher)}<br />${open ? t.waiting.lead : t.waiting.notOpenLead}</p>
            ${state.link.state === "down" ? html`<p class="badge warn">${t.room.reconnecting}</p>` : nothing}
            <button class="btn" @click=${() => this.#session.leave()}>${t.waiting.leave}</button>
          </div>
        </main>`;
      }
      default:
        return state.room ? this.#room() : html`<main class="closed" data-phase="joining"><div class="empty" role="status"><div class="skeleton joining"></div><p>${state.link.state === "down" ? t.room.reconnecting : t.room.joining}</p></div></main>`;
    }
  }

  #before(): TemplateResult {
    if (this.#error) {
      const words = problemWords(this.#error);
      return html`<main class="closed">
        <div class="narrow">${wordsNote(words, { code: words.code, actions: html`<button class="btn" @click=${this.#lookAgain}>${t.common.again}</button><a class="btn" href="/">${t.errors.toToday}</a>` })}</div>
      </main>`;
    }
    if (!this.#preview) return html`<main class="closed"><div class="empty" role="status"><div class="skeleton joining"></div><p>${t.lobby.loadingClass}</p></div></main>`;
    return html`<lec-lobby .session=${this.#session} .preview=${this.#preview} @choose=${(e: CustomEvent<LobbyChoice>) => this.#join(e.detail)}></lec-lobby>`;
  }

  #room(): TemplateResult {
    const state = this.#session.store.get();
    const { room } = state;
    if (!room) return html``;
    const phone = matchMedia("(max-width: 700px) and (orientation: portrait)").matches;
    const tab = phone && this.#tab === "" ? this.#lastTab : this.#tab;
    return html`<div class="room ${tab ? "with-panel" : ""} ${document.fullscreenElement ? "full" : ""} ${this.#idle ? "idle" : ""}" data-role=${room.role} data-phase="in" data-lesson=${room.state} data-link=${state.link.state} data-receiving=${state.receiving}>
      ${top(state)}
      <main class="picture" id="content">
        <lec-stage class=${tiles(room).length > 1 ? "several" : ""} .session=${this.#session} .state=${state}></lec-stage>
        ${banners(this.#session, state)}
        ${room.role === "teacher" && room.state !== "live"
          ? html`<div class="start-card"><p><strong>${t.room.startLead}</strong></p><p class="muted">${t.room.studentsWait(Math.max(room.waiting.length, room.count - 1))}</p><button class="btn primary large" data-action="open" @click=${() => void this.#command("start")}>${t.room.start}</button></div>`
          : nothing}
      </main>
      ${tab ? html`<lec-panel role="complementary" aria-label=${t.room.sidePanel} .session=${this.#session} .state=${state} .tab=${tab} @choose=${(e: CustomEvent<Tab | null>) => this.#choose(e.detail)}></lec-panel>` : nothing}
      <lec-controls role="region" aria-label=${t.room.controls} .session=${this.#session} .state=${state} .tab=${this.#tab} .unread=${this.#unread} @command=${(e: CustomEvent<Command>) => void this.#command(e.detail)}></lec-controls>
    </div>`;
  }
}
define("page-class", PageClass);
