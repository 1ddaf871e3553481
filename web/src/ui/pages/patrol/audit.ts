/** Who looked at my site, when, how long: sums first, then every entry; the head of the chain stands small beside them. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Copy, Download, ScrollText, X } from "lucide";
import { problemWords, t } from "../../../i18n";
import { p } from "../../../i18n/patrol";
import { spanOfDay, today } from "../../../i18n/zone";
import type { AuditAction, AuditEntry, AuditPage, AuditSum, PlaceId } from "../../../protocol/generated/index";
import * as patrol from "../../../protocol/patrol";
import { EMPTY_CATALOGUE, homePlace, loadCatalogue, ownPlaces, type Catalogue } from "../../../state/patrol/load";
import { session } from "../../../state/session";
import * as api from "../../../protocol/api";
import { copyText } from "../../clipboard";
import { icon } from "../../icon";
import { Page } from "../../page";
import { patrolTabs } from "../../patrol/tabs";
import { clockS, lasting, stamp } from "../../patrol/words-of";
import { shell } from "../../shell";
import { define } from "../../view";
import { wordsNote } from "../../words";

class PageAudit extends Page {
  protected readonly section = "patrol";
  #catalogue: Catalogue = EMPTY_CATALOGUE;
  #page: AuditPage | null = null;
  #sums: AuditSum[] | null = null;
  #error: unknown = null;
  #sumError: unknown = null;
  #place: PlaceId | "" = "";
  #login = "";
  #camera = "";
  #action: AuditAction | "" = "";
  #from = today();
  #to = today();
  #asking: AbortController | null = null;

  protected override named(): string {
    return p.audit.title;
  }

  protected override async load(): Promise<void> {
    this.#error = null;
    try {
      this.#catalogue = await loadCatalogue();
    } catch {
      // Who reads the log need not see cameras: the places alone do.
      try {
        const places = await api.places();
        this.#catalogue = { ...EMPTY_CATALOGUE, places, roots: places.slice(0, 1) };
      } catch (error) {
        this.#error = error;
        return this.requestUpdate();
      }
    }
    this.#place ||= homePlace(this.#catalogue.places, session.get().account)?.id ?? "";
    this.requestUpdate();
    await this.#ask();
  }

  /** The file is for administrators and auditors; a site reads its log here. */
  #mayExport(): boolean {
    return session.get().account?.roles.some((r) => r.role === "administrator" || r.role === "audit_administrator") ?? false;
  }

  #range(): { from: number; to: number } {
    return { from: spanOfDay(this.#from).from, to: spanOfDay(this.#to < this.#from ? this.#from : this.#to).to };
  }

  async #ask(more = false): Promise<void> {
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    const { from, to } = this.#range();
    const wish = { place: this.#place || undefined, camera: this.#camera || undefined, login: this.#login || undefined, action: this.#action || undefined, from, to, after: more ? (this.#page?.next ?? undefined) : undefined };
    if (!more && this.#place) {
      void patrol.auditSum(this.#place, from, to, asking.signal)
        .then((sums) => { this.#sums = sums; this.#sumError = null; this.requestUpdate(); })
        .catch((error: unknown) => { if (!asking.signal.aborted) { this.#sumError = error; this.requestUpdate(); } });
    }
    try {
      const page = await patrol.audit(wish, asking.signal);
      const known = new Set(more ? this.#page?.items.map((e) => e.n) : []);
      this.#page = more && this.#page ? { ...page, items: [...this.#page.items, ...page.items.filter((e) => !known.has(e.n))] } : page;
      this.#error = null;
    } catch (error) {
      if (asking.signal.aborted) return;
      this.#error = error;
    }
    this.requestUpdate();
  }

  #filter(change: () => void): void {
    change();
    this.#page = null;
    this.requestUpdate();
    void this.#ask();
  }

  protected override content(): TemplateResult {
    const words = this.#error ? problemWords(this.#error) : null;
    const sumWords = this.#sumError ? problemWords(this.#sumError) : null;
    const { from, to } = this.#range();
    const value = (e: Event): string => (e.target as HTMLInputElement).value;
    return shell("patrol", html`${patrolTabs("audit")}
      <div class="page-head"><h1>${p.audit.title}</h1>${this.#mayExport() ? html`<a class="btn" href=${patrol.auditExportUrl(from, to, this.#place || undefined)} download>${icon(Download)}${p.audit.export}</a>` : nothing}</div>
      <div class="filters">
        <select class="input" aria-label=${p.cameras.place} @change=${(e: Event) => this.#filter(() => { this.#place = value(e); this.#sums = null; })}>${ownPlaces(this.#catalogue.places, session.get().account).map((pl) => html`<option value=${pl.id} .selected=${pl.id === this.#place}>${pl.name} (${t.levels[pl.level]})</option>`)}</select>
        <span class="dates"><input class="input" type="date" aria-label=${p.audit.from} .value=${this.#from} @change=${(e: Event) => this.#filter(() => { this.#from = value(e) || this.#from; if (this.#to < this.#from) this.#to = this.#from; this.#sums = null; })} /> – <input class="input" type="date" aria-label=${p.audit.to} .value=${this.#to} @change=${(e: Event) => this.#filter(() => { this.#to = value(e) || this.#to; this.#sums = null; })} /></span>
        <select class="input" aria-label=${p.audit.camera} @change=${(e: Event) => this.#filter(() => { this.#camera = value(e); })}><option value="">${p.audit.allCameras}</option>${this.#catalogue.cameras.map((c) => html`<option value=${c.id} .selected=${c.id === this.#camera}>${c.place_name} ${c.name}</option>`)}</select>
        <select class="input" aria-label=${p.audit.action} @change=${(e: Event) => this.#filter(() => { this.#action = value(e) as AuditAction; })}><option value="">${p.audit.allActions}</option>${(Object.keys(p.auditActions) as AuditAction[]).map((a) => html`<option value=${a} .selected=${a === this.#action}>${p.auditActions[a]}</option>`)}</select>
        <input class="input" type="search" placeholder=${p.audit.login} aria-label=${p.audit.login} .value=${this.#login} @change=${(e: Event) => this.#filter(() => { this.#login = value(e).trim(); })} />
      </div>
      ${words ? wordsNote(words, { code: words.code, actions: html`<button class="btn" @click=${() => void (this.#place ? this.#ask() : this.load())}>${t.common.again}</button>` }) : nothing}
      <section class="place-section"><h2>${p.audit.sumTitle}</h2>
        ${sumWords ? wordsNote(sumWords, { code: sumWords.code }) : this.#sums === null ? html`<div class="skeleton line-skeleton" aria-hidden="true"></div>` : this.#sums.length === 0 ? html`<p class="muted">${p.audit.nobody}</p>` : this.#sumTable(this.#sums)}</section>
      <section class="place-section"><h2>${p.audit.entries} ${this.#login ? html`<button class="btn small" @click=${() => this.#filter(() => { this.#login = ""; })}>${this.#login}${icon(X)}</button>` : nothing}</h2>
        ${this.#page === null
          ? words ? nothing : html`<div aria-hidden="true">${[1, 2, 3, 4].map(() => html`<div class="skeleton line-skeleton"></div>`)}</div>`
          : this.#page.items.length === 0
            ? html`<div class="empty">${icon(ScrollText)}<h2>${p.audit.none}</h2></div>`
            : html`<table class="dense compact audit-table"><thead><tr><th>#</th><th>${p.audit.when}</th><th>${p.audit.who}</th><th>${p.audit.action}</th><th>${p.audit.camera}</th><th>${p.audit.detail}</th></tr></thead>
                <tbody>${repeat(this.#page.items, (e) => e.n, entry)}</tbody></table>
              ${this.#page.next ? html`<p><button class="btn" @click=${() => void this.#ask(true)}>${t.library.more}</button></p>` : nothing}`}
      </section>
      ${this.#page ? html`<p class="chain-head tiny muted num">${p.audit.chain(this.#page.entries)} <code>${this.#page.head}</code><button class="btn quiet small icon-only" aria-label=${p.audit.copyHead} title=${p.audit.copyHead} @click=${() => void copyText(this.#page?.head ?? "")}>${icon(Copy)}</button><br />${p.audit.verify} <code>lectern audit verify</code></p>` : nothing}`, true);
  }

  #sumTable(sums: readonly AuditSum[]): TemplateResult {
    const most = Math.max(1, ...sums.map((s) => s.live_s + s.played_s));
    const bar = (s: AuditSum): TemplateResult => html`<meter class="share" min="0" max=${most} value=${s.live_s + s.played_s} aria-hidden="true"></meter>`;
    return html`<table class="dense compact"><thead><tr><th>${p.audit.who}</th><th>${p.audit.ofPlace}</th><th>${p.audit.live}</th><th>${p.audit.played}</th><th>${p.audit.exports}</th><th>${p.audit.last}</th></tr></thead>
      <tbody>${sums.map((s) => html`<tr><td><button class="linkish" @click=${() => this.#filter(() => { this.#login = s.login; })} title=${p.audit.onlyThis}><strong>${s.who}</strong> <span class="muted small">${s.login}</span></button></td><td>${s.of_place}</td>
        <td class="num" data-label=${p.audit.live}>${bar(s)} ${lasting(s.live_s * 1_000)}</td><td class="num" data-label=${p.audit.played}>${lasting(s.played_s * 1_000)}</td><td class="num" data-label=${p.audit.exports}>${s.exports}</td><td class="num" data-label=${p.audit.last}>${stamp(s.last)}</td></tr>`)}</tbody></table>`;
  }
}
define("page-audit", PageAudit);

function entry(e: AuditEntry): TemplateResult {
  const range = e.from !== null ? `${stamp(e.from)}${e.to !== null && e.to !== e.from ? `–${clockS(e.to)}` : ""}` : "";
  return html`<tr class=${e.action === "refused" || e.action === "factor_failed" || e.action === "sign_in_failed" ? "wrong" : ""} data-entry=${e.n} data-action=${e.action}>
    <td class="num muted">${e.n}</td><td class="num">${stamp(e.at)}</td>
    <td>${e.who || p.audit.server} <span class="muted tiny">${e.login} ${e.from_address}</span></td>
    <td>${p.auditActions[e.action]}${e.count > 1 ? html` <span class="badge warn num">×${e.count}</span>` : nothing}</td>
    <td>${e.camera_name} <span class="muted small">${e.place_name}</span></td>
    <td class="small num">${e.seconds !== null ? lasting(e.seconds * 1_000) : ""} ${range} ${e.detail ? html`<span class="muted" title=${e.detail}>${detailWords(e)}</span>` : nothing}</td></tr>`;
}

/** The reason of a refusal stands after what was asked for; that is for the title. */
function detailWords({ action, detail }: AuditEntry): string {
  const code = action === "refused" ? (detail.split(/:\s*/).at(-1) ?? detail) : detail;
  const [, rule, group = "", rest = ""] = /^(retention|thresholds) (\w+) ?(.*)$/.exec(code) ?? [];
  const groups: Record<string, string> = p.groups;
  if (rule === "retention") return p.auditRules.retention(groups[group] ?? group, rest === "removed" ? null : Number.parseInt(rest, 10));
  if (rule === "thresholds") return p.auditRules.thresholds(groups[group] ?? group, rest === "removed");
  if (/^clock confirmed -?\d+$/.test(code)) return p.auditRules.clock;
  const imported = /^imported (\d+)$/.exec(code)?.[1];
  return imported ? p.auditRules.imported(Number(imported)) : (p.auditDetails[code] ?? code);
}
