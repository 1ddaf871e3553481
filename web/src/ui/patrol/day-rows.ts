/** The rows of the timeline: a camera each, a day wide. Draws only; whoever shows it owns the view and the playhead. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Eye, EyeOff, X } from "lucide";
import { p } from "../../i18n/patrol";
import type { Bookmark, Camera, CameraDay, CameraId } from "../../protocol/generated/index";
import { gapsOf, isWhole, joined, pieces } from "../../state/patrol/day";
import { shareOf, ticks, type View } from "../../state/patrol/zoom";
import { icon } from "../icon";
import { vars } from "../vars";
import { alarmWords, clockS, gapWords } from "./words-of";

export interface Rows {
  view: View;
  width: number;
  cameras: readonly Camera[];
  days: ReadonlyMap<CameraId, CameraDay>;
  failed: ReadonlyMap<CameraId, string>;
  playing: ReadonlySet<CameraId>;
  selected: CameraId | null;
  marks: { from: number | null; to: number | null };
  now: number;
}

export interface RowActions {
  select(camera: CameraId): void;
  toggle(camera: CameraId): void;
  remove(camera: CameraId): void;
  seek(at: number): void;
  hint(words: string): void;
  removeBookmark(bookmark: Bookmark): void;
}

const at = (from: number, to = from): ReturnType<typeof vars> => vars({ "--from": from.toFixed(6), "--to": to.toFixed(6) });

export function axis(r: Rows): TemplateResult {
  return html`<div class="axis" aria-hidden="true">${ticks(r.view, r.width).map((m) => html`<span class="tick" ${at(shareOf(r.view, m.at))}>${m.seconds ? clockS(m.at) : clockS(m.at).slice(0, 5)}</span>`)}
    ${range(r)}</div>`;
}

function range({ marks, view }: Rows): TemplateResult | typeof nothing {
  if (marks.from === null && marks.to === null) return nothing;
  const from = shareOf(view, marks.from ?? marks.to ?? 0);
  const to = shareOf(view, marks.to ?? marks.from ?? 0);
  return html`<span class="marked" ${at(Math.max(0, Math.min(1, from)), Math.max(0, Math.min(1, to)))}></span>`;
}

export function dayRows(r: Rows, a: RowActions): TemplateResult {
  return html`${repeat(r.cameras, (c) => c.id, (camera) => {
    const day = r.days.get(camera.id);
    const failed = r.failed.get(camera.id);
    const plays = r.playing.has(camera.id);
    return html`<div class="day-row ${camera.id === r.selected ? "selected" : ""}" data-camera=${camera.id} role="group" aria-label=${camera.name}>
      <div class="row-head" @click=${() => a.select(camera.id)}>
        <button class="btn quiet icon-only small" aria-pressed=${plays} aria-label=${`${plays ? p.timeline.hidePicture : p.timeline.showPicture}: ${camera.name}`} title=${plays ? p.timeline.hidePicture : p.timeline.showPicture} @click=${(e: Event) => { e.stopPropagation(); a.toggle(camera.id); }}>${icon(plays ? Eye : EyeOff)}</button>
        <span class="clip" title="${camera.place_name} ${camera.name}">${camera.name} <span class="muted tiny">${camera.place_name}</span></span>
        <button class="btn quiet icon-only small drop-row" aria-label=${`${p.timeline.removeRow}: ${camera.name}`} title=${p.timeline.removeRow} @click=${(e: Event) => { e.stopPropagation(); a.remove(camera.id); }}>${icon(X)}</button>
      </div>
      <div class="row-track">${failed ? html`<span class="row-failed small">${failed}</span>` : day ? track(day, r, a) : html`<span class="skeleton row-skeleton"></span>`}</div>
    </div>`;
  })}`;
}

function track(day: CameraDay, r: Rows, a: RowActions): TemplateResult {
  const { view, width } = r;
  const stop = r.selected === day.camera ? 0 : -1;
  const span = (s: { from: number; to: number }): { from: number; to: number } => s;
  const gaps = pieces(gapsOf(day), span, view, width);
  const said = (words: string): { over: () => void; out: () => void } => ({ over: () => a.hint(words), out: () => a.hint("") });
  return html`
    ${pieces(joined(day.sub, 500), span, view, width).map((s) => html`<span class="bar sub" ${at(s.from, s.to)}></span>`)}
    ${pieces(joined(day.main, 500), span, view, width).map((s) => html`<span class="bar main" ${at(s.from, s.to)}></span>`)}
    ${pieces(day.elsewhere, span, view, width).map((s) => {
      const { over, out } = said(`${p.timeline.elsewhere} ${clockS(s.item.from)}–${clockS(s.item.to)}`);
      return html`<span class="elsewhere" title=${p.timeline.elsewhere} ${at(s.from, s.to)} @mouseenter=${over} @mouseleave=${out}></span>`;
    })}
    ${pieces(day.holds, span, view, width).map((s) => html`<span class="hold" title="${p.timeline.held} ${s.item.by}: ${s.item.why}" ${at(s.from, s.to)}></span>`)}
    ${gaps.map((g) => {
      const words = g.count === 1 ? gapWords(g.item, day) : p.timeline.gapsMany(g.count, gapWords(g.item, day));
      const { over, out } = said(words);
      return html`<button class="gap ${isWhole(day, g.item) ? "" : "partial"}" data-cause=${g.item.cause} tabindex=${stop} title=${words} aria-label=${words} ${at(g.from, g.to)} @mouseenter=${over} @mouseleave=${out} @focus=${over} @blur=${out} @click=${(e: Event) => { e.stopPropagation(); a.seek(g.item.from - 2_000); }}></button>`;
    })}
    ${pieces(day.alarms, (x) => ({ from: x.since, to: x.until ?? r.now }), view, width, 4).map((x) => {
      const words = `${alarmWords(x.item)} ${clockS(x.item.since)}${x.item.until ? `–${clockS(x.item.until)}` : ""}`;
      const { over, out } = said(words);
      return html`<button class="alarm" tabindex=${stop} title=${words} aria-label=${words} ${at(x.from, x.to)} @mouseenter=${over} @mouseleave=${out} @focus=${over} @blur=${out} @click=${(e: Event) => { e.stopPropagation(); a.seek(x.item.since - 2_000); }}></button>`;
    })}
    ${pieces(day.bookmarks, (b) => ({ from: b.at, to: b.at }), view, width, 6).map((b) => {
      const words = `${p.timeline.bookmark} ${clockS(b.item.at)} ${b.item.by}: ${b.item.text}${b.item.mine ? ` · ${p.timeline.bookmarkDelete}` : ""}`;
      const key = (e: KeyboardEvent): void => {
        if (e.key !== "Delete" || !b.item.mine) return;
        e.preventDefault();
        e.stopPropagation();
        a.removeBookmark(b.item);
      };
      const { over, out } = said(words);
      return html`<button class="bookmark" tabindex=${stop} title=${words} aria-label=${words} ${at(b.from)} @keydown=${key} @mouseenter=${over} @mouseleave=${out} @focus=${over} @blur=${out} @click=${(e: Event) => { e.stopPropagation(); a.seek(b.item.at); }}></button>`;
    })}
    ${range(r)}`;
}
