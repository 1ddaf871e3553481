/** How long recordings are kept, what that means for the disk, and what is held back from any rule. */
import { html, nothing, type TemplateResult } from "lit";
import { keyed } from "lit/directives/keyed.js";
import { Lock, Trash2, TriangleAlert } from "lucide";
import { problemWords, t } from "../../../i18n";
import { size } from "../../../i18n/format";
import { p } from "../../../i18n/patrol";
import type { CameraGroup, Hold, PatrolClock, Place, PlaceId, Retention, RetentionRule } from "../../../protocol/generated/index";
import { ApiError } from "../../../protocol/http";
import * as patrol from "../../../protocol/patrol";
import { EMPTY_CATALOGUE, homePlace, loadCatalogue, ownPlaces, type Catalogue } from "../../../state/patrol/load";
import { session } from "../../../state/session";
import { notify } from "../../announce";
import { confirmDialog } from "../../dialog";
import { icon } from "../../icon";
import { Page } from "../../page";
import { clockNote, readClock } from "../../patrol/clock-note";
import { patrolTabs } from "../../patrol/tabs";
import { GROUPS } from "../../patrol/wall-dialogs";
import { lasting, stamp } from "../../patrol/words-of";
import { shell } from "../../shell";
import { vars } from "../../vars";
import { define } from "../../view";
import { wordsNote } from "../../words";

/** What the list of holds has to be read again for: it says what has come of them. */
const STALE: readonly string[] = ["hold_changed", "release_failed"];

class PageRetention extends Page {
  protected readonly section = "patrol";
  #catalogue: Catalogue = EMPTY_CATALOGUE;
  #place: PlaceId | "" = "";
  #retention: Retention | null = null;
  #holds: Hold[] | null = null;
  #clock: PatrolClock | null = null;
  #error: unknown = null;
  #group: CameraGroup = "exam_room";

  protected override named(): string {
    return p.retention.title;
  }

  protected override async load(): Promise<void> {
    try {
      if (this.#catalogue === EMPTY_CATALOGUE) this.#catalogue = await loadCatalogue();
      this.#place ||= homePlace(this.#catalogue.places, session.get().account)?.id ?? "";
      if (this.#place) [this.#retention, this.#holds, this.#clock] = await Promise.all([patrol.retention(this.#place), patrol.holds(this.#place), readClock()]);
      this.#error = null;
    } catch (error) {
      this.#error = error;
    }
    this.requestUpdate();
  }

  async #do(work: () => Promise<unknown>, done: string): Promise<void> {
    try {
      await work();
      notify({ text: done });
      await this.load();
    } catch (error) {
      const { what, next } = problemWords(error);
      const stale = error instanceof ApiError && STALE.includes(error.code);
      notify({ text: stale ? `${what} ${next}` : what });
      // The list is from before: it shows what there is to be said now.
      if (stale) await this.load();
    }
  }

  #setRule = (event: Event): void => {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    const rule = { place: this.#place, group: this.#group, days: Math.round(Number(form.get("days"))) };
    void this.#change(rule.place, rule.group, rule.days, () => patrol.setRetention(rule));
  };

  #clear(rule: RetentionRule): void {
    const { rules = [], default_days = 0 } = this.#retention ?? {};
    const after = daysOf(this.#catalogue.places, rules.filter((r) => r !== rule), rule.place, rule.group, default_days);
    void this.#change(rule.place, rule.group, after, () => patrol.clearRetention(rule.place, rule.group));
  }

