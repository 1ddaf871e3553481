/** Hands administration over to three people (三员分立): system, security, audit. The asking account ends. */
import { html, nothing } from "lit";
import { problemWords, t } from "../../i18n";
import { p, usePatrolWords } from "../../i18n/patrol";
import type { Separation } from "../../protocol/generated/index";
import { endSeparation, separate, separation } from "../../protocol/patrol";
import { stamp } from "../patrol/words-of";
import { confirmDialog, openDialog } from "../dialog";
import { wordsNote } from "../words";

/** Resolves with whether it was done; the session is then over. */
export async function separateAdministrators(): Promise<boolean> {
  await usePatrolWords();
  const now = await separation().catch(() => null);
  if (now?.on) {
    await separated(now);
    return false;
  }
  let error: unknown = null;
  let same = false;
  let busy = false;
  const done = await openDialog<boolean>((close, update) => {
    const submit = async (event: Event): Promise<void> => {
      event.preventDefault();
      const form = new FormData(event.target as HTMLFormElement);
      const [system = "", security = "", audit = ""] = ["system", "security", "audit"].map((name) => String(form.get(name)).trim());
      same = new Set([system, security, audit].map((l) => l.toLowerCase())).size < 3;
      error = null;
      update();
      if (same || busy) return;
      const sure = await confirmDialog(p.separation.sureTitle, p.separation.sureLead(system, security, audit), [{ value: "yes", label: p.separation.submit, danger: true }], t.common.cancel);
      if (!sure) return;
      busy = true;
      update();
      try {
        await separate({ system, security, audit });
        close(true);
      } catch (e) {
        error = e;
        busy = false;
        update();
      }
    };
    const words = error ? problemWords(error) : null;
    const field = (name: "system" | "security" | "audit", focus = false) => html`<div class="field"><label for="sp-${name}">${p.separation[name]}</label><input class="input" id="sp-${name}" name=${name} required minlength="2" maxlength="64" placeholder=${p.separation.login} autocomplete="off" autocapitalize="none" spellcheck="false" ?autofocus=${focus} /></div>`;
    return html`<form class="dialog-body" @submit=${submit}>
      <h2>${p.separation.title}</h2><p>${p.separation.lead}</p>
      ${field("system", true)}${field("security")}${field("audit")}
      ${same ? html`<p class="note bad" role="alert">${p.separation.differ}</p>` : nothing}
      ${words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing}
      <div class="dialog-actions"><button type="button" class="btn" @click=${() => close(null)}>${t.common.cancel}</button><button class="btn danger" aria-busy=${busy ? "true" : nothing}>${p.separation.submit}</button></div>
    </form>`;
  });
  return done === true;
}

/** It is so already: shows since when, and lets two of the three end it together. */
async function separated(state: Separation): Promise<void> {
  let now = state;
  let error: unknown = null;
  await openDialog<void>((close, update) => {
    const end = async (): Promise<void> => {
      try {
        now = await endSeparation();
        error = null;
      } catch (e) {
        error = e;
      }
      update();
    };
    const words = error ? problemWords(error) : null;
    return html`<div class="dialog-body">
      <h2>${p.separation.title}</h2>
      ${now.since === null ? nothing : html`<p class="num">${p.separation.onSince(stamp(now.since))}</p>`}
      ${now.end_asked_by ? html`<p class="note warn">${p.separation.endAsked(now.end_asked_by)}</p>` : nothing}
      ${words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing}
      <div class="dialog-actions"><button class="btn start" ?disabled=${!now.on} @click=${() => void end()}>${now.end_asked_by ? p.separation.agree : p.separation.end}</button><button class="btn primary" autofocus @click=${() => close(null)}>${t.common.close}</button></div>
    </div>`;
  });
}
