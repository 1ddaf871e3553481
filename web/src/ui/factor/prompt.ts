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
    return setUpFactor(true);
  }
  const done = await openDialog<FactorState>(body(state), "factor-dialog");
  return done !== null;
}

function body(state: FactorState | null): Parameters<typeof openDialog<FactorState>>[0] {
  let error: unknown = null;
  let busy = false;
  return (close, update) => {
    const attempt = async (show: () => Promise<FactorState>): Promise<void> => {
      if (busy) return;
      busy = true;
      error = null;
      update();
      try {
        close(await show());
      } catch (e) {
        // Somebody closed the browser's own question: nothing went wrong.
        error = (e as { name?: string }).name === "NotAllowedError" ? null : e;
        busy = false;
        update();
        document.querySelector<HTMLInputElement>("#fa-code")?.select();
      }
    };
    const submit = (event: Event): void => {
      event.preventDefault();
      const code = String(new FormData(event.target as HTMLFormElement).get("code")).replaceAll(/[\s-]/g, "");
      void attempt(() => patrol.showCode(code));
    };
    const key = (): void => void attempt(async () => patrol.showKey(await useKey(await patrol.keyChallenge())));
    const words = error ? problemWords(error) : null;
    const keys = state !== null && state.keys.length > 0 && keysSupported();
    return html`<form class="dialog-body factor" @submit=${submit}>
      <span class="shield">${icon(ShieldCheck)}</span>
      <h2>${p.factor.title}</h2>
      <p class="muted">${p.factor.lead}</p>
      ${state === null || state.totp
        ? html`<div class="field"><label for="fa-code">${p.factor.code}</label>
            <input class="input code num" id="fa-code" name="code" inputmode="numeric" autocomplete="one-time-code" autofocus required maxlength="40" spellcheck="false" autocapitalize="none" /></div>
            <p class="small muted">${p.factor.recoveryHint}</p>`
        : nothing}
      ${words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing}
      ${keys ? html`<button type="button" class="btn" @click=${key} aria-busy=${busy ? "true" : nothing}>${icon(KeyRound)}${p.factor.useKey}</button>` : nothing}
      <div class="dialog-actions"><button type="button" class="btn" @click=${() => close(null)}>${t.common.cancel}</button>
        ${state === null || state.totp ? html`<button class="btn primary" aria-busy=${busy ? "true" : nothing}>${p.factor.submit}</button>` : nothing}</div>
    </form>`;
  };
}
