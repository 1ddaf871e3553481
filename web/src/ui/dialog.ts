/** Modal dialogs on the browser's own `dialog`: focus is trapped and given back by it, Escape closes. */
import { html, render, type TemplateResult } from "lit";

/** Opens a dialog; `body` gets a function that closes it with a result. Resolves with `null` when it is dismissed. */
export function openDialog<T>(body: (close: (result: T | null) => void, update: () => void) => TemplateResult, className = ""): Promise<T | null> {
  return new Promise((resolve) => {
    const dialog = document.createElement("dialog");
    dialog.className = className;
    let result: T | null = null;
    const close = (value: T | null): void => {
      result = value;
      dialog.close();
    };
    const update = (): void => void render(body(close, update), dialog);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(result);
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) close(null);
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
