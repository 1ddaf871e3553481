/** Imports the cameras of a site: tried first, then all lines or none. */
import { html, nothing } from "lit";
import { Download } from "lucide";
import { language, problemWords, t } from "../../i18n";
import { p } from "../../i18n/patrol";
import type { ImportResult, Place, PlaceId } from "../../protocol/generated/index";
import * as patrol from "../../protocol/patrol";
import { notify } from "../announce";
import { openDialog } from "../dialog";
import { icon } from "../icon";
import { wordsNote } from "../words";
import "../class-form.css";

export async function importCameras(places: readonly Place[], place: PlaceId): Promise<boolean> {
  let result: ImportResult | null = null;
  let error: unknown = null;
  let busy = false;
  let at = place;
  const done = await openDialog<boolean>((close, update) => {
    const send = async (form: HTMLFormElement, dryRun: boolean): Promise<void> => {
      const file = new FormData(form).get("file");
      if (busy || !form.reportValidity() || !(file instanceof File)) return;
      busy = true;
      error = result = null;
      update();
      try {
        result = await patrol.importCameras(at, file, dryRun);
        if (!dryRun && result.errors.length === 0) {
          notify({ text: p.importing.created(result.created) });
          return close(true);
        }
      } catch (e) {
        error = e;
      }
      busy = false;
      update();
    };
    const words = error ? problemWords(error) : null;
    const form = (e: Event): HTMLFormElement => (e.target as Element).closest("form") as HTMLFormElement;
    return html`<form class="dialog-body" @submit=${(e: Event) => { e.preventDefault(); void send(e.target as HTMLFormElement, false); }}>
      <h2>${p.importing.title}</h2>
      <p class="muted">${p.importing.lead}</p>
      <p><a class="btn small" href=${patrol.importTemplateUrl(language)} download>${icon(Download)}${t.csv.template}</a></p>
      <div class="field"><label for="ci-place">${p.importing.place}</label><select class="input" id="ci-place" @change=${(e: Event) => { at = (e.target as HTMLSelectElement).value; }}>${places.map((pl) => html`<option value=${pl.id} .selected=${pl.id === at}>${pl.name} (${t.levels[pl.level]})</option>`)}</select></div>
      <div class="field"><label for="ci-file">${t.csv.choose}</label><input class="input" id="ci-file" type="file" name="file" accept=".csv,text/csv" required @change=${() => { result = null; update(); }} /></div>
      ${words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing}
      ${result && result.errors.length === 0 ? html`<div class="note good" role="status"><p>${p.importing.dryGood(result.created)}</p></div>` : nothing}
      ${result && result.errors.length > 0
        ? html`<div class="note bad" role="alert"><div><p><strong>${t.csv.nothing}</strong></p>
            <ul class="csv-errors small">${result.errors.map((e) => html`<li><span class="num">${t.csv.line(e.line)}</span> · ${e.column ? `“${e.column}” ` : ""}${t.csv.errors[e.code] ?? p.importErrors[e.code] ?? e.detail}</li>`)}</ul></div></div>`
        : nothing}
      <div class="dialog-actions">
        <button type="button" class="btn start" aria-busy=${busy ? "true" : nothing} @click=${(e: Event) => void send(form(e), true)}>${p.importing.dry}</button>
        <button type="button" class="btn" @click=${() => close(null)}>${t.common.cancel}</button>
        <button class="btn primary" aria-busy=${busy ? "true" : nothing}>${p.importing.submit}</button>
      </div>
    </form>`;
  }, "wide-dialog");
  return done === true;
}
