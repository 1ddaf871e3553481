/** The two bars of the timeline: the day on top, and what is done with it under the pictures. Draws only. */
import { html, nothing, type TemplateResult } from "lit";
import { BellRing, Bookmark as BookmarkIcon, ChevronLeft, ChevronRight, ChevronsRight, Download, Ellipsis, Keyboard, ListTree, Lock, Pause, Play, SkipBack, SkipForward, StepBack, StepForward, TriangleAlert, Tv, ZoomIn, ZoomOut } from "lucide";
import { t } from "../../i18n";
import { clockS } from "../../i18n/format";
import { p } from "../../i18n/patrol";
import { addDays, isoDay, today } from "../../i18n/zone";
import { RATES } from "../../state/patrol/step";
import { icon } from "../icon";
import { settingsMenu } from "../shell";
import { patrolMenu } from "./tabs";
import type { TimelineKey } from "./timeline-keys";

export interface TopBar {
  /** The first moment of the day. */
  from: number;
  tree: boolean;
  setDate(date: string): void;
  do(key: TimelineKey): void;
}

export function topBar(bar: TopBar): TemplateResult {
  const date = isoDay(bar.from);
  const other = (by: number): string => addDays(date, by);
  const button = (name: string, mark: TemplateResult, run: () => void, pressed?: boolean): TemplateResult => html`<button class="btn quiet icon-only small" aria-label=${name} title=${name} aria-pressed=${pressed === undefined ? nothing : pressed} @click=${run}>${mark}</button>`;
  return html`<header class="wall-top">
    ${button(`${p.wall.tree} (T)`, icon(ListTree), () => bar.do({ do: "tree" }), bar.tree)}
    <a class="leave" href="/" title=${p.timeline.leave}>${p.timeline.title}</a>
    ${button(p.timeline.dayBefore, icon(ChevronLeft), () => bar.setDate(other(-1)))}
    <input class="input date num" type="date" aria-label=${p.timeline.date} .value=${date} max=${today()} @change=${(e: Event) => bar.setDate((e.target as HTMLInputElement).value)} />
    ${button(p.timeline.dayAfter, icon(ChevronRight), () => bar.setDate(other(1)))}
    <span class="gap"></span>
    <a class="btn quiet small" href="/wall" aria-label=${p.nav.wall}>${icon(Tv)}<span class="label-wide">${p.nav.wall}</span></a>
    <span class="for-keys">${button(`${p.timeline.keysTitle} (?)`, icon(Keyboard), () => bar.do({ do: "help" }))}</span>
    <details class="menu more"><summary class="btn quiet icon-only small" aria-label=${t.common.more} title=${t.common.more}>${icon(Ellipsis)}</summary><div class="panel">${patrolMenu("timeline")}</div></details>
    ${settingsMenu()}
  </header>`;
}

export interface ControlBar {
  playing: boolean;
  rate: number;
  marks: { from: number | null; to: number | null };
  /** Rows that could not be loaded. */
  failed: number;
  sound: TemplateResult | typeof nothing;
  setRate(rate: number): void;
  do(key: TimelineKey): void;
}

export function controlBar(bar: ControlBar): TemplateResult {
  const { from, to } = bar.marks;
  const button = (name: string, key: string, mark: TemplateResult, deed: TimelineKey, wide = false): TemplateResult => html`<button class="btn quiet small ${wide ? "" : "icon-only"}" aria-label=${wide ? nothing : name} title="${name} (${key})" @click=${() => bar.do(deed)}>${mark}${wide ? html`<span class="label-wide">${name}</span>` : nothing}</button>`;
  const play = bar.playing ? p.timeline.pause : p.timeline.play;
  return html`<div class="timeline-controls" role="toolbar" aria-label=${p.timeline.controls}>
    ${button(p.timeline.previousGap, "Shift+G", icon(SkipBack), { do: "jump", to: "gap", by: -1 })}
    ${button(p.timeline.frameBack, ",", icon(StepBack), { do: "frame", by: -1 })}
    <button class="btn small primary play" aria-label=${play} title="${play} (${p.tour.space})" @click=${() => bar.do({ do: "play" })}>${icon(bar.playing ? Pause : Play)}</button>
    ${button(p.timeline.frameOn, ".", icon(StepForward), { do: "frame", by: 1 })}
    ${button(p.timeline.nextGap, "G", icon(SkipForward), { do: "jump", to: "gap", by: 1 })}
    ${button(p.timeline.nextAlarm, "N", icon(BellRing), { do: "jump", to: "alarm", by: 1 })}
    <select class="speed" aria-label=${p.timeline.rate} title="${p.timeline.rate} ([ ])" @change=${(e: Event) => bar.setRate(Number((e.target as HTMLSelectElement).value))}>${RATES.map((r) => html`<option value=${r} .selected=${r === bar.rate}>${r}×</option>`)}</select>
    ${bar.sound}
    <strong class="num now-time"></strong>
    ${button(p.timeline.now, "End", icon(ChevronsRight), { do: "now" })}
    <span class="gap"></span>
    ${button(p.timeline.zoomIn, "+", icon(ZoomIn), { do: "zoom", factor: 0.5 })}${button(p.timeline.zoomOut, "-", icon(ZoomOut), { do: "zoom", factor: 2 })}
    <span class="range num small">${button(p.timeline.markIn, "I", html`<kbd>I</kbd>`, { do: "in" })}${from === null ? "--:--:--" : clockS(from)} – ${to === null ? "--:--:--" : clockS(to)}${button(p.timeline.markOut, "O", html`<kbd>O</kbd>`, { do: "out" })}</span>
    ${button(p.timeline.bookmark, "B", icon(BookmarkIcon), { do: "bookmark" }, true)}
    ${button(p.timeline.hold, "H", icon(Lock), { do: "hold" }, true)}
    ${button(p.exports.create, "E", icon(Download), { do: "export" }, true)}
    ${bar.failed > 0 ? html`<span class="badge warn">${icon(TriangleAlert)}<span class="num">${bar.failed}</span></span>` : nothing}
  </div>`;
}
