/** Modal dialogs on the browser's own `dialog`: focus is trapped and given back by it, Escape closes. */
import { html, render, type TemplateResult } from "lit";
import { t } from "../i18n";
import { keepNotices } from "./announce";

/**
 * Opens a dialog; `body` gets a function that closes it with a result. Resolves with `null` when it is dismissed. A slip
 * (Escape, a click beside it) takes nothing away that was typed: it asks first.
 */
export function openDialog<T>(body: (close: (result: T | null) => void, update: () => void) => TemplateResult, className = ""): Promise<T | null> {
  return new Promise((resolve) => {
    const dialog = document.createElement("dialog");
    dialog.className = className;
    // Notices move into the open dialog, because everything outside of it is inert: the content has a place of its own.
    const content = dialog.appendChild(document.createElement("div"));
    content.className = "dialog-content";
    const opener = document.activeElement;
    let result: T | null = null;
    let changed = false;
    const close = (value: T | null): void => {
      result = value;
      dialog.close();
    };
    const dismiss = async (): Promise<void> => {
      if (!changed) return close(null);
      const sure = await confirmDialog(t.common.unsavedLeave, t.common.unsavedLead, [{ value: "discard", label: t.common.discard, danger: true }], t.common.keepEditing);
      if (sure && dialog.open) close(null);
    };
    const update = (): void => void render(body(close, update), content);
    dialog.addEventListener("close", () => {
      keepNotices(dialog);
      dialog.remove();
      // The browser gives the focus back, but not to an entry of a menu that has closed: its button has it then.
      if (document.activeElement === null || document.activeElement === document.body) opener?.closest("details")?.querySelector("summary")?.focus();
      resolve(result);
    });
    for (const type of ["input", "change"]) {
      dialog.addEventListener(type, (event) => {
        if ((event.target as Element).closest("form")) changed = true;
      });
    }
    dialog.addEventListener("cancel", (event) => {
      if (event.target !== dialog) return; // a file field has a cancel of its own
      event.preventDefault();
      void dismiss();
    });
    // Selecting text in a field and letting go beside the dialog is no click beside it.
    let pressedBeside = false;
    dialog.addEventListener("pointerdown", (event) => {
      pressedBeside = event.target === dialog;
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog && pressedBeside) void dismiss();
    });
    update();
    (document.fullscreenElement ?? document.body).append(dialog);
    const title = dialog.querySelector("h2");
    if (title) {
      title.id ||= `dialog-${Math.random().toString(36).slice(2)}`;
      dialog.setAttribute("aria-labelledby", title.id);
    }
    dialog.showModal();
  });
}

/** Asks before what cannot be undone. Resolves with the choice, `null` = keep everything as it is. */
export function confirmDialog<T extends string>(title: string, lead: string, choices: { value: T; label: string; danger?: boolean }[], keep: string): Promise<T | null> {
  return openDialog<T>(
    (close) => html`<div class="dialog-body">
      <h2>${title}</h2>
      <p>${lead}</p>
      <div class="dialog-actions">
        <button class="btn" autofocus @click=${() => close(null)}>${keep}</button>
        ${choices.map((c) => html`<button class="btn ${c.danger ? "danger" : ""}" @click=${() => close(c.value)}>${c.label}</button>`)}
      </div>
    </div>`,
  );
}
