/** A sign that stands alone: its word is read where it stands and shown under the pointer. */
import { html, type TemplateResult } from "lit";
import type { IconNode } from "lucide";
import { icon } from "../icon";

export const mark = (node: IconNode, words: string, className = ""): TemplateResult => html`<span class="sign ${className}" title=${words}>${icon(node)}<span class="sr">${words}</span></span>`;
