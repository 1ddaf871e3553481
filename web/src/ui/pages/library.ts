/** The library: a search box that has the focus, results while typing, hit sentences with their moment. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Film, MonitorPlay, Search, X } from "lucide";
import { problemWords, t } from "../../i18n";
import { clock, day, size, span } from "../../i18n/format";
import * as api from "../../protocol/api";
import type { RecordingItem, RecordingPage } from "../../protocol/generated/index";
import { icon } from "../icon";
import { Page } from "../page";
import { shell } from "../shell";
import { define, typing } from "../view";
import { wordsNote } from "../words";
import { marked } from "../player/marked";
import { appended, refreshed } from "./library-pages";
import "./library.css";

const TYPING_MS = 180;
const REFRESH_MS = 5_000;
type Filter = "subject" | "teacher" | "school";
const FILTERS: Filter[] = ["subject", "teacher", "school"];

class PageLibrary extends Page {
  protected readonly section = "library";
  #query: api.RecordingQuery = {};
  #page: RecordingPage | null = null;
  #continue: RecordingItem[] = [];
  #busy = false;
  #error: unknown = null;
  #abort: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #focused = false;

  override connectedCallback(): void {
    super.connectedCallback();
    const params = new URLSearchParams(location.search);
    const q = params.get("q");
    if (q) this.#query.q = q;
    for (const f of FILTERS) {
      const value = params.get(f);
      if (value) this.#query[f] = value;
    }
    this.on(document, "keydown", (event) => {
      if (event.key === "/" && !typing(event)) {
        event.preventDefault();
        this.#field()?.focus();
      }
    });
    // A running lesson grows, a finished one appears. On a slow line an answer takes longer than this: one at a time.
    const refresh = setInterval(() => document.visibilityState === "visible" && !this.#abort && void this.#load(true), REFRESH_MS);
    this.until(() => clearInterval(refresh));
  }

  override updated(): void {
    // The field has the focus as soon as it is there (which is after the sign-in was confirmed), once.
    const field = this.#field();
    if (!field || this.#focused) return;
    this.#focused = true;
    field.focus({ preventScroll: true });
  }

  #field(): HTMLInputElement | null {
    return this.querySelector<HTMLInputElement>("#search");
  }

  protected override named(): string {
    return t.library.title;
  }

  protected override load(): Promise<void> {
    return this.#load();
  }

  async #load(quiet = false): Promise<void> {
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    this.#busy = !quiet;
    if (!quiet) this.requestUpdate();
    try {
      const page = await api.recordings(this.#query, abort.signal);
      this.#page = quiet ? refreshed(this.#page, page) : page;
      if (!this.#query.q && !FILTERS.some((f) => this.#query[f])) {
        this.#continue = page.items.filter((i) => (i.position_ms ?? 0) > 5_000 && (i.position_ms ?? 0) < i.duration_ms - 15_000).slice(0, 4);
      }
      this.#error = null;
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!quiet) this.#error = error;
    }
    this.#abort = null;
    this.#busy = false;
    this.requestUpdate();
  }

  /** The next page, in the place of a refresh that is under way. What is asked for meanwhile aborts it. */
  async #more(): Promise<void> {
    const page = this.#page;
    if (!page?.next || this.#busy) return;
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    this.#busy = true;
    this.requestUpdate();
    try {
      const next = await api.recordings({ ...this.#query, cursor: page.next }, abort.signal);
      this.#page = appended(page, next);
      this.#error = null;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#error = error;
    }
    this.#abort = null;
    this.#busy = false;
    this.requestUpdate();
  }

  #search(part: api.RecordingQuery): void {
    this.#query = { ...this.#query, ...part };
    const params = new URLSearchParams(Object.entries(this.#query).filter((e): e is [string, string] => Boolean(e[1])));
    history.replaceState(null, "", params.size > 0 ? `/library?${params}` : "/library");
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#load(), TYPING_MS);
    this.requestUpdate();
  }

  #arrows = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step === 0) return;
    const links = [...this.querySelectorAll<HTMLElement>("a.recording")];
    const at = links.indexOf(document.activeElement as HTMLElement);
    const next = at + step;
    if (next < 0) this.#field()?.focus();
    else links[next]?.focus();
    event.preventDefault();
  };

  protected override content(): TemplateResult {
    const words = this.#error ? problemWords(this.#error) : null;
    const searching = Boolean(this.#query.q) || FILTERS.some((f) => this.#query[f]);
    return shell(
      "library",
      html`<div class="library" @keydown=${this.#arrows}>
        <h1 class="sr">${t.library.title}</h1>
        <div class="search" role="search">
          ${icon(Search)}
          <input class="input" id="search" type="search" autocomplete="off" spellcheck="false" maxlength="200" aria-label=${t.common.search} placeholder=${t.library.placeholder} title=${t.library.keyboardHint}
            .value=${this.#query.q ?? ""} @input=${(e: Event) => this.#search({ q: (e.target as HTMLInputElement).value })} />
        </div>
        <div class="chips">
          ${FILTERS.map((f) => {
            const value = this.#query[f];
            return value ? html`<button class="chip" aria-label=${t.library.removeFilter(value)} @click=${() => this.#search({ [f]: "" })}>${t.library[f]}: ${value}${icon(X)}</button>` : nothing;
          })}
          <span class="muted small num" role="status">${searching && this.#page ? t.library.results(this.#page.total) : nothing}</span>
        </div>
        ${words ? wordsNote(words, { code: words.code, actions: html`<button class="btn" @click=${() => void this.#load()}>${t.common.again}</button>` }) : nothing}
        ${!searching && this.#continue.length > 0
          ? html`<section><h2>${t.library.continue}</h2><ul class="continue">${this.#continue.map((item) => html`<li>${this.#card(item)}</li>`)}</ul></section>`
          : nothing}
        ${this.#page === null ? (words ? nothing : this.skeleton()) : this.#list(this.#page, searching)}
      </div>`,
      true,
    );
  }

  protected override skeleton(): TemplateResult {
    return html`<div aria-hidden="true">${[1, 2, 3, 4, 5].map(() => html`<div class="skeleton row-skeleton"></div>`)}</div>`;
  }

  #list(page: RecordingPage, searching: boolean): TemplateResult {
    if (page.items.length === 0) {
      return html`<div class="empty">${icon(searching ? Search : Film)}<h2>${searching ? t.library.none : t.library.empty}</h2><p>${searching ? t.library.noneLead : t.library.emptyLead}</p></div>`;
    }
    return html`<section class=${this.#busy ? "busy" : ""}>
      ${searching ? nothing : html`<h2>${t.library.newest}</h2>`}
      <ul class="recordings">${repeat(page.items, (i) => i.id, (i) => html`<li>${this.#row(i)}</li>`)}</ul>
      ${page.next ? html`<button class="btn" aria-busy=${this.#busy ? "true" : nothing} @click=${() => void this.#more()}>${t.library.more}</button>` : nothing}
    </section>`;
  }

  #href(item: RecordingItem): string {
    return item.hit ? `/watch/${item.id}?t=${Math.floor(item.hit.at_ms / 1000)}` : `/watch/${item.id}`;
  }

  #card(item: RecordingItem): TemplateResult {
    const share = Math.min(1, (item.position_ms ?? 0) / Math.max(1, item.duration_ms));
    return html`<a class="card" href="/watch/${item.id}">
      <span class="clip title">${item.title}</span>
      <span class="small muted clip">${item.teacher} · ${t.library.left(span(item.duration_ms - (item.position_ms ?? 0)))}</span>
      <progress max="1" value=${share} aria-hidden="true"></progress>
    </a>`;
  }

  #row(item: RecordingItem): TemplateResult {
    const filter = (f: Filter, value: string): TemplateResult | typeof nothing =>
      value && value !== this.#query[f] ? html`<button class="facet" @click=${() => this.#search({ [f]: value })} title="${t.library.filters}: ${value}">${value}</button>` : value ? html`<span>${value}</span>` : nothing;
    return html`<article class="recording-row" data-recording=${item.id} data-status=${item.status}>
      <a class="recording" href=${this.#href(item)}>
        <span class="thumb">${icon(MonitorPlay)}<span class="num length">${span(item.duration_ms)}</span></span>
        <span class="title">${marked(item.title, this.#query.q)}
          ${item.status === "live" ? html`<span class="badge live"><span class="dot"></span>${t.library.live}</span>` : item.status === "partial" ? html`<span class="badge warn">${t.library.partial}</span>` : nothing}
        </span>
      </a>
      <p class="small muted facts">${filter("teacher", item.teacher)} ${filter("school", item.school)} ${filter("subject", item.subject)} ${item.grade ? html`<span>${item.grade}</span>` : nothing}</p>
      <p class="small muted num when"><span>${day(item.started)} ${clock(item.started)}</span><span>${size(item.size_bytes)}</span></p>
      ${item.hit ? html`<p class="hit small"><a href=${this.#href(item)}><span class="num">${span(item.hit.at_ms)}</span> ${marked(item.hit.text, this.#query.q)}</a></p>` : nothing}
    </article>`;
  }
}
define("page-library", PageLibrary);
