/**
 * The base of every page for signed-in people. It loads once the server has said who one is, shows what stands in the way
 * until then, and tries by itself: an unattended classroom PC must find back after the server was away.
 */
import { html, type TemplateResult } from "lit";
import { t } from "../i18n";
import { loadSession, session } from "../state/session";
import { go } from "./router";
import { shell, type Section } from "./shell";
import { View } from "./view";
import { wordsNote } from "./words";

const RETRY_MS = 5_000;

export abstract class Page extends View {
  protected abstract readonly section: Section;
  #loaded = false;

  /** What the page needs from the server; called when one is known to be signed in. */
  protected abstract load(): Promise<void>;
  protected abstract content(): TemplateResult;
  protected abstract named(): string;
  /** Stands where the content will be. */
  protected skeleton(): TemplateResult {
    return html`<div aria-hidden="true">${[1, 2, 3].map(() => html`<div class="skeleton line-skeleton"></div>`)}</div>`;
  }
  protected wide = true;

  override connectedCallback(): void {
    super.connectedCallback();
    this.watch(session);
    this.until(session.subscribe(() => this.#enter()));
    const retry = setInterval(() => session.get().phase === "unreachable" && document.visibilityState === "visible" && void loadSession(), RETRY_MS);
    this.until(() => clearInterval(retry));
    void loadSession().then(() => this.#enter());
  }

  #enter(): void {
    if (!this.isConnected || this.#loaded || session.get().phase !== "in") return;
    this.#loaded = true;
    void this.load();
  }

  override render(): TemplateResult {
    document.title = `${this.named()} · ${t.brand}`;
    const { phase } = session.get();
    if (phase === "in") return this.content();
    if (phase === "out") leaveForSignIn();
    const words = phase === "unreachable" ? t.problems["offline"] : undefined;
    return shell(this.section, words ? wordsNote(words, { actions: html`<button class="btn" @click=${() => void loadSession()}>${t.common.again}</button>` }) : this.skeleton(), this.wide);
  }
}

/** Leads to the sign-in page, and back afterwards. What somebody is typing in a dialog is not taken away: it goes when they close it. */
function leaveForSignIn(): void {
  const open = [...document.querySelectorAll<HTMLDialogElement>("dialog[open]")].at(-1);
  const leave = (): void => {
    if (session.get().phase !== "out" || location.pathname === "/signin") return;
    const back = location.pathname + location.search;
    go(back === "/" ? "/signin" : `/signin?next=${encodeURIComponent(back)}`, true);
  };
  if (open) open.addEventListener("close", () => queueMicrotask(leave), { once: true });
  else queueMicrotask(leave);
}
