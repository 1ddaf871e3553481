/** Changing one's own password. All other sessions of the account end with it; this one goes on. */
import { html, nothing } from "lit";
import { problemWords, t } from "../i18n";
import { changePassword } from "../protocol/api";
import { ApiError } from "../protocol/http";
import { notify } from "./announce";
import { openDialog } from "./dialog";
import { wordsNote } from "./words";

const LENGTH_MIN = 10;

export async function editPassword(login: string): Promise<void> {
  let error: unknown = null;
  let busy = false;
  let differ = false;
  await openDialog<true>((close, update) => {
    const submit = async (event: Event): Promise<void> => {
      event.preventDefault();
      if (busy) return;
      const form = new FormData(event.target as HTMLFormElement);
      differ = form.get("new") !== form.get("repeat");
      busy = !differ;
      error = null;
      update();
      if (differ) return;
      try {
        await changePassword(String(form.get("old")), String(form.get("new")));
        notify({ text: t.password.done });
        close(true);
      } catch (e) {
        error = e;
        busy = false;
        update();
      }
    };
    const wrong = error instanceof ApiError && error.field === "old";
    const problem = error ? problemWords(error) : null;
    const words = wrong ? { ...t.password.wrong, code: undefined } : problem;
    return html`<form class="dialog-body" @submit=${submit}>
      <h2>${t.password.title}</h2>
      <input type="text" name="login" autocomplete="username" .value=${login} hidden />
      <div class="field"><label for="pw-old">${t.password.old}</label><input class="input" id="pw-old" name="old" type="password" autocomplete="current-password" required maxlength="200" autofocus aria-invalid=${wrong ? "true" : nothing} /></div>
      <div class="field"><label for="pw-new">${t.welcome.password}</label><input class="input" id="pw-new" name="new" type="password" autocomplete="new-password" required minlength=${LENGTH_MIN} maxlength="200" aria-describedby="pw-rule" />
        <span id="pw-rule" class="small muted">${t.welcome.rule}</span></div>
      <div class="field"><label for="pw-repeat">${t.welcome.repeat}</label><input class="input" id="pw-repeat" name="repeat" type="password" autocomplete="new-password" required maxlength="200" aria-invalid=${differ ? "true" : nothing} />
        ${differ ? html`<span class="fault" role="alert">${t.welcome.mismatch}</span>` : nothing}</div>
      ${words ? wordsNote(words, { tone: "bad", ...(words.code ? { code: words.code } : {}) }) : nothing}
      <div class="dialog-actions">
        <button type="button" class="btn" @click=${() => close(null)}>${t.common.cancel}</button>
        <button class="btn primary" aria-busy=${busy ? "true" : nothing}>${t.password.submit}</button>
      </div>
    </form>`;
  });
}
