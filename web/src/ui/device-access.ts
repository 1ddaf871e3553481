/** OBS, a recording host or a player in a class: address and token to copy into it, until when they hold, taking them back. */
import { html, nothing, type TemplateResult } from "lit";
import { Copy } from "lucide";
import { problemWords, t } from "../i18n";
import { clock, day } from "../i18n/format";
import * as api from "../protocol/api";
import type { DevicePurpose, DeviceToken } from "../protocol/generated/index";
import { notify } from "./announce";
import { copyText } from "./clipboard";
import { confirmDialog, openDialog } from "./dialog";
import { icon } from "./icon";
import { wordsNote } from "./words";
import "./class-form.css";

/** `publishes`: one may let a device teach, and take devices out; others only get a token to watch. */
export async function deviceAccess(entry: { id: string; title: string }, publishes: boolean): Promise<void> {
  let purpose: DevicePurpose = publishes ? "publish" : "watch";
  let token: DeviceToken | null = null;
  let error: unknown = null;
  let busy = false;
  await openDialog<never>((close, update) => {
    const run = async (work: () => Promise<void>): Promise<void> => {
      if (busy) return;
      busy = true;
      error = null;
      update();
      await work().catch((e: unknown) => {
        error = e;
      });
      busy = false;
      update();
    };
    const make = (): Promise<void> => run(async () => {
      token = await api.deviceToken(entry.id, purpose);
    });
    const revoke = async (): Promise<void> => {
      const sure = await confirmDialog(t.devices.revokeTitle, t.devices.revokeLead, [{ value: "revoke", label: t.devices.revoke, danger: true }], t.common.cancel);
      if (!sure) return;
      await run(async () => {
        await api.revokeDevices(entry.id);
        token = null;
        notify({ text: t.devices.revoked });
      });
    };
    const copied = (name: string, label: string, value: string): TemplateResult => html`<div class="field">
      <label for=${name}>${label}</label>
      <div class="with-copy"><input class="input" id=${name} readonly .value=${value} @focus=${(e: Event) => (e.target as HTMLInputElement).select()} />
        <button class="btn icon-only" aria-label="${t.common.copy}: ${label}" title="${t.common.copy}: ${label}" @click=${() => void copyText(value)}>${icon(Copy)}</button></div>
    </div>`;
    const words = error ? problemWords(error) : null;
    return html`<div class="dialog-body">
      <h2>${t.devices.title}</h2>
      <p class="muted">${entry.title}</p>
      ${publishes
        ? html`<fieldset class="field">
            <legend class="label">${t.devices.purpose}</legend>
            <div class="segments">
              ${(["publish", "watch"] as const).map((p) => html`<label><input type="radio" name="purpose" .checked=${p === purpose} @change=${() => { purpose = p; token = null; update(); }} />${t.devices.purposes[p]}</label>`)}
            </div>
          </fieldset>`
        : nothing}
      <p class="small">${t.devices.leads[purpose]}</p>
      ${token
        ? html`${copied("d-address", purpose === "publish" ? t.devices.whip : t.devices.whep, location.origin + (purpose === "publish" ? (token.whip ?? "") : token.whep))}
            ${copied("d-token", t.devices.token, token.token)}
            <p class="small muted" role="status">${t.devices.until(`${day(token.expires)} ${clock(token.expires)}`)}</p>`
        : nothing}
      ${words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing}
      <div class="dialog-actions">
        ${publishes ? html`<button class="btn quiet start" @click=${() => void revoke()}>${t.devices.revoke}</button>` : nothing}
        <button class="btn" @click=${() => close(null)}>${t.common.close}</button>
        ${token ? nothing : html`<button class="btn primary" autofocus aria-busy=${busy ? "true" : nothing} @click=${() => void make()}>${t.devices.make}</button>`}
      </div>
    </div>`;
  }, "wide-dialog");
}
