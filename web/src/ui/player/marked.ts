/** A text with the searched words marked. */
import { html, type TemplateResult } from "lit";

/** Pure: the text in pieces, every second one a hit. */
export function pieces(text: string, query: string | undefined): string[] {
  const words = (query ?? "").trim().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [text];
  const pattern = new RegExp(`(${words.map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})`, "giu");
  return text.split(pattern);
}

export function marked(text: string, query: string | undefined): TemplateResult {
  return html`${pieces(text, query).map((piece, i) => (i % 2 === 1 ? html`<mark>${piece}</mark>` : piece))}`;
}
