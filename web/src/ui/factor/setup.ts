/** Setting up the second factor: an app by its QR code, security keys, recovery codes told once. */
import { html, nothing, type TemplateResult } from "lit";
import { Copy, KeyRound, LifeBuoy, Printer, ShieldCheck, Smartphone, Trash2 } from "lucide";
import { problemWords, t } from "../../i18n";
import { p, usePatrolWords } from "../../i18n/patrol";
import type { FactorState, TotpSetup } from "../../protocol/generated/index";
import * as patrol from "../../protocol/patrol";
import { notify } from "../announce";
import { copyText } from "../clipboard";
import { confirmDialog, openDialog } from "../dialog";
import { icon } from "../icon";
import { wordsNote } from "../words";
import { failedWords, keyWaits } from "./key-words";
import { keysSupported, makeKey } from "./webauthn";
import "./factor.css";

/** `needed`: it was asked for and there is none yet. Resolves with whether this session has shown one. `known`: asked for already. */
export async function setUpFactor(needed = false, known: FactorState | null = null): Promise<boolean> {
  await usePatrolWords();
  let state: FactorState | null = known;
  let totp: TotpSetup | null = null;
  let codes: string[] | null = null;
  let words: ReturnType<typeof problemWords> | null = null;
  let busy = false;
  let waiting: AbortController | null = null;
  let render = (): void => undefined;
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    if (busy) return;
    busy = true;
    words = null;
    render();
    try {
      await work();
    } catch (e) {
      words = waiting ? failedWords(e) : problemWords(e);
    }
    busy = false;
    waiting = null;
    render();
    focusFirst();
  };
  /** What comes first on each step takes the focus, unless it is somewhere on it already. */
  const focusFirst = (): void => {
    const dialog = [...document.querySelectorAll<HTMLDialogElement>("dialog.factor-dialog[open]")].at(-1);
    const at = document.activeElement;
    // On top of it lies another one, or somebody went on by hand.
    if (!dialog || (at !== null && at !== document.body && at !== dialog && !at.matches(".factor .leave-factor"))) return;
    dialog.querySelector<HTMLElement>("[autofocus]")?.focus();
  };
  const refresh = async (): Promise<void> => {
    state = await patrol.factor();
  };
  if (!known) void attempt(refresh);

  await openDialog<boolean>((close, update) => {
    render = update;
    const note = words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing;
    if (codes) return recovery(codes, () => { codes = null; render(); focusFirst(); });
    if (totp) {
      const confirm = (event: Event): void => {
        event.preventDefault();
        const code = String(new FormData(event.target as HTMLFormElement).get("code")).replaceAll(/\s/g, "");
        void attempt(async () => {
          codes = (await patrol.confirmTotp(code)).codes;
          totp = null;
          await refresh();
        });
      };
      return html`<form class="dialog-body factor" @submit=${confirm}>
        <h2>${p.factor.appTitle}</h2>
        <ol class="steps"><li>${p.factor.appStep1}</li><li>${p.factor.appStep2}
          <img class="qr" alt=${p.factor.qr} src=${`data:image/svg+xml,${encodeURIComponent(totp.qr_svg)}`} width="200" height="200" />
          <span class="with-copy"><input class="input" readonly aria-label=${p.factor.secret} value=${totp.secret} data-secret @focus=${(e: Event) => (e.target as HTMLInputElement).select()} /><button type="button" class="btn icon-only" aria-label=${t.common.copy} title=${t.common.copy} @click=${() => void copyText(totp?.secret ?? "")}>${icon(Copy)}</button></span></li>
          <li><label for="fa-first">${p.factor.appStep3}</label><input class="input code num" id="fa-first" name="code" inputmode="numeric" autocomplete="one-time-code" pattern="[0-9 ]{6,8}" required autofocus /></li></ol>
        ${note}
        <div class="dialog-actions"><button type="button" class="btn" @click=${() => { totp = null; render(); focusFirst(); }}>${t.common.cancel}</button><button class="btn primary" aria-busy=${busy ? "true" : nothing}>${p.factor.appConfirm}</button></div>
      </form>`;
    }
    const done = state !== null && (state.totp || state.keys.length > 0);
    const keyAlone = state !== null && !state.totp && state.keys.length > 0;
    const newCodes = html`<button class="btn small new-codes" ?disabled=${waiting !== null} @click=${() => void attempt(async () => { codes = (await patrol.newRecoveryCodes()).codes; await refresh(); })}>${p.factor.newCodes}</button>`;
    return html`<div class="dialog-body factor">
      <span class="shield">${icon(ShieldCheck)}</span>
      <h2>${p.factor.setupTitle}</h2>
      <p class="muted">${needed && !done ? p.factor.neededLead : p.factor.setupLead}</p>
      ${state === null ? (words ? nothing : html`<div class="skeleton line-skeleton"></div>`) : html`<ul class="factors">
        <li>${icon(Smartphone)}<span><strong>${p.factor.app}</strong><span class="small muted">${state.totp ? p.factor.appOn(state.recovery_left) : p.factor.appOff}</span></span>
          ${state.totp
            ? html`${newCodes}<button class="btn quiet small icon-only" aria-label=${p.factor.removeApp} title=${p.factor.removeApp} @click=${() => void removeApp()}>${icon(Trash2)}</button>`
            : html`<button class="btn small ${needed && !done ? "primary" : ""}" ?autofocus=${!done} @click=${() => void begin()}>${p.factor.setUp}</button>`}</li>
        ${state.keys.map((name) => html`<li>${icon(KeyRound)}<span><strong>${name}</strong><span class="small muted">${p.factor.key}</span></span><button class="btn quiet small icon-only" aria-label=${p.factor.removeKey(name)} title=${p.factor.removeKey(name)} @click=${() => void removeKey(name)}>${icon(Trash2)}</button></li>`)}
        ${keyAlone ? html`<li>${icon(LifeBuoy)}<span><strong>${p.factor.recoveryCodes}</strong><span class="small muted">${p.factor.codesLeft(state.recovery_left)}</span></span>${newCodes}</li>` : nothing}
        <li>${icon(KeyRound)}<span><strong>${p.factor.key}</strong><span class="small muted">${keysSupported() ? p.factor.keyLead : p.factor.keyUnsupported}</span></span><button class="btn small" ?disabled=${!keysSupported() || waiting !== null} @click=${() => void addKey()}>${p.factor.addKey}</button></li>
      </ul>`}
      ${waiting ? keyWaits(waiting) : nothing}
      ${note}
      <div class="dialog-actions"><button class="btn leave-factor ${done ? "primary" : ""}" ?autofocus=${done} @click=${() => close(done)}>${done ? p.factor.finish : t.common.close}</button></div>
    </div>`;
  }, "factor-dialog");
  // TypeScript does not see that a step sets it.
  (waiting as AbortController | null)?.abort();

  async function begin(): Promise<void> {
    await attempt(async () => {
      totp = await patrol.beginTotp();
    });
  }

  async function addKey(): Promise<void> {
    const name = await openDialog<string>((close) => html`<form class="dialog-body" @submit=${(e: Event) => { e.preventDefault(); close(String(new FormData(e.target as HTMLFormElement).get("name")).trim()); }}>
      <h2>${p.factor.addKey}</h2>
      <div class="field"><label for="fa-name">${p.factor.keyName}</label><input class="input" id="fa-name" name="name" required maxlength="40" autofocus /></div>
      <div class="dialog-actions"><button type="button" class="btn" @click=${() => close(null)}>${t.common.cancel}</button><button class="btn primary">${p.factor.touchKey}</button></div>
    </form>`);
    if (!name) return;
    const stop = new AbortController();
    await attempt(async () => {
      // Whoever closes the dialog now does not go on to ask the key either.
      waiting = stop;
      render();
      const options = await patrol.keyOptions();
      stop.signal.throwIfAborted();
      const answer = await makeKey(options, name, stop.signal);
      const fresh = (await patrol.addKey(answer)).codes;
      await refresh();
      // Codes come with the first factor alone.
      if (fresh.length > 0) codes = fresh;
      else notify({ text: p.factor.keyAdded(name) });
    });
  }

  async function removeKey(name: string): Promise<void> {
    const sure = await confirmDialog(p.factor.removeKey(name), p.factor.removeKeyLead, [{ value: "yes", label: p.factor.removeKey(name), danger: true }], t.common.cancel);
    if (sure) await attempt(async () => { state = await patrol.removeKey(name); });
  }

  async function removeApp(): Promise<void> {
    const sure = await confirmDialog(p.factor.removeApp, p.factor.removeLead, [{ value: "yes", label: p.factor.removeApp, danger: true }], t.common.cancel);
    if (sure) await attempt(async () => { state = await patrol.removeTotp(); });
  }

  if (!needed) return true;
  try {
    const now = await patrol.factor();
    // An app that was just confirmed, or a key just made, has been shown to the server; otherwise it is asked for now.
    if (now.shown_until !== null) return true;
    if (!now.totp && now.keys.length === 0) return false;
    const { promptFactor } = await import("./prompt");
    return await promptFactor();
  } catch {
    return false;
  }
}

function recovery(codes: readonly string[], finish: () => void): TemplateResult {
  const text = codes.join("\n");
  const print = (): void => {
    document.documentElement.classList.add("print-dialog");
    window.print();
    document.documentElement.classList.remove("print-dialog");
  };
  return html`<div class="dialog-body factor">
    <h2>${p.factor.recoveryTitle}</h2>
    <p>${p.factor.recoveryLead}</p>
    <ol class="recovery num" data-recovery>${codes.map((code) => html`<li><code>${code}</code></li>`)}</ol>
    <div class="dialog-actions">
      <button class="btn" @click=${() => void copyText(text)}>${icon(Copy)}${t.common.copy}</button>
      <button class="btn" @click=${print}>${icon(Printer)}${p.factor.print}</button>
      <button class="btn primary" autofocus @click=${() => { finish(); notify({ text: p.factor.on }); }}>${p.factor.kept}</button>
    </div>
  </div>`;
}