  /** Fewer days remove recordings for good, whether a rule is set or taken away. */
  async #change(place: PlaceId, group: CameraGroup, days: number, work: () => Promise<unknown>): Promise<void> {
    const before = this.#daysOf(place, group);
    if (days < before && !(await confirmDialog(p.retention.fewerTitle, p.retention.fewerLead(p.groups[group], before, days), [{ value: "yes", label: p.retention.fewerYes, danger: true }], t.common.cancel))) return;
    await this.#do(work, p.retention.saved);
  }

  #daysOf(place: PlaceId, group: CameraGroup): number {
    return daysOf(this.#catalogue.places, this.#retention?.rules ?? [], place, group, this.#retention?.default_days ?? 0);
  }

  async #release(hold: Hold): Promise<void> {
    const second = hold.release_asked_by !== null;
    const sure = await confirmDialog(
      second ? p.retention.agreeTitle : p.retention.askTitle,
      second ? p.retention.agreeLead(hold.release_asked_by ?? "") : p.retention.askLead,
      [{ value: "yes", label: second ? p.retention.agree : p.retention.ask, danger: second }], t.common.cancel,
    );
    if (sure) await this.#do(() => patrol.releaseHold(hold.id, second ? "agree" : "ask"), second ? p.retention.released : p.retention.asked);
  }

  protected override content(): TemplateResult {
    const words = this.#error ? problemWords(this.#error) : null;
    const r = this.#retention;
    const inForce = this.#place ? this.#daysOf(this.#place, this.#group) : 0;
    const full = r !== null && r.full_in_days !== null && r.full_in_days < r.default_days;
    return shell("patrol", html`${patrolTabs("retention")}
      <div class="page-head"><h1>${p.retention.title}</h1>
        <select class="input place-pick" aria-label=${p.cameras.place} @change=${(e: Event) => { this.#place = (e.target as HTMLSelectElement).value; this.#retention = this.#holds = null; this.requestUpdate(); void this.load(); }}>${ownPlaces(this.#catalogue.places, session.get().account).map((pl) => html`<option value=${pl.id} .selected=${pl.id === this.#place}>${pl.name} (${t.levels[pl.level]})</option>`)}</select></div>
      ${words ? wordsNote(words, { code: words.code, actions: html`<button class="btn" @click=${() => void this.load()}>${t.common.again}</button>` }) : nothing}
      ${clockNote(this.#clock, (clock) => { this.#clock = clock; this.requestUpdate(); }, true)}
      ${r === null ? (words ? nothing : html`<div class="skeleton line-skeleton" aria-hidden="true"></div>`) : html`
        <section class="place-section disk ${full ? "tight" : ""}"><h2>${p.retention.disk}</h2>
          <p class="num">${full ? icon(TriangleAlert) : nothing}<strong>${r.full_in_days === null ? p.retention.steady : p.retention.fullIn(r.full_in_days)}</strong> <span class="muted">${p.retention.usedFree(size(r.used_bytes), size(r.free_bytes))}</span></p>
          <span class="progress" aria-hidden="true" ${vars({ "--done": r.used_bytes / Math.max(1, r.used_bytes + r.free_bytes) })}><span></span></span></section>
        <section class="place-section"><h2>${p.retention.rules}</h2><p class="small muted">${p.retention.rulesLead(r.default_days)}</p>
          ${r.rules.length > 0 ? html`<table class="dense compact"><thead><tr><th>${p.cameras.place}</th><th>${p.cameras.group}</th><th>${p.retention.days}</th><th><span class="sr">${t.people.actions}</span></th></tr></thead><tbody>
            ${r.rules.map((rule) => html`<tr><td>${this.#catalogue.places.find((pl) => pl.id === rule.place)?.name ?? "—"}</td><td>${p.groups[rule.group]}</td><td class="num">${p.retention.daysN(rule.days)}</td><td class="act"><button class="btn quiet small icon-only" aria-label=${`${p.retention.clear}: ${p.groups[rule.group]}`} title=${p.retention.clear} @click=${() => this.#clear(rule)}>${icon(Trash2)}</button></td></tr>`)}</tbody></table>` : nothing}
          <form class="rule-form" @submit=${this.#setRule}><div class="field"><label for="rt-group">${p.cameras.group}</label><select class="input" id="rt-group" name="group" @change=${(e: Event) => { this.#group = (e.target as HTMLSelectElement).value as CameraGroup; this.requestUpdate(); }}>${GROUPS.map((g) => html`<option value=${g} .selected=${g === this.#group}>${p.groups[g]}</option>`)}</select></div>
            <div class="field"><label for="rt-days">${p.retention.days}</label>${keyed(`${this.#place} ${this.#group} ${inForce}`, html`<input class="input num" id="rt-days" name="days" type="number" min="1" max="3650" value=${inForce} required />`)}</div><button class="btn primary">${p.retention.set}</button></form></section>
        <section class="place-section"><h2>${p.retention.holds}</h2><p class="small muted">${p.retention.holdsLead}</p>
          ${this.#holds === null || this.#holds.length === 0 ? html`<p class="muted">${p.retention.noHolds}</p>` : html`<table class="dense compact holds"><thead><tr><th>${p.audit.camera}</th><th>${p.retention.range}</th><th>${p.retention.why}</th><th>${p.retention.by}</th><th><span class="sr">${t.people.actions}</span></th></tr></thead><tbody>${this.#holds.map((h) => this.#hold(h))}</tbody></table>`}</section>`}`, true);
  }

  #hold(h: Hold): TemplateResult {
    const camera = this.#catalogue.byId.get(h.camera);
    return html`<tr data-hold=${h.id}><td>${icon(Lock)} ${camera?.name ?? "…"} <span class="muted small">${camera?.place_name ?? ""}</span></td><td class="num">${stamp(h.from)} <span class="muted small">${lasting(h.to - h.from)}</span></td><td>${h.why}</td>
      <td>${h.by} <span class="muted small num">${stamp(h.at)}</span>${h.release_asked_by ? html`<br /><span class="badge warn">${p.retention.askedBy(h.release_asked_by)}</span>` : nothing}${h.release_failed ? html`<br /><span class="bad-text small" data-release="failed">${p.retention.releaseFailed(stamp(h.release_failed.at), h.release_failed.why)}</span>` : nothing}</td>
      <td class="acts-cell">${h.release_asked_by !== null ? html`<button class="btn small" @click=${() => void this.#do(() => patrol.keepHold(h.id), p.retention.kept)}>${p.retention.keep}</button>` : nothing}
        ${h.release_asked_by === null || h.may_release ? html`<button class="btn small ${h.release_asked_by ? "danger" : ""}" @click=${() => void this.#release(h)}>${h.release_asked_by ? p.retention.agree : p.retention.ask}</button>` : html`<span class="small muted">${p.retention.other}</span>`}</td></tr>`;
  }
}
define("page-retention", PageRetention);

/** How many days a rule keeps the cameras of a group at a place: the nearest one above them, or none. Pure. */
export function daysOf(places: readonly Pick<Place, "id" | "parent">[], rules: readonly RetentionRule[], place: PlaceId, group: CameraGroup, otherwise: number): number {
  const parents = new Map(places.map((pl) => [pl.id, pl.parent]));
  // A tree of places is seven levels deep; a circle would be a fault of the server.
  for (let at: PlaceId | null = place, depth = 0; at !== null && depth < 20; at = parents.get(at) ?? null, depth++) {
    const rule = rules.find((r) => r.place === at && r.group === group);
    if (rule) return rule.days;
  }
  return otherwise;
}
