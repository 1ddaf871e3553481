/** A failure on the page: what happened, what still works, what to do now with its button; the code small, to copy. */
import { html, nothing, type TemplateResult } from "lit";
import { TriangleAlert } from "lucide";
import { t } from "../i18n";
import type { Words } from "../i18n/en";
import { icon } from "./icon";

export interface WordsOptions {
  tone?: "warn" | "bad";
  code?: string;
  actions?: TemplateResult | typeof nothing;
}

export function wordsNote(words: Words, { tone = "warn", code, actions = nothing }: WordsOptions = {}): TemplateResult {
  return html`<div class="note ${tone}" role="alert">
    ${icon(TriangleAlert)}
    <div>
      <p><strong>${words.what}</strong></p>
      <p>${words.works} ${words.next}</p>
      ${code ? html`<p class="tiny muted">${t.common.code} <code>${code}</code></p>` : nothing}
      ${actions === nothing ? nothing : html`<div class="do">${actions}</div>`}
    </div>
  </div>`;
}
