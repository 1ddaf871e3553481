/** The one set of outlined icons (lucide), inlined; only those named in an import are bundled. */
import { html, type TemplateResult } from "lit";
import { unsafeSVG } from "lit/directives/unsafe-svg.js";
import type { IconNode } from "lucide";

const drawn = new Map<IconNode, string>();

function draw(node: IconNode): string {
  let markup = drawn.get(node);
  if (markup === undefined) {
    markup = node.map(([tag, attrs]) => `<${tag} ${Object.entries(attrs).map(([k, v]) => `${k}="${v}"`).join(" ")}/>`).join("");
    drawn.set(node, markup);
  }
  return markup;
}

/** Decorative: the control around it carries the name. */
export function icon(node: IconNode): TemplateResult {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">${unsafeSVG(draw(node))}</svg>`;
}
