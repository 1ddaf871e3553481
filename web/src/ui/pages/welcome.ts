/** Choosing a password with the link of an invitation. The token stays in the fragment: it reaches no log. */
import { html, nothing, type TemplateResult } from "lit";
import { CircleCheck } from "lucide";
import { problemWords, t } from "../../i18n";
import { choosePassword } from "../../protocol/api";
import { loadSession, session } from "../../state/session";
import { icon } from "../icon";
import { go } from "../router";
import { settingsMenu } from "../shell";
import { define, View } from "../view";
import { wordsNote } from "../words";
import "../shell.css";
import "./sign-in.css";

const LENGTH_MIN = 10;

class PageWelcome extends View {
  #token = location.hash.slice(1);
  #password = "";
  #repeat = "";
  #busy = false;
  #done = false;
  #error: unknown = null;

  #submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (this.#password.length < LENGTH_MIN || this.#password !== this.#repeat) return;
    this.#busy = true;
    this.#error = null;
    this.requestUpdate();
    try {
      await choosePassword(this.#token, this.#password);
      history.replaceState(null, "", "/welcome");
      this.#done = true;
      await loadSession();
      if (session.get().phase === "in") go("/", true);
    } catch (error) {
      this.#error = error;
    }
    this.#busy = false;
    this.requestUpdate();
  };

  override render(): TemplateResult {
    document.title = `${t.welcome.title} · ${t.brand}`;
    const short = Math.max(0, LENGTH_MIN - this.#password.length);
    const mismatch = this.#repeat !== "" && this.#password !== this.#repeat;
    const words = this.#error ? problemWords(this.#error) : null;
    return html`<div class="corner">${settingsMenu()}</div>
      <main class="entry">
        <div class="hero"><img src="/icon.svg" alt="" width="56" height="56" /><h1>${t.welcome.title}</h1><p class="muted">${t.welcome.lead}</p></div>
        ${this.#done
          ? html`<div class="card"><div class="note good" role="status">${icon(CircleCheck)}<p>${t.welcome.done}</p></div><a class="btn primary large" href="/signin">${t.welcome.toSignIn}</a></div>`
          : html`<form class="card" @submit=${this.#submit}>
              <div class="field">
                <label for="new">${t.welcome.password}</label>
                <input class="input" id="new" type="password" autocomplete="new-password" required minlength=${LENGTH_MIN} maxlength="200" aria-describedby="rule" autofocus
                  @input=${(e: Event) => { this.#password = (e.target as HTMLInputElement).value; this.requestUpdate(); }} />
                <span id="rule" class="small muted">${this.#password !== "" && short > 0 ? t.welcome.tooShort(short) : t.welcome.rule}</span>
              </div>
              <div class="field">
                <label for="repeat">${t.welcome.repeat}</label>
                <input class="input" id="repeat" type="password" autocomplete="new-password" required maxlength="200" aria-invalid=${mismatch ? "true" : nothing}
                  @input=${(e: Event) => { this.#repeat = (e.target as HTMLInputElement).value; this.requestUpdate(); }} />
                ${mismatch ? html`<span class="fault">${t.welcome.mismatch}</span>` : nothing}
              </div>
              ${words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing}
              <button class="btn primary large" aria-busy=${this.#busy ? "true" : nothing} ?disabled=${this.#busy || short > 0 || this.#password !== this.#repeat}>${t.welcome.submit}</button>
            </form>`}
      </main>`;
  }
}
define("page-welcome", PageWelcome);
