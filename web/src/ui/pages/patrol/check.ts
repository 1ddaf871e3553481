/** The check of a site before an exam: one click, every camera green or why not, and a report to sign. */
import { html, nothing, type TemplateResult } from "lit";
import { CircleCheck, ClipboardCheck, Printer, TriangleAlert } from "lucide";
import { problemWords, t } from "../../../i18n";
import { size } from "../../../i18n/format";
import { p } from "../../../i18n/patrol";
import type { CheckedCamera, PlaceId, PreExamReport } from "../../../protocol/generated/index";
import * as patrol from "../../../protocol/patrol";
import { camerasBelow, findPlace, type PlaceNode } from "../../../state/patrol/catalogue";
import { loadCatalogue, type Catalogue } from "../../../state/patrol/load";
import { icon } from "../../icon";
import { Page } from "../../page";
import { patrolTabs } from "../../patrol/tabs";
import { placeOptions } from "../../patrol/wall-dialogs";
import { findingWords, lasting, stamp } from "../../patrol/words-of";
import { shell } from "../../shell";
import { define } from "../../view";
import { wordsNote } from "../../words";

class PageCheck extends Page {
  protected readonly section = "patrol";
  #catalogue: Catalogue | null = null;
  #place: PlaceId = "";
  #error: unknown = null;
  #report: PreExamReport | null = null;
  #running: AbortController | null = null;
  #since = 0;

  protected override named(): string {
    return p.check.title;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.every(1_000);
    this.until(() => this.#running?.abort());
  }

  protected override async load(): Promise<void> {
    try {
      this.#catalogue = await loadCatalogue();
      this.#error = null;
      const site = this.#catalogue.places.find((pl) => pl.level === "exam_site" && findPlace(this.#catalogue?.nodes ?? [], pl.id));
      this.#place ||= site?.id ?? this.#catalogue.nodes[0]?.place.id ?? "";
    } catch (error) {
      this.#error = error;
    }
    this.requestUpdate();
  }

  async #check(): Promise<void> {
    if (this.#running) return;
    const running = (this.#running = new AbortController());
    this.#since = Date.now();
    this.#error = null;
    this.requestUpdate();
    try {
      this.#report = await patrol.checkSite(this.#place, running.signal);
    } catch (error) {
      if (!running.signal.aborted) this.#error = error;
    }
    this.#running = null;
    this.requestUpdate();
  }

  protected override content(): TemplateResult {
    const words = this.#error ? problemWords(this.#error) : null;
    const nodes: readonly PlaceNode[] = this.#catalogue?.nodes ?? [];
    const count = findPlace(nodes, this.#place)?.total ?? 0;
    return shell("patrol", html`${patrolTabs("check")}
      <div class="page-head no-print"><h1>${p.check.title}</h1></div>
      ${words ? wordsNote(words, { code: words.code, actions: html`<button class="btn" @click=${() => void (this.#catalogue ? this.#check() : this.load())}>${t.common.again}</button>` }) : nothing}
      ${this.#catalogue === null
        ? words ? nothing : html`<div class="skeleton line-skeleton" aria-hidden="true"></div>`
        : nodes.length === 0
          ? html`<div class="empty">${icon(ClipboardCheck)}<h2>${p.cameras.none}</h2><p>${p.check.noneLead}</p></div>`
          : html`<div class="check-form no-print">
              <div class="field"><label for="ck-place">${p.check.place}</label><select class="input" id="ck-place" @change=${(e: Event) => { this.#place = (e.target as HTMLSelectElement).value; this.#report = null; this.requestUpdate(); }}>${placeOptions(nodes).map((o) => html`<option value=${o.id} .selected=${o.id === this.#place}>${o.label}</option>`)}</select></div>
              ${this.#running
                ? html`<div class="note" role="status"><div><p><strong>${p.check.running(count)}</strong> <span class="num">${lasting(Date.now() - this.#since)}</span></p><span class="progress endless"><span></span></span><div class="do"><button class="btn small" @click=${() => this.#running?.abort()}>${t.common.cancel}</button></div></div></div>`
                : html`<button class="btn primary large" ?disabled=${!this.#place} @click=${() => void this.#check()}>${icon(ClipboardCheck)}${this.#report ? p.check.again : p.check.start}</button>`}
              ${this.#report ? html`<button class="btn large" @click=${() => window.print()}>${icon(Printer)}${p.check.print}</button>` : nothing}
            </div>
            ${this.#report ? report(this.#report, nodes) : nothing}`}`, true);
  }
}
define("page-check", PageCheck);

/** As it is printed: a heading, what was found, a table, and who signs. */
function report(r: PreExamReport, nodes: readonly PlaceNode[]): TemplateResult {
  const all = r.green === r.cameras.length;
  const place = new Map(nodes.flatMap(camerasBelow).map((c, n): [string, number] => [c.id, n]));
  const rank = (c: CheckedCamera): number => place.get(c.camera) ?? place.size;
  const sorted = [...r.cameras].sort((a, b) => Number(a.green) - Number(b.green) || rank(a) - rank(b));
  return html`<article class="sheet" data-report=${all ? "green" : "red"}>
    <h2>${p.check.sheetTitle(r.place_name)}</h2>
    <p class="verdict ${all ? "good" : "bad"}">${icon(all ? CircleCheck : TriangleAlert)}<strong>${all ? p.check.allGreen(r.cameras.length) : p.check.notGreen(r.cameras.length - r.green, r.cameras.length)}</strong></p>
    <dl class="facts"><div><dt>${p.check.at}</dt><dd class="num">${stamp(r.at)}</dd></div><div><dt>${p.check.by}</dt><dd>${r.by}</dd></div>
      <div><dt>${p.check.disk}</dt><dd class="num">${size(r.free_bytes)}${r.hours_left === null ? "" : ` · ${p.check.hours(r.hours_left)}`}</dd></div></dl>
    <table class="dense sheet-table"><thead><tr><th>${p.check.number}</th><th>${p.cameras.name}</th><th>${p.cameras.place}</th><th>${p.cameras.group}</th><th>${p.check.result}</th></tr></thead>
      <tbody>${sorted.map((c, i) => row(c, i + 1))}</tbody></table>
    <p class="small muted">${p.check.items}</p>
    <div class="signatures"><p>${p.check.signInspector}</p><p>${p.check.signSite}</p><p>${p.check.signDate}</p></div>
  </article>`;
}

function row(c: CheckedCamera, n: number): TemplateResult {
  return html`<tr class=${c.green ? "" : "wrong"} data-camera=${c.camera} data-green=${c.green}><td class="num">${n}</td><td><strong>${c.name}</strong></td><td>${c.place_name}</td><td>${p.groups[c.group]}</td>
    <td>${c.green ? html`<span class="good-text">${icon(CircleCheck)}${p.check.green}</span>` : html`<ul class="findings">${c.wrong.map((f) => html`<li><strong>${findingWords(f)}</strong> <span class="small">${(f.fault ? p.faultAdvice[f.fault] : p.checkAdvice[f.item]) ?? nothing}</span></li>`)}</ul>`}</td></tr>`;
}
