/** What is said while a security key is asked, and what when it did not do. */
import { html, type TemplateResult } from "lit";
import { KeyRound } from "lucide";
import { problemWords } from "../../i18n";
import { p } from "../../i18n/patrol";
import { icon } from "../icon";
import { keyFault } from "./webauthn";

export function failedWords(error: unknown): ReturnType<typeof problemWords> {
  const fault = keyFault(error);
  const { code } = problemWords(error);
  return fault === null ? problemWords(error) : { ...p.factor.keyProblems[fault], code: fault === "refused" ? code : "" };
}

/** The browser asks in a window of its own, or not at all: the page says what it waits for, and how to stop. */
export function keyWaits(asking: AbortController): TemplateResult {
  return html`<p class="key-waits" role="status">${icon(KeyRound)}<span>${p.factor.keyWaits}</span><button type="button" class="btn small" @click=${() => asking.abort()}>${p.factor.keyStop}</button></p>`;
}
