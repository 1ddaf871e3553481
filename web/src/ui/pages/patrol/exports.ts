/** Exports of evidence: how far each is, the file, and how it is verified without this server. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Copy, Download, FileCheck2, Trash2, X } from "lucide";
import { problemWords, t } from "../../../i18n";
import { size } from "../../../i18n/format";
import { p } from "../../../i18n/patrol";
import type { ExportJob } from "../../../protocol/generated/index";
import * as patrol from "../../../protocol/patrol";
import { EMPTY_CATALOGUE, loadCatalogue, type Catalogue } from "../../../state/patrol/load";
import { notify } from "../../announce";
import { copyText } from "../../clipboard";
import { confirmDialog } from "../../dialog";
import { icon } from "../../icon";
import { Page } from "../../page";
import { patrolTabs } from "../../patrol/tabs";
import { clockS, lasting, stamp } from "../../patrol/words-of";
import { shell } from "../../shell";
import { vars } from "../../vars";
import { define } from "../../view";
import { wordsNote } from "../../words";

const running = (j: ExportJob): boolean => j.state === "waiting" || j.state === "running";

class PageExports extends Page {
  protected readonly section = "patrol";
  #jobs: ExportJob[] | null = null;
  #catalogue: Catalogue = EMPTY_CATALOGUE;
  #error: unknown = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  protected override named(): string {
    return p.exports.title;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.until(() => clearTimeout(this.#timer));
  }

  protected override async load(): Promise<void> {
    try {
      this.#jobs = await patrol.exports();
      this.#error = null;
      if (this.#catalogue === EMPTY_CATALOGUE) void loadCatalogue().then((c) => { this.#catalogue = c; this.requestUpdate(); }).catch(() => undefined);
    } catch (error) {
      this.#error = error;
    }
    this.requestUpdate();
    clearTimeout(this.#timer);
    if (this.isConnected) this.#timer = setTimeout(() => void this.load(), this.#jobs?.some(running) ? 1_500 : 15_000);
  }

  async #fetch(job: ExportJob): Promise<void> {
    try {
      const link = document.createElement("a");
      link.href = await patrol.exportUrl(job.id);
      link.download = "";
      link.click();
    } catch (error) {
      notify({ text: problemWords(error).what });
    }
  }

  async #remove(job: ExportJob): Promise<void> {
    if (job.state === "ready" && !(await confirmDialog(p.exports.removeTitle, p.exports.removeLead, [{ value: "yes", label: t.common.delete, danger: true }], t.common.cancel))) return;
    try {
      await patrol.cancelExport(job.id);
      await this.load();
    } catch (error) {
      notify({ text: problemWords(error).what });
    }
  }

  protected override content(): TemplateResult {
    const words = this.#error ? problemWords(this.#error) : null;
    return shell("patrol", html`${patrolTabs("exports")}
      <div class="page-head"><h1>${p.exports.title}</h1><a class="btn primary" href="/patrol/timeline">${p.exports.fromTimeline}</a></div>
      ${words ? wordsNote(words, { code: words.code, actions: html`<button class="btn" @click=${() => void this.load()}>${t.common.again}</button>` }) : nothing}
      ${this.#jobs === null
        ? words ? nothing : html`<div aria-hidden="true">${[1, 2, 3].map(() => html`<div class="skeleton line-skeleton"></div>`)}</div>`
        : this.#jobs.length === 0
          ? html`<div class="empty">${icon(FileCheck2)}<h2>${p.exports.none}</h2><p>${p.exports.noneLead}</p></div>`
          : html`<ul class="jobs">${repeat(this.#jobs, (j) => j.id, (j) => this.#row(j))}</ul>`}
      <section class="verify-hint note"><div><p><strong>${p.exports.verifyTitle}</strong></p><p>${p.exports.verifyLead}</p>
        <p class="with-copy"><code class="command">lectern evidence verify evidence.zip</code><button class="btn small icon-only" aria-label=${t.common.copy} title=${t.common.copy} @click=${() => void copyText("lectern evidence verify evidence.zip")}>${icon(Copy)}</button></p></div></section>`, true);
  }

  #row(j: ExportJob): TemplateResult {
    const names = j.cameras.map((id) => this.#catalogue.byId.get(id)?.name ?? "…").join("、");
    return html`<li class="job" data-state=${j.state} data-export=${j.id}>
      <div class="job-what"><strong>${j.reason}</strong><span class="small muted">${names}</span>
        <span class="small muted num">${stamp(j.from)} – ${clockS(j.to)} (${lasting(j.to - j.from)})</span>
        <span class="tiny muted num">${p.exports.askedBy(j.by)} ${stamp(j.created)}</span></div>
      <div class="job-state">
        ${running(j) ? html`<span class="progress" role="progressbar" aria-label=${p.exports.states[j.state]} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(j.progress / 10)} ${vars({ "--done": j.progress / 1_000 })}><span></span></span><span class="small num">${p.exports.states[j.state]} ${Math.floor(j.progress / 10)}% · ${size(j.bytes)}</span>` : nothing}
        ${j.state === "ready" ? html`<span class="small num">${size(j.bytes)}${j.gaps > 0 ? ` · ${p.exports.gaps(j.gaps)}` : ""}${j.expires ? ` · ${p.exports.expires(stamp(j.expires))}` : ""}</span>
          ${j.sha256 ? html`<span class="tiny muted" title="SHA-256"><code>SHA-256 ${j.sha256.slice(0, 16)}…</code> <button class="btn quiet small icon-only" aria-label=${`${t.common.copy} SHA-256`} title=${t.common.copy} @click=${() => void copyText(j.sha256 ?? "")}>${icon(Copy)}</button></span>` : nothing}` : nothing}
        ${j.state === "failed" ? html`<span class="small warn-text">${p.exports.failures[j.detail ?? ""] ?? p.exports.states.failed} ${j.detail ? html`<code class="tiny muted">${j.detail}</code>` : nothing}</span>` : nothing}
        ${j.state === "cancelled" ? html`<span class="small muted">${p.exports.states.cancelled}</span>` : nothing}
      </div>
      <div class="job-act">
        ${j.state === "ready" ? html`<button class="btn small primary" @click=${() => void this.#fetch(j)}>${icon(Download)}${p.exports.fetch}</button>` : nothing}
        <button class="btn quiet small icon-only" aria-label=${running(j) ? p.exports.cancel : t.common.delete} title=${running(j) ? p.exports.cancel : t.common.delete} @click=${() => void this.#remove(j)}>${icon(running(j) ? X : Trash2)}</button>
      </div>
    </li>`;
  }
}
define("page-exports", PageExports);
