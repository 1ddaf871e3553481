/** The base of all elements: light DOM (labels, live regions and styles reach everywhere), re-rendered by stores. */
import { LitElement } from "lit";
import { settings } from "../state/settings";
import type { Store } from "../state/store";

export abstract class View extends LitElement {
  #release: (() => void)[] = [];

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.watch(settings);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const release of this.#release.splice(0)) release();
  }

  /** Re-renders whenever the store changes, as long as the element is on the page. */
  protected watch<S>(store: Store<S>): void {
    this.#release.push(store.subscribe(() => this.requestUpdate()));
  }

  /** Runs `release` when the element leaves the page. */
  protected until(release: () => void): void {
    this.#release.push(release);
  }

  /** Listens as long as the element is on the page. */
  protected on<K extends keyof WindowEventMap>(target: Window, type: K, handler: (event: WindowEventMap[K]) => void): void;
  protected on<K extends keyof DocumentEventMap>(target: Document, type: K, handler: (event: DocumentEventMap[K]) => void): void;
  protected on(target: EventTarget, type: string, handler: (event: never) => void): void {
    target.addEventListener(type, handler as EventListener);
    this.#release.push(() => target.removeEventListener(type, handler as EventListener));
  }

  /** Re-renders every `ms`, for clocks. */
  protected every(ms: number): void {
    const timer = setInterval(() => this.requestUpdate(), ms);
    this.#release.push(() => clearInterval(timer));
  }
}

export function define(name: string, element: CustomElementConstructor): void {
  if (!customElements.get(name)) customElements.define(name, element);
}

/** Whether a key was meant for a field; shortcuts stand aside then. */
export function typing(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  if (!target?.closest) return false;
  return target.closest("input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select, [contenteditable]") !== null;
}

/** Whether a plain key (no Ctrl, Alt, Meta) was pressed outside of fields and dialogs. */
export function plainKey(event: KeyboardEvent): boolean {
  return !event.ctrlKey && !event.altKey && !event.metaKey && !event.isComposing && !typing(event) && document.querySelector("dialog[open]") === null;
}
