/** Signing in. A pupil with a class code needs no account and finds the way from here, too. */
import { html, nothing, type TemplateResult } from "lit";
import { Eye, EyeOff } from "lucide";
import { problemWords, t } from "../../i18n";
import { loadSession, session, signIn } from "../../state/session";
import { icon } from "../icon";
import { go } from "../router";
import { settingsMenu } from "../shell";
import { define, View } from "../view";
import { wordsNote } from "../words";
import "../shell.css";
import "./sign-in.css";

class PageSignIn extends View {
  #busy = false;
  #visible = false;
  #error: unknown = null;

  override connectedCallback(): void {
    super.connectedCallback();
    this.watch(session);
    void loadSession();
  }

  override firstUpdated(): void {
    this.querySelector<HTMLInputElement>("#login")?.focus();
  }

  #next(): string {
    const next = new URLSearchParams(location.search).get("next") ?? "/";
    return next.startsWith("/") && !next.startsWith("//") ? next : "/";
  }

  #submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    this.#busy = true;
    this.#error = null;
    this.requestUpdate();
    try {
      await signIn(String(form.get("login")).trim(), String(form.get("password")));
      go(this.#next(), true);
    } catch (error) {
      this.#error = error;
      this.#busy = false;
      this.requestUpdate();
      await this.updateComplete;
      this.querySelector<HTMLInputElement>("#password")?.select();
    }
  };

  #toClass = (event: Event): void => {
    event.preventDefault();
    const text = String(new FormData(event.target as HTMLFormElement).get("code")).trim();
    // People paste the whole link as often as the code.
    const code = /\/c\/([^/?#\s]+)/.exec(text)?.[1] ?? text.replaceAll(/[\s-]/g, "");
    if (code) go(`/c/${encodeURIComponent(code)}`);
  };

  override render(): TemplateResult {
    document.title = `${t.signIn.title} · ${t.brand}`;
    if (session.get().phase === "in" && !this.#busy) queueMicrotask(() => go(this.#next(), true));
    const words = this.#error ? problemWords(this.#error) : null;
    return html`<div class="corner">${settingsMenu()}</div>
      <main class="entry">
        <div class="hero"><img src="/icon.svg" alt="" width="56" height="56" /><h1>${t.brand}</h1><p class="muted">${t.signIn.lead}</p></div>
        <form class="card" @submit=${this.#submit} aria-label=${t.signIn.title}>
          <div class="field">
            <label for="login">${t.signIn.login}</label>
            <input class="input" id="login" name="login" autocomplete="username" autocapitalize="none" spellcheck="false" required maxlength="64" />
          </div>
          <div class="field">
            <label for="password">${t.signIn.password}</label>
            <div class="with-button">
              <input class="input" id="password" name="password" type=${this.#visible ? "text" : "password"} autocomplete="current-password" required maxlength="200" />
              <button type="button" class="btn quiet icon-only" aria-label=${this.#visible ? t.signIn.hide : t.signIn.show} title=${this.#visible ? t.signIn.hide : t.signIn.show}
                @click=${() => { this.#visible = !this.#visible; this.requestUpdate(); }}>${icon(this.#visible ? EyeOff : Eye)}</button>
            </div>
          </div>
          ${words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing}
          <button class="btn primary large" aria-busy=${this.#busy ? "true" : nothing} ?disabled=${this.#busy}>${this.#busy ? t.signIn.busy : t.signIn.submit}</button>
          <p class="small muted">${t.signIn.forgot}</p>
        </form>
        <form class="code" @submit=${this.#toClass}>
          <label for="code"><strong>${t.signIn.haveCode}</strong></label>
          <div class="row">
            <input class="input" id="code" name="code" placeholder=${t.signIn.codeLabel} aria-label=${t.signIn.codeLabel} autocomplete="off" autocapitalize="none" spellcheck="false" required maxlength="200" />
            <button class="btn">${t.signIn.codeGo}</button>
          </div>
        </form>
      </main>`;
  }
}
define("page-sign-in", PageSignIn);
