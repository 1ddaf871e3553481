/** Today's classes: the one that matters now, large; then the day. Works as the home page of a shared classroom PC. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { ChevronLeft, ChevronRight, CircleDot, Coffee, Ellipsis, Link, MonitorPlay, Plus, Presentation, RadioTower, RotateCcw, Upload, UsersRound } from "lucide";
import { problemWords, t } from "../../i18n";
import { clock, day, zoneWords } from "../../i18n/format";
import { addDays, instant, isoDay, today } from "../../i18n/zone";
import * as api from "../../protocol/api";
import type { LessonItem } from "../../protocol/generated/index";
import { hasRole, session } from "../../state/session";
import { copyText } from "../clipboard";
import { icon } from "../icon";
import { Page } from "../page";
import { shell } from "../shell";
import { define } from "../view";
import { wordsNote } from "../words";
import { pickNext } from "./today-next";
import "./today.css";

const REFRESH_MS = 20_000;

class PageToday extends Page {
  protected readonly section = "today";
  protected override wide = false;
  /** Another day than today; a page left open overnight shows the new day by itself. */
  #other: string | null = null;
  #shown = "";
  #items: LessonItem[] | null = null;
  #error: unknown = null;
  #abort: AbortController | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    // On a slow line an answer may take longer than this: one at a time.
    const refresh = setInterval(() => void this.#refresh(), REFRESH_MS);
    this.until(() => clearInterval(refresh));
    this.on(document, "visibilitychange", () => document.visibilityState === "visible" && void this.#refresh());
  }

  protected override named(): string {
    return t.today.title;
  }

  protected override skeleton(): TemplateResult {
    return html`<div class="skeleton hero-skeleton"></div>`;
  }

  get #day(): string {
    return this.#other ?? today();
  }

  async #refresh(): Promise<void> {
    if (session.get().phase === "in" && (!this.#abort || this.#shown !== this.#day)) await this.load();
  }

  protected override async load(): Promise<void> {
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    const wanted = this.#day;
    if (this.#shown !== wanted) this.#items = null;
    this.#shown = wanted;
    this.requestUpdate();
    try {
      this.#items = await api.lessons(wanted, abort.signal);
      this.#error = null;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#error = error;
    }
    this.#abort = null;
    this.requestUpdate();
  }

  #show(wanted: string): void {
    this.#other = wanted === today() ? null : wanted;
    void this.load();
  }

  #go(days: number | null): void {
    this.#show(days === null ? today() : addDays(this.#day, days));
  }

  async #create(): Promise<void> {
    const { editClass } = await import("../class-form");
    const created = await editClass(null, this.#day);
    if (created) this.#show(isoDay(created.starts));
  }

  async #devices(item: LessonItem, publishes: boolean): Promise<void> {
    const { deviceAccess } = await import("../device-access");
    await deviceAccess({ id: item.class, title: item.title }, publishes);
  }

  async #attendance(item: LessonItem): Promise<void> {
    const { showAttendance } = await import("../attendance");
    await showAttendance(item);
  }

  async #import(): Promise<void> {
    const { importTimetable } = await import("../csv-import");
    if (await importTimetable()) void this.load();
  }

  protected override content(): TemplateResult {
    const { account } = session.get();
    const isToday = this.#day === today();
    const zone = zoneWords(Date.now());
    const plans = hasRole(account, "administrator", "teacher");
    const words = this.#error ? problemWords(this.#error) : null;
    return shell(
      "today",
      html`
        <div class="page-head">
          <div class="day-nav">
            <h1>${isToday ? t.today.title : html`<span class="num">${day(instant(this.#day, "12:00"))}</span>`}</h1>
            ${isToday ? html`<p class="muted num">${day(Date.now())} · ${clock(Date.now())}</p>` : nothing}
            ${zone ? html`<p class="small muted" data-zone>${zone}</p>` : nothing}
          </div>
          <div class="row">
            <button class="btn icon-only" aria-label=${t.today.previousDay} title=${t.today.previousDay} @click=${() => this.#go(-1)}>${icon(ChevronLeft)}</button>
            <button class="btn" ?disabled=${isToday} @click=${() => this.#go(null)}>${t.today.toToday}</button>
            <button class="btn icon-only" aria-label=${t.today.nextDay} title=${t.today.nextDay} @click=${() => this.#go(1)}>${icon(ChevronRight)}</button>
          </div>
          ${plans
            ? html`<div class="row">
                <button class="btn" @click=${() => void this.#import()}>${icon(Upload)}${t.today.import}</button>
                <button class="btn" @click=${() => void this.#create()}>${icon(Plus)}${t.today.create}</button>
              </div>`
            : nothing}
        </div>
        ${words ? wordsNote(words, { code: words.code, actions: html`<button class="btn" @click=${() => void this.load()}>${t.common.again}</button>` }) : nothing}
        ${this.#items === null ? (words ? nothing : this.#rows()) : this.#list(this.#items, isToday, plans)}
      `,
    );
  }

  #rows(): TemplateResult {
    return html`<div aria-hidden="true"><div class="skeleton hero-skeleton"></div>${[1, 2, 3].map(() => html`<div class="skeleton row-skeleton"></div>`)}</div>`;
  }

  #list(items: LessonItem[], isToday: boolean, plans: boolean): TemplateResult {
    if (items.length === 0) {
      return html`<div class="empty">
        ${icon(Coffee)}
        <h2>${t.today.none}</h2>
        <p>${plans ? t.today.noneLead : t.today.noneLeadViewer}</p>
        ${plans ? html`<button class="btn primary" @click=${() => void this.#create()}>${icon(Plus)}${t.today.create}</button>` : nothing}
      </div>`;
    }
    const next = isToday ? pickNext(items, Date.now()) : null;
    return html`
      ${isToday ? (next ? this.#hero(next) : html`<div class="note all-done">${icon(Coffee)}<p>${t.today.allDone}</p></div>`) : nothing}
      <ol class="lessons" aria-label=${t.today.title}>${repeat(items, (item) => item.id, (item) => this.#row(item))}</ol>
    `;
  }

  #hero(item: LessonItem): TemplateResult {
    const live = item.state === "live";
    const minutes = Math.round((item.starts - Date.now()) / 60_000);
    return html`<section class="next ${live ? "live" : ""}" aria-label=${live ? t.today.now : t.today.next}>
      <div class="about">
        <p class="when">
          ${live ? html`<span class="badge live"><span class="dot"></span>${t.today.live}</span>` : html`<span class="muted">${t.today.next}</span>`}
          <span class="num">${clock(item.starts)}–${clock(item.starts + item.duration_min * 60_000)}</span>
          ${live ? html`<span class="muted">${t.today.people(item.participants)}</span>` : html`<span class="muted num">${t.today.startsIn(minutes)}</span>`}
        </p>
        <h2>${item.title}</h2>
        <p class="muted">${[item.teacher, item.school, item.subject, item.grade].filter(Boolean).join(" · ")}</p>
      </div>
      ${this.#action(item, true)}
    </section>`;
  }

  #action(item: LessonItem, large = false): TemplateResult {
    const size = large ? "large" : "small";
    if (item.state === "over") {
      return item.recording ? html`<a class="btn ${size}" href="/watch/${item.recording}">${icon(MonitorPlay)}${t.today.watch}</a>` : html`<span class="muted small">${t.today.over}</span>`;
    }
    const label = item.mine ? (item.state === "live" ? t.today.back : t.today.start) : item.state === "live" ? t.today.join : t.today.enter;
    const primary = large ? "primary" : "";
    return html`<a class="btn ${primary} ${size}" href="/c/${item.code}">${large ? icon(item.mine ? Presentation : MonitorPlay) : nothing}${label}</a>`;
  }

  #row(item: LessonItem): TemplateResult {
    const { account } = session.get();
    const link = `${location.origin}/c/${item.code}`;
    const over = item.state === "over";
    const manages = item.mine || hasRole(account, "administrator");
    return html`<li class="lesson ${item.state}" data-state=${item.state}>
      <span class="time num">${clock(item.starts)}</span>
      <div class="what">
        <p class="title clip">${item.title}</p>
        <p class="small muted clip">${[item.teacher, item.school, item.subject, item.grade, t.common.minutes(item.duration_min)].filter(Boolean).join(" · ")}</p>
      </div>
      <span class="state">
        ${item.state === "live" ? html`<span class="badge live"><span class="dot"></span>${t.today.live}</span>` : nothing}
        ${item.mine && item.state !== "over" ? html`<span class="badge">${t.today.mine}</span>` : nothing}
        ${item.recording && item.state === "over" ? html`<span class="badge">${icon(CircleDot)}${t.today.recording}</span>` : nothing}
      </span>
      ${this.#action(item)}
      ${over && !manages
        ? html`<span class="gap"></span>`
        : html`<details class="menu">
            <summary class="btn quiet icon-only small" aria-label=${`${t.common.more}: ${item.title}`} title=${t.common.more}>${icon(Ellipsis)}</summary>
            <div class="panel">
              ${over
                ? html`${item.again ? html`<a class="menu-item" href="/c/${item.code}">${icon(RotateCcw)}${t.today.again}</a>` : nothing}
                    <button class="menu-item" data-closes @click=${() => void this.#attendance(item)}>${icon(UsersRound)}${t.attendance.title}</button>`
                : html`<button class="menu-item" data-closes @click=${() => void copyText(link)}>${icon(Link)}${t.today.copyLink}</button>
                    <button class="menu-item" data-closes @click=${() => void copyText(`${location.origin}/screen/${item.code}`)}>${icon(MonitorPlay)}${t.today.screenLink}</button>
                    ${manages || hasRole(account, "staff") ? html`<button class="menu-item" data-closes @click=${() => void this.#devices(item, manages)}>${icon(RadioTower)}${t.devices.title}</button>` : nothing}`}
            </div>
          </details>`}
    </li>`;
  }
}
define("page-today", PageToday);
