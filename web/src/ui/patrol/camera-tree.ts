/** The tree of places with their cameras: found by typing, chosen by a click, Enter or by dragging. One tab stop. */
import { html, nothing, type TemplateResult } from "lit";
import { ChevronRight, LayoutGrid, MapPin, Search } from "lucide";
import { p } from "../../i18n/patrol";
import type { Camera, CameraId, CameraState } from "../../protocol/generated/index";
import { camerasBelow, search, type PlaceNode } from "../../state/patrol/catalogue";
import { icon } from "../icon";
import { vars } from "../vars";
import { define, View } from "../view";
import "./camera-tree.css";

export interface Picked {
  cameras: CameraId[];
  /** The place, if a whole one was picked. */
  place: PlaceNode | null;
}

/** What a drag carries: ids, one a line. */
export const DRAG_TYPE = "application/x-lectern-cameras";

/** Up to here every place is open from the start. */
const OPEN_MAX = 150;
/** Rows that are drawn at once; whoever has more types a word. */
const ROWS_MAX = 500;

export class LecCameraTree extends View {
  static override properties = { nodes: { attribute: false }, states: { attribute: false }, shown: { attribute: false }, pick: { attribute: false }, overview: { attribute: false } };
  declare nodes: readonly PlaceNode[];
  /** What is known now; the list itself may be older. */
  declare states: ReadonlyMap<CameraId, { state: CameraState }>;
  declare shown: ReadonlySet<CameraId>;
  declare pick: (picked: Picked) => void;
  declare overview: ((node: PlaceNode) => void) | null;
  #query = "";
  /** What somebody opened or closed. */
  #folded = new Map<string, boolean>();
  #at: string | null = null;
  #rows = 0;
  #small = true;

  focusSearch(): void {
    this.querySelector<HTMLInputElement>("input")?.focus();
  }

  #items(): HTMLElement[] {
    return [...this.querySelectorAll<HTMLElement>("[role=treeitem]")];
  }

  #key = (event: KeyboardEvent): void => {
    const items = this.#items();
    const at = items.findIndex((i) => i === document.activeElement);
    const item = items[at];
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      event.stopPropagation();
      if (at === 0 && event.key === "ArrowUp") return this.focusSearch();
      return this.#focus(items[Math.max(0, Math.min(items.length - 1, to))]);
    }
    const id = item?.dataset["place"];
    if (id && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      event.preventDefault();
      event.stopPropagation();
      this.#toggle(id, event.key === "ArrowRight");
    }
    if (item && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      event.stopPropagation();
      item.click();
    }
  };

  #focus(item: HTMLElement | undefined): void {
    if (!item) return;
    this.#at = item.dataset["place"] ?? item.dataset["camera"] ?? null;
    this.requestUpdate();
    void this.updateComplete.then(() => item.focus());
  }

  #toggle(id: string, open: boolean): void {
    this.#folded.set(id, open);
    this.requestUpdate();
  }

  override render(): TemplateResult {
    const found = search(this.nodes, this.#query);
    this.#rows = 0;
    this.#small = found.reduce((sum, n) => sum + n.total, 0) <= OPEN_MAX;
    return html`<div class="camera-tree">
      <div class="tree-search" role="search">${icon(Search)}<input class="input" type="search" placeholder=${p.tree.placeholder} aria-label=${p.tree.search} .value=${this.#query}
        @input=${(e: Event) => { this.#query = (e.target as HTMLInputElement).value; this.requestUpdate(); }}
        @keydown=${(e: KeyboardEvent) => {
          if (e.key === "ArrowDown") { e.preventDefault(); this.#focus(this.#items()[0]); }
          // Enter on what was typed: everything that was found.
          if (e.key === "Enter" && this.#query.trim()) this.pick({ cameras: found.flatMap(camerasBelow).filter((c) => c.may.live).map((c) => c.id), place: null });
        }} /></div>
      ${found.length === 0 ? html`<p class="muted small nothing-found">${this.#query ? p.tree.nothing : p.tree.none}</p>` : html`<ul role="tree" aria-label=${p.tree.title} @keydown=${this.#key}>${found.map((n, i) => this.#node(n, 1, i === 0))}</ul>${this.#rows > ROWS_MAX ? html`<p class="muted small nothing-found">${p.tree.more}</p>` : nothing}`}
    </div>`;
  }

  #drag(event: DragEvent, ids: readonly CameraId[]): void {
    event.dataTransfer?.setData(DRAG_TYPE, ids.join("\n"));
    if (event.dataTransfer) event.dataTransfer.effectAllowed = "copy";
  }

  #node(node: PlaceNode, level: number, first: boolean): TemplateResult {
    if (++this.#rows > ROWS_MAX) return html``;
    const open = this.#folded.get(node.place.id) ?? (this.#query !== "" || this.#small || level === 1);
    const ids = camerasBelow(node).filter((c) => c.may.live).map((c) => c.id);
    const tab = this.#at === null ? first && level === 1 : this.#at === node.place.id;
    return html`<li role="none">
      <div class="tree-row place-row" role="treeitem" aria-level=${level} aria-expanded=${open} data-place=${node.place.id} tabindex=${tab ? 0 : -1} draggable="true" ${vars({ "--level": level })}
        @dragstart=${(e: DragEvent) => this.#drag(e, ids)} @click=${() => this.#toggle(node.place.id, !open)} @dblclick=${() => this.pick({ cameras: ids, place: node })}>
        <span class="turn ${open ? "open" : ""}">${icon(ChevronRight)}</span>${level === 1 ? icon(MapPin) : nothing}<span class="clip">${node.place.name}</span><span class="num dim">${node.total}</span>
        ${this.overview ? html`<button class="row-act" tabindex="-1" title=${p.tree.overview} aria-label=${`${p.tree.overview}: ${node.place.name}`} @click=${(e: Event) => { e.stopPropagation(); this.overview?.(node); }}>${icon(LayoutGrid)}</button>` : nothing}
      </div>
      ${open ? html`<ul role="group">${node.children.map((c) => this.#node(c, level + 1, false))}${node.cameras.map((c) => this.#camera(c, level + 1))}</ul>` : nothing}
    </li>`;
  }

  #camera(camera: Camera, level: number): TemplateResult {
    if (++this.#rows > ROWS_MAX) return html``;
    const state = this.states.get(camera.id)?.state ?? camera.status.state;
    return html`<li role="none"><div class="tree-row camera-row ${state} ${this.shown.has(camera.id) ? "on-wall" : ""}" role="treeitem" aria-level=${level} data-camera=${camera.id} tabindex=${this.#at === camera.id ? 0 : -1}
      aria-label=${`${camera.name}, ${p.state[state]}`} draggable="true" ${vars({ "--level": level })} @dragstart=${(e: DragEvent) => this.#drag(e, [camera.id])} @click=${() => this.pick({ cameras: [camera.id], place: null })}>
      <span class="dot" title=${p.state[state]}></span><span class="clip">${camera.name}</span>${state === "live" ? nothing : html`<span class="tiny state-word">${p.state[state]}</span>`}
    </div></li>`;
  }
}
define("lec-camera-tree", LecCameraTree);
