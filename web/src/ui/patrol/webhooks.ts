/** Where alarms are told besides this page. */
import { html, nothing } from "lit";
import { Copy, Trash2, Webhook as WebhookIcon } from "lucide";
import { problemWords, t } from "../../i18n";
import { p } from "../../i18n/patrol";
import type { Place, Webhook, WebhookSecret } from "../../protocol/generated/index";
import * as patrol from "../../protocol/patrol";
import { copyText } from "../clipboard";
import { confirmDialog, openDialog } from "../dialog";
import { icon } from "../icon";
import { wordsNote } from "../words";
import { stamp } from "./words-of";

export async function editWebhooks(places: readonly Place[]): Promise<void> {
  let hooks: Webhook[] | null = null;
  let made: WebhookSecret | null = null;
  let error: unknown = null;
  let render = (): void => undefined;
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    error = null;
    try {
      await work();
    } catch (e) {
      error = e;
    }
    render();
  };
  const load = (): Promise<void> => attempt(async () => { hooks = await patrol.webhooks(); });
  void load();
  await openDialog<void>((close, update) => {
    render = update;
    const words = error ? problemWords(error) : null;
    const submit = (event: Event): void => {
      event.preventDefault();
      const form = event.target as HTMLFormElement;
      const data = new FormData(form);
      void attempt(async () => {
        made = await patrol.createWebhook({ url: String(data.get("url")).trim(), place: String(data.get("place")) });
        form.reset();
        hooks = await patrol.webhooks();
      });
    };
    const remove = async (hook: Webhook): Promise<void> => {
      const sure = await confirmDialog(p.webhooks.removeTitle, hook.url, [{ value: "yes", label: t.common.delete, danger: true }], t.common.cancel);
      if (sure) await attempt(async () => { await patrol.deleteWebhook(hook.id); hooks = await patrol.webhooks(); });
    };
    return html`<div class="dialog-body">
      <h2>${p.webhooks.title}</h2><p class="muted small">${p.webhooks.lead}</p>
      ${words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing}
      ${made ? html`<div class="note good" role="status"><div><p><strong>${p.webhooks.secret}</strong></p><p class="with-copy"><input class="input" readonly aria-label=${p.webhooks.secret} value=${made.secret} @focus=${(e: Event) => (e.target as HTMLInputElement).select()} /><button type="button" class="btn icon-only" aria-label=${t.common.copy} title=${t.common.copy} @click=${() => void copyText(made?.secret ?? "")}>${icon(Copy)}</button></p></div></div>` : nothing}
      ${hooks === null ? (words ? nothing : html`<div class="skeleton line-skeleton"></div>`) : hooks.length === 0 ? html`<p class="muted">${p.webhooks.none}</p>` : html`<ul class="hooks">${hooks.map((h) => html`<li>${icon(WebhookIcon)}<span><strong class="clip">${h.url}</strong><span class="small ${h.failed ? "warn-text" : "muted"}">${places.find((x) => x.id === h.place)?.name ?? ""} · ${h.failed ? p.webhooks.failed(h.waiting) : h.delivered ? p.webhooks.delivered(stamp(h.delivered)) : p.webhooks.never}</span></span>
        <button class="btn quiet small icon-only" aria-label=${`${t.common.delete}: ${h.url}`} title=${t.common.delete} @click=${() => void remove(h)}>${icon(Trash2)}</button></li>`)}</ul>`}
      <form class="hook-form" @submit=${submit}>
        <div class="field"><label for="wh-url">${p.webhooks.url}</label><input class="input" id="wh-url" name="url" type="url" required placeholder="https://" /></div>
        <div class="field"><label for="wh-place">${p.cameras.place}</label><select class="input" id="wh-place" name="place">${places.map((pl) => html`<option value=${pl.id}>${pl.name}</option>`)}</select></div>
        <button class="btn primary">${p.webhooks.add}</button>
      </form>
      <div class="dialog-actions"><button class="btn" @click=${() => close(null)}>${t.common.close}</button></div>
    </div>`;
  }, "wide-dialog");
}
