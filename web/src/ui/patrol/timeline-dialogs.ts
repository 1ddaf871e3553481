/** What the timeline asks: a bookmark's words, the reason of a hold, what is exported and why. */
import { html, nothing, type TemplateResult } from "lit";
import { problemWords, t } from "../../i18n";
import { p } from "../../i18n/patrol";
import type { Bookmark, Camera, ExportJob, Hold } from "../../protocol/generated/index";
import { addBookmark, addHold, createExport } from "../../protocol/patrol";
import { openDialog } from "../dialog";
import { wordsNote } from "../words";
import { clockS, lasting, stamp } from "./words-of";

/** A form with one text, sent by `send`. */
function ask<T>(title: string, lead: TemplateResult | string, label: string, submit: string, send: (text: string) => Promise<T>, more: TemplateResult | typeof nothing = nothing, limits: { min: number; max: number } = { min: 2, max: 200 }): Promise<T | null> {
  let error: unknown = null;
  let busy = false;
  return openDialog<T>((close, update) => {
    const go = async (event: Event): Promise<void> => {
      event.preventDefault();
      if (busy) return;
      const form = new FormData(event.target as HTMLFormElement);
      busy = true;
      update();
      try {
        close(await send(String(form.get("text")).trim()));
      } catch (e) {
        error = e;
        busy = false;
        update();
      }
    };
    const words = error ? problemWords(error) : null;
    return html`<form class="dialog-body" @submit=${go}>
      <h2>${title}</h2><p class="muted num">${lead}</p>${more}
      <div class="field"><label for="td-text">${label}</label><input class="input" id="td-text" name="text" minlength=${limits.min || nothing} maxlength=${limits.max} ?required=${limits.min > 0} autofocus /></div>
      ${words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing}
      <div class="dialog-actions"><button type="button" class="btn" @click=${() => close(null)}>${t.common.cancel}</button><button class="btn primary" aria-busy=${busy ? "true" : nothing}>${submit}</button></div>
    </form>`;
  });
}

export const askBookmark = (camera: Camera, at: number): Promise<Bookmark | null> =>
  ask(p.timeline.bookmark, `${camera.name} ${stamp(at)}`, p.timeline.bookmarkText, p.timeline.setBookmark, (text) => addBookmark(camera.id, { at: Math.round(at), text }), nothing, { min: 0, max: 200 });

const rangeWords = (from: number, to: number): string => `${stamp(from)} – ${clockS(to)} (${lasting(to - from)})`;

export const askHold = (cameras: readonly Camera[], from: number, to: number): Promise<Hold[] | null> =>
  ask(p.timeline.hold, html`${cameras.map((c) => c.name).join("、")}<br />${rangeWords(from, to)}<br />${p.timeline.holdLead}`, p.timeline.holdWhy, p.timeline.setHold, (why) => addHold({ cameras: cameras.map((c) => c.id), from: Math.round(from), to: Math.round(to), why }));

/** All streams of a camera share one chain, so all of them are in the file. */
export const askExport = (cameras: readonly Camera[], from: number, to: number): Promise<ExportJob | null> =>
  ask(
    p.exports.create,
    html`${cameras.map((c) => c.name).join("、")}<br />${rangeWords(from, to)}`,
    p.exports.reason,
    p.exports.start,
    (reason) => createExport({ cameras: cameras.map((c) => c.id), from: Math.round(from), to: Math.round(to), reason }),
    html`<p class="small muted">${p.exports.lead}</p>`,
  );
