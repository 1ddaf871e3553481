/** Imports a timetable: all lines or none, each fault named with its line and column. Resolves with whether any was made. */
import { html, nothing } from "lit";
import { Download } from "lucide";
import { problemWords, t } from "../i18n";
import * as api from "../protocol/api";
import type { ImportResult } from "../protocol/generated/index";
import { notify } from "./announce";
import { openDialog } from "./dialog";
import { icon } from "./icon";
import { wordsNote } from "./words";
import "./class-form.css";

export async function importTimetable(): Promise<boolean> {
  let result: ImportResult | null = null;
  let error: unknown = null;
  let busy = false;
  const done = await openDialog<boolean>((close, update) => {
    const submit = async (event: Event): Promise<void> => {
      event.preventDefault();
      const file = new FormData(event.target as HTMLFormElement).get("file");
      if (!(file instanceof File) || busy) return;
      busy = true;
      error = result = null;
      update();
      try {
        result = await api.importClasses(file);
        if (result.errors.length === 0) {
          notify({ text: t.csv.created(result.created) });
          close(true);
        }
      } catch (e) {
        error = e;
      }
      busy = false;
      update();
    };
    const words = error ? problemWords(error) : null;
    return html`<form class="dialog-body" @submit=${submit}>
      <h2>${t.csv.title}</h2>
      <p class="muted">${t.csv.lead}</p>
      <p><a class="btn small" href=${api.templateUrl} download>${icon(Download)}${t.csv.template}</a></p>
      <div class="field"><label for="f-file">${t.csv.choose}</label><input class="input" id="f-file" type="file" name="file" accept=".csv,text/csv" required /></div>
      ${words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing}
      ${result && result.errors.length > 0
        ? html`<div class="note bad" role="alert"><div><p><strong>${t.csv.nothing}</strong></p>
            <ul class="csv-errors small">${result.errors.map((e) => html`<li><span class="num">${t.csv.line(e.line)}</span> · ${e.column ? `“${e.column}” ` : ""}${t.csv.errors[e.code] ?? e.detail}</li>`)}</ul></div></div>`
        : nothing}
      <div class="dialog-actions">
        <button type="button" class="btn" @click=${() => close(null)}>${t.common.cancel}</button>
        <button class="btn primary" aria-busy=${busy ? "true" : nothing}>${t.csv.submit}</button>
      </div>
    </form>`;
  }, "wide-dialog");
  return done === true;
}
