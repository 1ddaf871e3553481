/** Copies a text and says so; pages over plain http have no clipboard, so the text is shown to be copied by hand. */
import { html } from "lit";
import { t } from "../i18n";
import { notify } from "./announce";
import { openDialog } from "./dialog";

export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    notify({ text: t.common.copied });
  } catch {
    await openDialog((close) => html`<div class="dialog-body">
      <h2>${t.common.copy}</h2>
      <textarea class="input" readonly rows="3" @focus=${(e: Event) => (e.target as HTMLTextAreaElement).select()}>${text}</textarea>
      <div class="dialog-actions"><button class="btn" @click=${() => close(null)}>${t.common.close}</button></div>
    </div>`);
  }
}
