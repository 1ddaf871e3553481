/** Says things politely to screen readers, and shows short notices with at most one button. */
import { html, render, nothing } from "lit";
import "./announce.css";

let region: HTMLElement | null = null;
let stack: HTMLElement | null = null;

function live(): HTMLElement {
  if (!region) {
    region = document.createElement("div");
    region.className = "sr";
    region.setAttribute("role", "status");
    region.setAttribute("aria-live", "polite");
    region.dataset["role"] = "announcer";
    document.body.append(region);
  }
  return region;
}

/** Spoken once; the same words said again are spoken again. */
export function announce(text: string): void {
  const line = document.createElement("p");
  line.textContent = text;
  live().append(line);
  while (live().childElementCount > 5) live().firstElementChild?.remove();
}

export interface Notice {
  text: string;
  action?: { label: string; run: () => void };
  /** How long it stays; one with an action stays ten seconds. */
  ms?: number;
}

export function notify(notice: Notice): () => void {
  if (!stack) {
    stack = document.createElement("div");
    stack.className = "notices";
    document.body.append(stack);
  }
  const item = document.createElement("div");
  item.className = "notice";
  item.setAttribute("role", "status");
  const gone = (): void => {
    clearTimeout(timer);
    item.remove();
  };
  const timer = setTimeout(gone, notice.ms ?? (notice.action ? 10_000 : 4_000));
  const act = (): void => {
    gone();
    notice.action?.run();
  };
  render(
    html`<span>${notice.text}</span>${notice.action ? html`<button class="btn small" @click=${act}>${notice.action.label}</button>` : nothing}`,
    item,
  );
  // Full screen shows only what is inside the full-screen element.
  (document.fullscreenElement ?? document.body).append(stack);
  stack.append(item);
  return gone;
}
