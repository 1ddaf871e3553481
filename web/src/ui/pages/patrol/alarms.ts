/** Alarms as a list: what is open and nobody has taken on stands first. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { BellRing, Check, CircleCheck, Film, MessageSquare, SlidersHorizontal, UserRoundPlus, Webhook } from "lucide";
import { problemWords, t } from "../../../i18n";
import { p } from "../../../i18n/patrol";
import { isoDay, spanOfDay } from "../../../i18n/zone";
import type { AlarmItem, HealthFault, PlaceId } from "../../../protocol/generated/index";
import * as patrol from "../../../protocol/patrol";
import { EMPTY_CATALOGUE, homePlace, loadCatalogue, ownPlaces, type Catalogue } from "../../../state/patrol/load";
import { session } from "../../../state/session";
import { isUrgent } from "../../../state/patrol/wall";
import { icon } from "../../icon";
import { Page } from "../../page";
import { acknowledge, handle, saidElsewhere, takenOn } from "../../patrol/alarm-rail";
import { patrolTabs } from "../../patrol/tabs";
import { editThresholds, FAULTS } from "../../patrol/thresholds";
import { placeOptions } from "../../patrol/wall-dialogs";
import { editWebhooks } from "../../patrol/webhooks";
import { alarmWords, clockS, lasting, stamp } from "../../patrol/words-of";
import { shell } from "../../shell";
import { define, plainKey } from "../../view";
import { wordsNote } from "../../words";

const REFRESH_MS = 5_000;

class PageAlarms extends Page {
  protected readonly section = "patrol";
  #items: AlarmItem[] | null = null;
  #next: string | null = null;
  #open = 0;
  #error: unknown = null;
  #catalogue: Catalogue = EMPTY_CATALOGUE;
  #place: PlaceId | "" = "";
  #fault: HealthFault | "" = "";
  #onlyOpen = true;
  #date = "";
  #asking: AbortController | null = null;
  #paged = false;

  protected override named(): string {
    return this.#open > 0 ? `(${this.#open}) ${p.alarms.title}` : p.alarms.title;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const timer = setInterval(() => document.visibilityState === "visible" && !this.#asking && !this.#paged && void this.load(), REFRESH_MS);
    this.until(() => clearInterval(timer));
    // A acknowledges the newest: the same key as on the wall.
    this.on(document, "keydown", (event) => {
      if (!plainKey(event) || event.key.toLowerCase() !== "a") return;
      const newest = this.#items?.filter(isUrgent).sort((a, b) => b.since - a.since)[0];
      if (newest) void acknowledge(newest, (a) => this.#changed(a));
    });
  }

  protected override async load(more = false): Promise<void> {
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    const day = this.#date ? spanOfDay(this.#date) : undefined;
    try {
      const page = await patrol.alarms({ place: this.#place || undefined, open: this.#onlyOpen || undefined, from: day?.from, to: day?.to, after: more ? (this.#next ?? undefined) : undefined }, asking.signal);
      const known = new Set(more ? this.#items?.map((a) => a.id) : []);
      this.#items = more ? [...(this.#items ?? []), ...page.items.filter((a) => !known.has(a.id))] : page.items;
      this.#paged = more;
      this.#next = page.next;
      this.#open = page.open;
      this.#error = null;
    } catch (error) {
      if (asking.signal.aborted) return;
      this.#error = error;
    }
    this.#asking = null;
    this.requestUpdate();
    if (this.#catalogue === EMPTY_CATALOGUE && !this.#error) {
      void loadCatalogue().then((c) => { this.#catalogue = c; this.requestUpdate(); }).catch(() => undefined);
    }
  }

  #changed(alarm: AlarmItem): void {
    this.#items = this.#items?.map((a) => (a.id === alarm.id ? alarm : a)) ?? null;
    void this.load();
    this.requestUpdate();
  }

  #filter(change: () => void): void {
    change();
    this.#items = null;
    this.#paged = false;
    this.requestUpdate();
    void this.load();
  }

  protected override content(): TemplateResult {
    const words = this.#error ? problemWords(this.#error) : null;
    const items = this.#items?.filter((a) => this.#fault === "" || a.fault === this.#fault) ?? null;
    const place = this.#catalogue.places.find((pl) => pl.id === this.#place) ?? homePlace(this.#catalogue.places, session.get().account);
    return shell("patrol", html`${patrolTabs("alarms")}
      <div class="page-head"><h1>${p.alarms.title} ${this.#open > 0 ? html`<span class="badge live num">${p.alarms.openCount(this.#open)}</span>` : nothing}</h1>
        ${place ? html`<button class="btn" @click=${() => void editThresholds(place)}>${icon(SlidersHorizontal)}${p.thresholds.button}</button><button class="btn" @click=${() => void editWebhooks(ownPlaces(this.#catalogue.places, session.get().account))}>${icon(Webhook)}${p.webhooks.title}</button>` : nothing}</div>
      <div class="filters">
        <div class="segments"><label><input type="radio" name="open" .checked=${this.#onlyOpen} @change=${() => this.#filter(() => { this.#onlyOpen = true; })} />${p.alarms.onlyOpen}</label><label><input type="radio" name="open" .checked=${!this.#onlyOpen} @change=${() => this.#filter(() => { this.#onlyOpen = false; })} />${p.alarms.all}</label></div>
        <select class="input" aria-label=${p.cameras.place} @change=${(e: Event) => this.#filter(() => { this.#place = (e.target as HTMLSelectElement).value; })}><option value="">${p.audit.allPlaces}</option>${placeOptions(this.#catalogue.nodes).map((o) => html`<option value=${o.id} .selected=${o.id === this.#place}>${o.label}</option>`)}</select>
        <select class="input" aria-label=${p.alarms.fault} @change=${(e: Event) => { this.#fault = (e.target as HTMLSelectElement).value as HealthFault; this.requestUpdate(); }}><option value="">${p.alarms.allFaults}</option>${FAULTS.map((f) => html`<option value=${f}>${p.faults[f]}</option>`)}</select>
        <input class="input" type="date" aria-label=${p.timeline.date} .value=${this.#date} @change=${(e: Event) => this.#filter(() => { this.#date = (e.target as HTMLInputElement).value; })} />
      </div>
      ${words ? wordsNote(words, { code: words.code, actions: html`<button class="btn" @click=${() => void this.load()}>${t.common.again}</button>` }) : nothing}
      ${items === null
        ? words ? nothing : html`<div aria-hidden="true">${[1, 2, 3, 4].map(() => html`<div class="skeleton line-skeleton"></div>`)}</div>`
        : items.length === 0
          ? html`<div class="empty">${icon(CircleCheck)}<h2>${this.#onlyOpen ? p.alarms.calm : p.alarms.none}</h2><p>${p.alarms.noneLead}</p></div>`
          : html`<table class="dense compact alarms-table"><thead><tr><th>${p.alarms.fault}</th><th>${p.cameras.name}</th><th>${p.alarms.since}</th><th>${p.alarms.handled}</th><th><span class="sr">${t.people.actions}</span></th></tr></thead>
              <tbody>${repeat(items, (a) => a.id, (a) => this.#row(a))}</tbody></table>
            ${this.#next ? html`<p><button class="btn" @click=${() => void this.load(true)}>${t.library.more}</button></p>` : nothing}`}`, true);
  }

  #row(a: AlarmItem): TemplateResult {
    const now = Date.now();
    return html`<tr class=${isUrgent(a) ? "urgent" : a.until ? "faded" : ""} data-alarm=${a.id} data-open=${a.until === null}>
      <td><strong>${icon(BellRing)}${alarmWords(a)}</strong>${a.note ? html`<span class="small note-text">${a.note}</span>` : nothing}${saidElsewhere(a).map((said) => html`<span class="small note-text">${said}</span>`)}</td>
      <td>${a.camera_name} <span class="muted small">${a.place_name} · ${p.groups[a.group]}</span></td>
      <td class="num">${stamp(a.since)} <span class="muted small">${a.until ? p.alarms.over(clockS(a.until), lasting(a.until - a.since)) : p.alarms.still(lasting(now - a.since))}</span></td>
      <td class="small">${a.acknowledged_at ? html`${takenOn(a)} <span class="num muted">${clockS(a.acknowledged_at)}</span>` : a.handed_to ? nothing : html`<span class="muted">${takenOn(a)}</span>`}${a.handed_to ? html`<div>${p.alarms.handedTo(a.handed_to)}</div>` : nothing}</td>
      <td class="acts-cell">
        ${isUrgent(a) ? html`<button class="btn small primary" @click=${() => void acknowledge(a, (x) => this.#changed(x))}>${icon(Check)}${p.alarms.acknowledge}</button>` : nothing}
        <a class="btn quiet small icon-only" href=${`/patrol/timeline?cameras=${a.camera}&date=${isoDay(a.since)}&at=${a.since - 10_000}`} aria-label=${p.alarms.watch} title=${p.alarms.watch}>${icon(Film)}</a>
        <button class="btn quiet small icon-only" aria-label=${p.alarms.note} title=${p.alarms.note} @click=${() => void handle(a, "note", (x) => this.#changed(x))}>${icon(MessageSquare)}</button>
        <button class="btn quiet small icon-only" aria-label=${p.alarms.handOver} title=${p.alarms.handOver} @click=${() => void handle(a, "hand", (x) => this.#changed(x))}>${icon(UserRoundPlus)}</button>
      </td>
    </tr>`;
  }
}
define("page-alarms", PageAlarms);
