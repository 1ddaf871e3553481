/** Says things politely to screen readers, and shows short notices with at most one button. */
import { html, render, nothing } from "lit";
import "./announce.css";

let region: HTMLElement | null = null;
let stack: HTMLElement | null = null;

/** Where both stand: outside of an open dialog everything is inert, and full screen shows only what is inside of it. */
function place(): Element {
  return [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.fullscreenElement ?? document.body;
}

/** Readers watch a region from when it is there: it is made early, empty, and moved only when it must be. */
function live(): HTMLElement {
  if (!region) {
    region = document.createElement("div");
    region.className = "sr";
    region.setAttribute("role", "status");
    region.setAttribute("aria-live", "polite");
    region.dataset["role"] = "announcer";
  }
  const dialog = place();
  const home = dialog.tagName === "DIALOG" ? dialog : document.body;
  if (region.parentElement !== home) home.append(region);
  return region;
}

/** Spoken once; the same words said again are spoken again. */
export function announce(text: string): void {
  const line = document.createElement("p");
  line.textContent = text;
  const into = live();
  into.append(line);
  while (into.childElementCount > 5) into.firstElementChild?.remove();
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
  }
  const item = document.createElement("div");
  item.className = "notice";
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
  const into = place();
  if (stack.parentElement !== into) into.append(stack);
  stack.append(item);
  // A region that comes filled is passed over by readers: the notice itself is none.
  announce(notice.text);
  return gone;
}

/** Takes notices and announcer out of a dialog that goes. */
export function keepNotices(dialog: Element): void {
  for (const element of [stack, region]) if (element?.parentElement === dialog) document.body.append(element);
}

/** Puts the region on the page, so that readers know it before the first words. */
export function installAnnouncer(): void {
  live();
}
