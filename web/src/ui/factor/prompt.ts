/** The second factor is asked for: a code of the app, a recovery code, or a security key. Who has none sets one up at once. */
import { html, nothing } from "lit";
import { KeyRound, ShieldCheck } from "lucide";
import { problemWords, t } from "../../i18n";
import { p, usePatrolWords } from "../../i18n/patrol";
import type { FactorState } from "../../protocol/generated/index";
import * as patrol from "../../protocol/patrol";
import { openDialog } from "../dialog";
import { icon } from "../icon";
import { wordsNote } from "../words";
import { failedWords, keyWaits } from "./key-words";
import { useKey, keysSupported } from "./webauthn";
import "./factor.css";

export async function promptFactor(): Promise<boolean> {
  await usePatrolWords();
  let state: FactorState | null = null;
  try {
    state = await patrol.factor();
  } catch {
    // The question is asked all the same; its answer will say what is wrong.
  }
  if (state && !state.totp && state.keys.length === 0) {
    const { setUpFactor } = await import("./setup");
    return setUpFactor(true, state);
  }
  const asked = body(state);
  const done = await openDialog<FactorState>(asked.draw, "factor-dialog");
  asked.over();
  return done !== null;
}

function body(state: FactorState | null): { draw: Parameters<typeof openDialog<FactorState>>[0]; over: () => void } {
  let words: ReturnType<typeof problemWords> | null = null;
  let busy = false;
  let waiting: AbortController | null = null;
  let attempts = 0;
  const draw: Parameters<typeof openDialog<FactorState>>[0] = (close, update) => {
    const attempt = async (by: "code" | "key", show: () => Promise<FactorState>): Promise<void> => {
      // A code that is typed while the key is awaited is meant instead of it.
      if (busy && !(waiting && by === "code")) return;
      waiting?.abort();
      waiting = null;
      const mine = ++attempts;
      busy = true;
      words = null;
      update();
      let done: FactorState | null = null;
      try {
        done = await show();
      } catch (e) {
        if (mine === attempts) words = by === "key" ? failedWords(e) : problemWords(e);
      }
      // A key that was touched at the last moment did it all the same; whatever else it says is of no interest any more.
      if (mine !== attempts) return done ? close(done) : undefined;
      busy = false;
      waiting = null;
      if (done) return close(done);
      update();
      if (by === "code") document.querySelector<HTMLInputElement>("#fa-code")?.select();
      else document.querySelector<HTMLElement>(".factor .use-key")?.focus();
    };
    const submit = (event: Event): void => {
      event.preventDefault();
      const code = String(new FormData(event.target as HTMLFormElement).get("code") ?? "").replaceAll(/[\s-]/g, "");
      if (code) void attempt("code", () => patrol.showCode(code));
      else if (keys) key();
    };
    const key = (): void => {
      const stop = new AbortController();
      void attempt("key", async () => {
        waiting = stop;
        update();
        return patrol.showKey(await useKey(await patrol.keyChallenge(), stop.signal));
      });
    };
    const keys = state !== null && state.keys.length > 0 && keysSupported();
    const app = state === null || state.totp;
    const codes = app || (state?.recovery_left ?? 0) > 0;
    // A key is one touch: where there is one and no app, it is what is meant, and the recovery code is the way around it.
    const keyFirst = keys && !app;
    const useIt = html`<button type="button" class="btn use-key ${keyFirst ? "primary" : ""}" ?autofocus=${keyFirst} @click=${key}>${icon(KeyRound)}${p.factor.useKey}</button>`;
    return html`<form class="dialog-body factor" @submit=${submit}>
      <span class="shield">${icon(ShieldCheck)}</span>
      <h2>${p.factor.title}</h2>
      <p class="muted">${p.factor.lead}</p>
      ${waiting ? keyWaits(waiting) : keyFirst ? useIt : nothing}
      ${codes
        ? html`<div class="field"><label for="fa-code">${app ? p.factor.code : p.factor.recoveryCode}</label>
            <input class="input code num" id="fa-code" name="code" inputmode=${app ? "numeric" : "text"} autocomplete="one-time-code" ?autofocus=${!keyFirst} ?required=${!keyFirst} maxlength="40" spellcheck="false" autocapitalize="none" /></div>
            ${app ? html`<p class="small muted">${p.factor.recoveryHint}</p>` : nothing}`
        : nothing}
      ${!keys && state && state.keys.length > 0 ? html`<p class="small muted">${p.factor.keyUnsupported}</p>` : nothing}
      ${words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing}
      ${keys && !keyFirst && !waiting ? useIt : nothing}
      <div class="dialog-actions"><button type="button" class="btn" @click=${() => close(null)}>${t.common.cancel}</button>
        ${codes ? html`<button class="btn ${keyFirst ? "" : "primary"}" aria-busy=${busy && !waiting ? "true" : nothing}>${p.factor.submit}</button>` : nothing}</div>
    </form>`;
  };
  // Whoever closes the dialog does not go on asking the key.
  return { draw, over: () => waiting?.abort() };
}
