/** The bar over the wall: sizes, saved layouts, the tour with its progress, and the state of the line. */
import { html, nothing, type TemplateResult } from "lit";
import { Bell, ChevronLeft, ChevronRight, Ellipsis, ExternalLink, Grid3x3, Keyboard, ListTree, Maximize, Pause, Play, Route, Save, SquareX, Trash2, Pencil, X } from "lucide";
import { t } from "../../i18n";
import { p } from "../../i18n/patrol";
import type { WallLayout } from "../../protocol/generated/index";
import { pageOf, WALL_SIZES, type WallSize } from "../../state/patrol/grid";
import { pageUp, tourPages } from "../../state/patrol/tour";
import type { WallState } from "../../state/patrol/wall";
import type { WallLink } from "../../state/patrol/wall-session";
import { icon } from "../icon";
import { settingsMenu } from "../shell";
import { patrolMenu } from "./tabs";
import { clockS, lasting } from "./words-of";

export interface TopState {
  wall: WallState;
  link: WallLink;
  layouts: readonly WallLayout[];
  layout: string | null;
  tree: boolean;
  rail: boolean;
  urgent: number;
  now: number;
  screen: string;
  replaying: boolean;
}

export interface TopActions {
  size(tiles: WallSize): void;
  open(layout: WallLayout): void;
  save(): void;
  saveAs(): void;
  rename(layout: WallLayout): void;
  remove(layout: WallLayout): void;
  tour(): void;
  endTour(): void;
  hold(): void;
  turn(by: 1 | -1): void;
  overviewEnd(): void;
  clear(): void;
  tree(): void;
  rail(): void;
  full(): void;
  help(): void;
  unblock(): void;
}

const iconButton = (name: string, key: string, mark: TemplateResult, run: () => void, pressed?: boolean): TemplateResult =>
  html`<button class="btn quiet icon-only small" aria-label=${name} title=${key ? `${name} (${key})` : name} aria-pressed=${pressed === undefined ? nothing : pressed} @click=${run}>${mark}</button>`;

export function wallTop(s: TopState, a: TopActions): TemplateResult {
  const current = s.layouts.find((l) => l.id === s.layout) ?? null;
  return html`<header class="wall-top">
    ${iconButton(p.wall.tree, "T", icon(ListTree), a.tree, s.tree)}
    <a class="leave" href="/" title=${p.wall.leave}>${p.wall.title}${s.screen === "1" ? nothing : html` <span class="badge num">${s.screen}</span>`}</a>
    <div class="segments sizes" role="radiogroup" aria-label=${p.wall.sizes}>
      ${WALL_SIZES.map((n, i) => html`<label title=${`${p.wall.tilesOf(n)} (${i + 1})`}><input type="radio" name="tiles" .checked=${n === s.wall.tiles} @change=${() => a.size(n)} /><span class="num">${n}</span></label>`)}
    </div>
    <details class="menu layouts">
      <summary class="btn quiet small" title=${p.wall.layouts}>${icon(Grid3x3)}<span class="clip">${current?.name ?? p.wall.layouts}</span></summary>
      <div class="panel start">
        ${s.layouts.length === 0 ? html`<p class="small muted">${p.wall.noLayouts}</p>` : nothing}
        ${s.layouts.map((l) => html`<div class="layout-row"><button class="menu-item" data-closes aria-current=${l.id === s.layout ? "true" : nothing} @click=${() => a.open(l)}><span class="clip">${l.name}</span><span class="end num muted">${l.tiles}</span></button>
          ${iconButton(`${p.wall.rename}: ${l.name}`, "", icon(Pencil), () => a.rename(l))}${iconButton(`${t.common.delete}: ${l.name}`, "", icon(Trash2), () => a.remove(l))}</div>`)}
        <hr />
        ${current ? html`<button class="menu-item" data-closes @click=${a.save}>${icon(Save)}${p.wall.saveOver(current.name)}</button>` : nothing}
        <button class="menu-item" data-closes @click=${a.saveAs}>${icon(Save)}${p.wall.saveAs}</button>
        <button class="menu-item" data-closes @click=${a.clear}>${icon(SquareX)}${p.wall.clearAll}</button>
      </div>
    </details>
    ${tourPart(s, a)}
    <span class="gap"></span>
    ${linkPart(s, a)}
    <time class="num clock">${clockS(s.now)}</time>
    ${iconButton(p.alarms.title, "R", html`${icon(Bell)}${s.urgent > 0 ? html`<span class="count num">${Math.min(99, s.urgent)}</span>` : nothing}`, a.rail, s.rail)}
    ${iconButton(p.wall.full, "F", icon(Maximize), a.full)}
    <details class="menu more"><summary class="btn quiet icon-only small" aria-label=${t.common.more} title=${t.common.more}>${icon(Ellipsis)}</summary>
      <div class="panel">
        <a class="menu-item" data-closes href=${`/wall?screen=${Number(s.screen) + 1}`} target="_blank" rel="noopener">${icon(ExternalLink)}${p.wall.secondScreen}</a>
        ${patrolMenu("wall")}
        <hr />
        <button class="menu-item" data-closes @click=${a.help}>${icon(Keyboard)}${p.wall.keysTitle}<kbd class="end">?</kbd></button>
      </div></details>
    ${settingsMenu()}
  </header>`;
}

