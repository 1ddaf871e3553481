/** Hands administration over to three people (三员分立): system, security, audit. The asking account ends. */
import { html, nothing } from "lit";
import { problemWords, t } from "../../i18n";
import { p, usePatrolWords } from "../../i18n/patrol";
import { separate } from "../../protocol/patrol";
import { confirmDialog, openDialog } from "../dialog";
import { wordsNote } from "../words";

/** Resolves with whether it was done; the session is then over. */
export async function separateAdministrators(): Promise<boolean> {
  await usePatrolWords();
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
