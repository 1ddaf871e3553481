/** The tree of places: nation, province, city, district, school, class. Add, rename, delete what is empty. */
import { html, nothing, type TemplateResult } from "lit";
import { Building2, Ellipsis, Pencil, Plus, Trash2 } from "lucide";
import { problemWords, t } from "../../i18n";
import * as api from "../../protocol/api";
import type { Place, PlaceLevel } from "../../protocol/generated/index";
import { manageTabs } from "../admin/tabs";
import { grow, levelsUnder, type Branch } from "../admin/tree";
import { notify } from "../announce";
import { openDialog } from "../dialog";
import { icon } from "../icon";
import { Page } from "../page";
import { shell } from "../shell";
import { define } from "../view";
import { wordsNote } from "../words";
import "../admin/admin.css";

class PagePlaces extends Page {
  protected readonly section = "admin";
  #places: Place[] | null = null;
  #error: unknown = null;

  protected override named(): string {
    return t.places.title;
  }

  protected override async load(): Promise<void> {
    try {
      this.#places = await api.places();
      this.#error = null;
    } catch (error) {
      this.#error = error;
    }
    this.requestUpdate();
  }

  /** Adds under `parent`, or renames `place`. */
  async #edit(parent: Place | null, place: Place | null): Promise<void> {
    const levels = parent ? levelsUnder(parent.level) : [];
    let error: unknown = null;
    const done = await openDialog<Place>((close, update) => {
      const submit = async (event: Event): Promise<void> => {
        event.preventDefault();
        const form = new FormData(event.target as HTMLFormElement);
        const name = String(form.get("name")).trim();
        try {
          close(place ? await api.renamePlace(place.id, name) : await api.createPlace({ parent: parent?.id ?? "", level: String(form.get("level")) as PlaceLevel, name }));
        } catch (e) {
          error = e;
          update();
        }
      };
      const words = error ? problemWords(error) : null;
      return html`<form class="dialog-body" @submit=${submit}>
        <h2>${place ? t.places.rename : t.places.under(parent?.name ?? "")}</h2>
        <div class="field"><label for="pl-name">${t.places.name}</label><input class="input" id="pl-name" name="name" required maxlength="100" autofocus value=${place?.name ?? ""} /></div>
        ${place ? nothing : html`<div class="field"><label for="pl-level">${t.places.level}</label><select class="input" id="pl-level" name="level">${levels.map((l) => html`<option value=${l}>${t.levels[l]}</option>`)}</select></div>`}
        ${words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing}
        <div class="dialog-actions"><button type="button" class="btn" @click=${() => close(null)}>${t.common.cancel}</button><button class="btn primary">${place ? t.common.save : t.places.add}</button></div>
      </form>`;
    });
    if (done) void this.load();
  }

  async #delete(place: Place): Promise<void> {
    try {
      await api.deletePlace(place.id);
      notify({
        text: t.places.deleted(place.name),
        ...(place.parent === null ? {} : { action: { label: t.common.undo, run: () => void api.createPlace({ parent: place.parent as string, level: place.level, name: place.name }).then(() => this.load()) } }),
      });
      await this.load();
    } catch (error) {
      const words = problemWords(error);
      notify({ text: `${words.what} ${words.next}` });
    }
  }

  protected override content(): TemplateResult {
    const words = this.#error ? problemWords(this.#error) : null;
    return shell(
      "admin",
      html`${manageTabs("places")}
        <div class="page-head"><h1>${t.places.title}</h1><p class="muted small">${t.places.lead}</p></div>
        ${words ? wordsNote(words, { code: words.code, actions: html`<button class="btn" @click=${() => void this.load()}>${t.common.again}</button>` }) : nothing}
        ${this.#places === null
          ? words ? nothing : html`<div aria-hidden="true">${[1, 2, 3].map(() => html`<div class="skeleton line-skeleton"></div>`)}</div>`
          : this.#places.length === 0
            ? html`<div class="empty">${icon(Building2)}<h2>${t.places.empty}</h2></div>`
            : html`<ul class="tree">${grow(this.#places).map((b) => this.#branch(b))}</ul>`}`,
      true,
    );
  }

  #branch({ place, children }: Branch): TemplateResult {
    return html`<li data-place=${place.id}>
      <div class="place">
        <span>${place.name}</span> <span class="badge">${t.levels[place.level]}</span>
        <span class="act">
          ${levelsUnder(place.level).length > 0 ? html`<button class="btn quiet icon-only small" aria-label=${t.places.under(place.name)} title=${t.places.create} @click=${() => void this.#edit(place, null)}>${icon(Plus)}</button>` : nothing}
          <details class="menu">
            <summary class="btn quiet icon-only small" aria-label=${`${t.common.more}: ${place.name}`}>${icon(Ellipsis)}</summary>
            <div class="panel">
              <button class="menu-item" data-closes @click=${() => void this.#edit(null, place)}>${icon(Pencil)}${t.places.rename}</button>
              ${place.parent !== null && children.length === 0 ? html`<button class="menu-item" data-closes @click=${() => void this.#delete(place)}>${icon(Trash2)}${t.common.delete}</button>` : nothing}
            </div>
          </details>
        </span>
      </div>
      ${children.length > 0 ? html`<ul>${children.map((b) => this.#branch(b))}</ul>` : nothing}
    </li>`;
  }
}
define("page-places", PagePlaces);