function tourPart({ wall }: TopState, a: TopActions): TemplateResult {
  if (wall.overview) {
    const { page, pages } = pageOf(wall.overview.cameras, wall.tiles, wall.overview.page);
    return html`<div class="tour-bar"><span class="small">${p.wall.overview}</span>${pages > 1 ? pager(page, pages, a) : nothing}${iconButton(p.wall.overviewEnd, "Esc", icon(X), a.overviewEnd)}</div>`;
  }
  const { tour } = wall;
  if (!tour) return html`<button class="btn quiet small" @click=${a.tour}>${icon(Route)}${p.tour.title}</button>`;
  const held = tour.heldAt !== null;
  return html`<div class="tour-bar ${held ? "held" : ""} ${tour.alarm ? "alarm" : ""}" data-tour=${held ? "held" : tour.alarm ? "alarm" : "running"}>
    ${iconButton(held ? p.tour.goOn : p.tour.hold, p.tour.space, icon(held ? Play : Pause), a.hold, held)}
    <span class="tour-progress" role="progressbar" aria-label=${p.tour.title}><span></span></span>
    ${pager(pageUp(tour), tourPages(tour), a)}
    ${tour.alarm ? html`<span class="badge live">${p.tour.alarm}</span>` : held ? html`<span class="badge">${p.tour.held}</span>` : nothing}
    ${tour.waiting.length > 0 ? html`<span class="badge warn num">${p.tour.waiting(tour.waiting.length)}</span>` : nothing}
    ${iconButton(p.tour.end, "", icon(X), a.endTour)}
  </div>`;
}

function pager(page: number, pages: number, a: TopActions): TemplateResult {
  return html`${iconButton(p.wall.previousPage, "PageUp", icon(ChevronLeft), () => a.turn(-1))}<span class="num small">${page + 1}/${pages}</span>${iconButton(p.wall.nextPage, "PageDown", icon(ChevronRight), () => a.turn(1))}`;
}

function linkPart(s: TopState, a: TopActions): TemplateResult | typeof nothing {
  const { link } = s;
  if (link.phase === "lost" || link.phase === "offline") return html`<span class="badge live" role="status">${link.phase === "offline" ? p.wall.offline : p.wall.reconnecting} <span class="num">${link.since === null ? "" : lasting(Date.now() - link.since)}</span></span>`;
  if (link.phase === "up" && link.media === "forbidden") return html`<span class="badge live" role="status" title=${p.wall.forbiddenLead}>${p.wall.forbidden}</span>`;
  if (link.phase === "up" && link.media === "blocked") return html`<span class="badge live" role="status" title=${p.wall.blockedLead}>${p.wall.blocked}</span>`;
  if (link.soundBlocked && s.wall.sound) return html`<button class="btn small" @click=${a.unblock}>${p.wall.playSound}</button>`;
  return nothing;
}
