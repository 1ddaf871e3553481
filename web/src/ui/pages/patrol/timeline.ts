/** The timeline: cameras as rows, a day as width, up to nine recordings played in step above them. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { ListTree } from "lucide";
import { problemWords, t } from "../../../i18n";
import { p } from "../../../i18n/patrol";
import { isoDay, spanOfDay } from "../../../i18n/zone";
import type { Bookmark, Camera, CameraDay, CameraId } from "../../../protocol/generated/index";
import { ApiError } from "../../../protocol/http";
import * as patrol from "../../../protocol/patrol";
import { landmark, nextSeen, seenAt, tailFrom, withTail, type Landmark } from "../../../state/patrol/day";
import { gridFor } from "../../../state/patrol/grid";
import { EMPTY_CATALOGUE, loadCatalogue, type Catalogue } from "../../../state/patrol/load";
import { MasterClock, RATES } from "../../../state/patrol/step";
import { follow, reveal, shareOf, zoomAround, type View } from "../../../state/patrol/zoom";
import { session } from "../../../state/session";
import { announce, notify } from "../../announce";
import { icon } from "../../icon";
import { Page } from "../../page";
import "../../patrol/camera-tree";
import { DRAG_TYPE, type Picked } from "../../patrol/camera-tree";
import { axis, dayRows, type Rows } from "../../patrol/day-rows";
import { takeSnapshot } from "../../patrol/snapshot";
import "../../patrol/step-tile";
import type { LecStepTile } from "../../patrol/step-tile";
import { controlBar, topBar } from "../../patrol/timeline-bar";
import { askBookmark, askExport, askHold } from "../../patrol/timeline-dialogs";
import { timelineKey, type TimelineKey } from "../../patrol/timeline-keys";
import { TimelinePointer } from "../../patrol/timeline-pointer";
import { TimelineSound } from "../../patrol/timeline-sound";
import { showKeys } from "../../patrol/wall-dialogs";
import { keepMarked } from "../../patrol/watermark";
import { clockS, lasting, stamp } from "../../patrol/words-of";
import { vars } from "../../vars";
import { define, plainKey } from "../../view";
import { wordsNote } from "../../words";
import "../../patrol/bar.css";
import "./timeline.css";

const STEP_MS = 100;
const REFRESH_MS = 15_000;
/** What is asked for again of what is known: gaps and parts are told a little later than they are. */
const TAIL_MS = 120_000;
export const PLAYING_MAX = 9;
const ROWS_MAX = 36;
/** One picture that does not come may not hold the others for longer. */
const WAIT_MS_MAX = 5_000;
const FRAME_MS = 40;

class PageTimeline extends Page {
  protected readonly section = "patrol";
  #catalogue: Catalogue = EMPTY_CATALOGUE;
  #error: unknown = null;
  #loaded = false;
  #bounds: View;
  #view: View;
  #rows: CameraId[] = [];
  #playing = new Set<CameraId>();
  #selected: CameraId | null = null;
  #large: CameraId | null = null;
  #days = new Map<CameraId, CameraDay>();
  #failed = new Map<CameraId, string>();
  /** Hung elsewhere all of the day: asked for once, not every few seconds. */
  #elsewhere = new Set<CameraId>();
  #clock: MasterClock;
  #marks: { from: number | null; to: number | null } = { from: null, to: null };
  #hint = "";
  #tree = false;
  #width = 1_000;
  #area = { width: 0, height: 0 };
  #last = 0;
  #waitingSince: number | null = null;
  #sound = new TimelineSound(() => this.requestUpdate());
  #pointer = new TimelinePointer({
    view: () => this.#view,
    bounds: () => this.#bounds,
    lane: () => this.querySelector(".rows-lane")?.getBoundingClientRect(),
    look: (view) => { this.#view = view; this.requestUpdate(); },
    select: (camera) => { this.#selected = camera; this.requestUpdate(); },
    mark: (from, to) => { this.#marks = { from, to }; this.requestUpdate(); },
    seek: (at) => this.#seek(at, false),
  });
  #observers: (() => void)[] = [];
  #observed: Element | null = null;

  constructor() {
    super();
    const query = new URLSearchParams(location.search);
    const wanted = Number(query.get("at")) || null;
    const date = /^\d{4}-\d{2}-\d{2}$/.test(query.get("date") ?? "") ? (query.get("date") as string) : isoDay(wanted ?? Date.now());
    this.#bounds = spanOfDay(date);
    this.#view = this.#bounds;
    this.#clock = new MasterClock(wanted ?? Math.min(Date.now() - 60_000, (this.#bounds.from + this.#bounds.to) / 2), this.#bounds.from, Math.min(this.#bounds.to, Date.now()));
    this.#rows = (query.get("cameras") ?? "").split(",").filter(Boolean).slice(0, ROWS_MAX);
    if (wanted) this.#view = zoomAround(this.#bounds, shareOf(this.#bounds, wanted), 1 / 12, this.#bounds);
  }

  protected override named(): string {
    return p.timeline.title;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.on(document, "keydown", (e) => this.#key(e));
    const timers = [setInterval(() => this.#step(), STEP_MS), setInterval(() => document.visibilityState === "visible" && void this.#refresh(), REFRESH_MS)];
    this.until(() => {
      timers.forEach(clearInterval);
      this.#sound.close();
      for (const release of this.#observers.splice(0)) release();
    });
  }

  // --- Data ---

  protected override async load(): Promise<void> {
    try {
      this.#catalogue = await loadCatalogue(this.#bounds);
      this.#error = null;
      this.#rows = this.#rows.filter((id) => this.#catalogue.byId.has(id));
      if (this.#rows.length === 0) this.#rows = this.#catalogue.cameras.filter((c) => c.may.play).slice(0, 9).map((c) => c.id);
      this.#playing = new Set(this.#rows.slice(0, this.#rows.length > 4 ? 4 : PLAYING_MAX));
      this.#selected = this.#rows[0] ?? null;
      void this.#fetch(this.#rows);
    } catch (error) {
      this.#error = error;
    }
    this.#loaded = true;
    this.requestUpdate();
  }

  async #fetch(ids: readonly CameraId[], tail = false): Promise<void> {
    const bounds = this.#bounds;
    await Promise.all(ids.filter((id) => !tail || !this.#elsewhere.has(id)).map(async (id) => {
      const known = tail ? this.#days.get(id) : undefined;
      try {
        const day = await patrol.day(id, known ? tailFrom(known, TAIL_MS) : bounds.from, Math.min(bounds.to, Date.now()));
        if (bounds !== this.#bounds) return;
        this.#days.set(id, known ? withTail(known, day) : day);
        this.#failed.delete(id);
      } catch (error) {
        if (bounds !== this.#bounds) return;
        if (this.#days.has(id)) return;
        this.#failed.set(id, problemWords(error).what);
        if (error instanceof ApiError && error.code === "hung_elsewhere") this.#elsewhere.add(id);
      }
      this.requestUpdate();
    }));
  }

  /** Today grows. */
  async #refresh(): Promise<void> {
    if (Date.now() > this.#bounds.to + 60_000) return;
    this.#clock.to = Math.min(this.#bounds.to, Date.now() - 1_000);
    await this.#fetch(this.#rows, true);
  }

  #setDate(date: string): void {
    if (!/^\d{4}-\d{2}-\d{2}$/.test(date)) return;
    const before = this.#clock.position(performance.now()) - this.#bounds.from;
    this.#bounds = spanOfDay(date);
    this.#view = this.#bounds;
    this.#days.clear();
    this.#failed.clear();
    this.#elsewhere.clear();
    this.#marks = { from: null, to: null };
    // The same time of day on another day.
    this.#clock = new MasterClock(Math.min(this.#bounds.from + before, Date.now() - 5_000), this.#bounds.from, Math.min(this.#bounds.to, Date.now() - 1_000));
    this.#keep();
    void this.#loadTree();
    void this.#fetch(this.#rows);
    this.requestUpdate();
  }

  /** Cameras hang elsewhere on other days, and were there that are gone. */
  async #loadTree(): Promise<void> {
    const bounds = this.#bounds;
    try {
      const catalogue = await loadCatalogue(bounds);
      if (bounds === this.#bounds) this.#catalogue = catalogue;
    } catch (error) {
      if (bounds === this.#bounds) notify({ text: problemWords(error).what });
    }
    this.requestUpdate();
  }

  #keep(): void {
    const query = new URLSearchParams({ date: isoDay(this.#bounds.from), cameras: this.#rows.join(","), at: String(Math.round(this.#clock.position(performance.now()))) });
    history.replaceState(null, "", `/patrol/timeline?${query}`);
  }

  #pick = ({ cameras }: Picked): void => {
    const fresh = cameras.filter((id) => !this.#rows.includes(id) && this.#catalogue.byId.get(id)?.may.play);
    if (this.#rows.length + fresh.length > ROWS_MAX) notify({ text: p.timeline.rowsMax(ROWS_MAX) });
    const added = fresh.slice(0, ROWS_MAX - this.#rows.length);
    this.#rows = [...this.#rows, ...added];
    for (const id of added) if (this.#playing.size < PLAYING_MAX) this.#playing = new Set([...this.#playing, id]);
    this.#selected = cameras[0] ?? this.#selected;
    this.#keep();
    void this.#fetch(added);
    this.requestUpdate();
  };

  #removeRow(id: CameraId): void {
    this.#rows = this.#rows.filter((r) => r !== id);
    this.#playing = new Set([...this.#playing].filter((r) => r !== id));
    if (this.#selected === id) this.#selected = this.#rows[0] ?? null;
    if (this.#large === id) this.#large = null;
    this.#keep();
    this.requestUpdate();
  }

  #toggleRow(id: CameraId): void {
    const next = new Set(this.#playing);
    if (!next.delete(id)) {
      if (next.size >= PLAYING_MAX) return void notify({ text: p.timeline.playingMax(PLAYING_MAX) });
      next.add(id);
    }
    if (this.#large && !next.has(this.#large)) this.#large = null;
    this.#playing = next;
    this.requestUpdate();
  }

  // --- Time ---

  #tiles(): LecStepTile[] {
    return [...this.querySelectorAll<LecStepTile>("lec-step-tile")];
  }

  #step(): void {
    const now = performance.now();
    const at = this.#clock.position(now);
    const running = this.#clock.playing && !this.#clock.held;
    const tiles = this.#tiles();
    for (const tile of tiles) tile.step(at, running, this.#clock.rate);
    this.#sound.follow(at, running, this.#clock.rate, this.#days);
    this.#wait(now, tiles);
    if (running) {
      this.#skipGap(now, tiles);
      const view = follow(this.#view, this.#last, at, this.#bounds);
      if (view !== this.#view) {
        this.#view = view;
        this.requestUpdate();
      }
      if (at >= this.#clock.to) {
        this.#clock.pause(now);
        this.requestUpdate();
      }
    }
    this.#last = at;
    this.#drawHead(at);
  }

  /** Nobody runs ahead of a picture that is still loading; one that does not come at all holds nobody. */
  #wait(now: number, tiles: readonly LecStepTile[]): void {
    const waits = this.#clock.playing && tiles.some((tile) => tile.player?.waits ?? false);
    if (!waits) this.#waitingSince = null;
    else this.#waitingSince ??= now;
    const hold = this.#waitingSince !== null && now - this.#waitingSince < WAIT_MS_MAX;
    if (hold !== this.#clock.held) this.#clock.hold(now, hold);
  }

  /** Where no camera has anything, playing goes on where one has again. */
  #skipGap(now: number, tiles: readonly LecStepTile[]): void {
    if (tiles.length === 0 || !tiles.every((tile) => tile.player?.phase === "gap")) return;
    const at = this.#clock.position(now);
    // A playlist knows its own stretch only, the day knows all.
    const told = tiles.flatMap((tile) => tile.player?.next ?? []).filter((n) => n > at);
    const days = tiles.flatMap((tile) => tile.day ?? []);
    const to = told.length > 0 ? Math.min(...told) : days.some((d) => seenAt(d, at)) ? null : nextSeen(days, at);
    if (to === null) return;
    notify({ text: p.timeline.skipped(lasting(to - at)) });
    this.#clock.seek(now, to);
  }

  #drawHead(at: number): void {
    const head = this.querySelector<HTMLElement>(".playhead");
    if (head) {
      const share = shareOf(this.#view, at);
      head.style.setProperty("--at", share.toFixed(6));
      head.hidden = share < 0 || share > 1;
    }
    const time = this.querySelector<HTMLElement>(".now-time");
    const words = stamp(at);
    if (time && time.textContent !== words) time.textContent = words;
  }

  #seek(at: number, show = true): void {
    const now = performance.now();
    this.#clock.to = Math.min(this.#bounds.to, Date.now() - 1_000);
    this.#clock.seek(now, at);
    this.#last = this.#clock.position(now);
    if (show) this.#view = reveal(this.#view, this.#last, this.#bounds);
    this.#keep();
    this.requestUpdate();
    this.#step();
  }

  #toggle(): void {
    const now = performance.now();
    if (this.#clock.playing) this.#clock.pause(now);
    else this.#clock.play(now);
    this.requestUpdate();
  }

  #setRate(rate: number): void {
    this.#clock.setRate(performance.now(), rate);
    announce(`${rate}×`);
    this.requestUpdate();
  }

  #jump(kind: Landmark, by: 1 | -1): void {
    const to = landmark(this.#rows.flatMap((id) => this.#days.get(id) ?? []), kind, this.#clock.position(performance.now()), by);
    if (to === null) return void notify({ text: p.timeline.noMore[kind] });
    this.#seek(kind === "bookmark" ? to : to - 2_000);
  }

  #zoom(factor: number, share = shareOf(this.#view, this.#clock.position(performance.now()))): void {
    this.#view = zoomAround(this.#view, Math.min(1, Math.max(0, share)), factor, this.#bounds);
    this.requestUpdate();
  }

  #frame(by: 1 | -1): void {
    const now = performance.now();
    this.#clock.pause(now);
    const fps = this.#camera()?.status.streams.find((s) => s.stream === "main")?.fps_x10 ?? 0;
    this.#seek(this.#clock.position(now) + by * (fps > 0 ? 10_000 / fps : FRAME_MS));
  }

  // --- Marks and evidence ---

  #camera(): Camera | null {
    return this.#selected === null ? null : (this.#catalogue.byId.get(this.#selected) ?? null);
  }

  #mark(end: "from" | "to"): void {
    const at = this.#clock.position(performance.now());
    this.#marks = { ...this.#marks, [end]: at };
    const { from, to } = this.#marks;
    if (from !== null && to !== null && from > to) this.#marks = { from: to, to: from };
    announce(`${end === "from" ? p.timeline.markIn : p.timeline.markOut} ${clockS(at)}`);
    this.requestUpdate();
  }

  #range(): { from: number; to: number } | null {
    const { from, to } = this.#marks;
    if (from !== null && to !== null && to - from >= 1_000) return { from, to };
    notify({ text: p.timeline.markFirst });
    return null;
  }

  async #bookmark(): Promise<void> {
    const camera = this.#camera();
    if (camera && (await askBookmark(camera, this.#clock.position(performance.now())))) void this.#fetch([camera.id]);
  }

  async #removeBookmark({ id, camera, at, text }: Bookmark): Promise<void> {
    try {
      await patrol.deleteBookmark(id);
      notify({ text: p.timeline.bookmarkDeleted, action: { label: t.common.undo, run: () => void patrol.addBookmark(camera, { at, text }).then(() => this.#fetch([camera])).catch((error: unknown) => notify({ text: problemWords(error).what })) } });
      void this.#fetch([camera]);
    } catch (error) {
      notify({ text: problemWords(error).what });
    }
  }

  /** The cameras whose pictures are up, or the selected one. */
  #meant(): Camera[] {
    const ids = this.#playing.size > 0 ? this.#rows.filter((id) => this.#playing.has(id)) : this.#selected ? [this.#selected] : [];
    return ids.flatMap((id) => this.#catalogue.byId.get(id) ?? []);
  }

  async #hold(): Promise<void> {
    const range = this.#range();
    if (!range || !(await askHold(this.#meant(), range.from, range.to))) return;
    notify({ text: p.timeline.holdSet });
    void this.#fetch(this.#rows);
  }

  async #export(): Promise<void> {
    const range = this.#range();
    const cameras = this.#meant().filter((c) => c.may.export);
    if (range && cameras.length === 0) return void notify({ text: p.exports.notAllowed });
    if (!range || !(await askExport(cameras, range.from, range.to))) return;
    const { go } = await import("../../router");
    notify({ text: p.exports.started, action: { label: p.nav.exports, run: () => go("/patrol/exports") } });
  }

  #snapshot(): void {
    const tile = this.#tiles().find((e) => e.camera.id === this.#selected) ?? this.#tiles()[0];
    const account = session.get().account;
    if (!tile?.video || tile.player?.phase !== "playing") return void notify({ text: p.tile.noPicture });
    void takeSnapshot(tile.video, { camera: tile.camera.id, name: tile.camera.name, at: this.#clock.position(performance.now()), live: false, viewer: account ? `${account.name} ${account.login}` : "" });
  }

  // --- Keys ---

  #key(event: KeyboardEvent): void {
    if (!plainKey(event) || document.querySelector("details.menu[open]") || !this.#loaded) return;
    const target = event.target as HTMLElement;
    if (target.closest("lec-camera-tree, select")) return;
    const key = timelineKey(event.key, event.shiftKey, target.closest("button, a, summary") !== null);
    if (!key) return;
    event.preventDefault();
    this.#do(key);
  }

  #do(key: TimelineKey): void {
    const now = performance.now();
    switch (key.do) {
      case "play":
        return this.#toggle();
      case "seek":
        return this.#seek(this.#clock.position(now) + key.by);
      case "zoom":
        return this.#zoom(key.factor);
      case "rate": {
        const next = RATES[RATES.indexOf(this.#clock.rate as (typeof RATES)[number]) + key.by];
        return next === undefined ? undefined : this.#setRate(next);
      }
      case "frame":
        return this.#frame(key.by);
      case "jump":
        return this.#jump(key.to, key.by);
      case "row": {
        const at = this.#rows.indexOf(this.#selected ?? "");
        this.#selected = this.#rows[Math.max(0, Math.min(this.#rows.length - 1, at + key.by))] ?? null;
        this.requestUpdate();
        return void this.updateComplete.then(() => this.querySelector(".day-row.selected")?.scrollIntoView({ block: "nearest" }));
      }
      case "in":
        return this.#mark("from");
      case "out":
        return this.#mark("to");
      case "bookmark":
        return void this.#bookmark();
      case "hold":
        return void this.#hold();
      case "export":
        return void this.#export();
      case "start":
        return this.#seek(this.#bounds.from);
      case "now":
        return this.#seek(this.#clock.to - 5_000);
      case "tree":
        this.#tree = !this.#tree;
        break;
      case "enlarge":
        this.#large = this.#large === this.#selected ? null : this.#selected !== null && this.#playing.has(this.#selected) ? this.#selected : null;
        break;
      case "leave":
        if (this.#large !== null) this.#large = null;
        else this.#marks = { from: null, to: null };
        break;
      case "sound":
        return this.#sound.toggle(this.#camera());
      case "snapshot":
        return this.#snapshot();
      case "full":
        return void (document.fullscreenElement ? document.exitFullscreen() : this.requestFullscreen()).catch(() => undefined);
      case "help":
        return void showKeys(p.timeline.keysTitle, p.timeline.keys);
    }
    this.requestUpdate();
  }

  #dropped = (event: DragEvent): void => {
    const cameras = event.dataTransfer?.getData(DRAG_TYPE).split("\n").filter(Boolean) ?? [];
    if (cameras.length === 0) return;
    event.preventDefault();
    this.#pick({ cameras, place: null });
  };

  // --- Drawing ---

  override updated(): void {
    const lane = this.querySelector<HTMLElement>(".rows-lane");
    this.#drawHead(this.#clock.position(performance.now()));
    if (lane === this.#observed) return;
    this.#observed = lane;
    for (const release of this.#observers.splice(0)) release();
    const grid = this.querySelector<HTMLElement>(".step-grid");
    if (!lane || !grid) return;
    const resize = new ResizeObserver((entries) => {
      for (const entry of entries) {
        if (entry.target === lane) this.#width = entry.contentRect.width;
        else this.#area = { width: entry.contentRect.width, height: entry.contentRect.height };
      }
      this.requestUpdate();
    });
    resize.observe(lane);
    resize.observe(grid);
    const { account } = session.get();
    this.#observers.push(() => resize.disconnect(), keepMarked(grid, () => (account ? `${account.name} ${account.login}` : ""), () => Date.now()));
  }

  protected override content(): TemplateResult {
    const words = this.#error ? problemWords(this.#error) : null;
    const rows: Rows = {
      view: this.#view, width: this.#width, cameras: this.#rows.flatMap((id) => this.#catalogue.byId.get(id) ?? []), days: this.#days, failed: this.#failed,
      playing: this.#playing, selected: this.#selected, marks: this.#marks, now: Date.now(),
    };
    const shown = this.#large ? [this.#large] : this.#rows.filter((id) => this.#playing.has(id));
    const grid = gridFor(Math.max(1, shown.length), this.#area.width, this.#area.height);
    return html`<div class="timeline-page">
      ${topBar({ from: this.#bounds.from, tree: this.#tree, setDate: (date) => this.#setDate(date), do: (key) => this.#do(key) })}
      ${this.#tree ? html`<aside class="timeline-tree" aria-label=${p.tree.title}><lec-camera-tree .nodes=${this.#catalogue.nodes} .states=${new Map()} .shown=${new Set(this.#rows)} .pick=${this.#pick} .overview=${null}></lec-camera-tree></aside>` : nothing}
      <main id="content" class="timeline-main" tabindex="-1" @dragover=${(e: DragEvent) => e.dataTransfer?.types.includes(DRAG_TYPE) && e.preventDefault()} @drop=${this.#dropped}>
        <h1 class="sr">${p.timeline.title}</h1>
        <div class="step-grid" ${vars({ "--columns": grid.columns, "--rows": grid.rows })}>
          ${words ? html`<div class="wall-note">${wordsNote(words, { code: words.code, actions: html`<button class="btn" @click=${() => void this.load()}>${t.common.again}</button>` })}</div>` : nothing}
          ${this.#loaded && !words && this.#rows.length === 0 ? html`<div class="wall-note"><div class="empty"><h2>${p.timeline.none}</h2><p>${p.timeline.noneLead}</p><button class="btn primary" @click=${() => this.#do({ do: "tree" })}>${icon(ListTree)}${p.wall.tree}</button></div></div>` : nothing}
          ${repeat(shown, (id) => id, (id) => {
            const camera = this.#catalogue.byId.get(id);
            return camera ? html`<lec-step-tile .camera=${camera} .day=${this.#days.get(id) ?? null} .rate=${this.#clock.rate} .playing=${shown.length} .large=${this.#large === id} .selected=${this.#selected === id} .offset=${0}
              @click=${() => { this.#selected = id; this.requestUpdate(); }} @dblclick=${() => { this.#selected = id; this.#do({ do: "enlarge" }); }}></lec-step-tile>` : nothing;
          })}
        </div>
        ${controlBar({
          playing: this.#clock.playing, rate: this.#clock.rate, marks: this.#marks, failed: this.#failed.size,
          sound: this.#sound.button(this.#camera(), () => this.#do({ do: "sound" })), setRate: (rate) => this.#setRate(rate), do: (key) => this.#do(key),
        })}
        <div class="rows" @wheel=${this.#pointer.wheel} @pointerdown=${this.#pointer.down} @pointermove=${this.#pointer.move} @pointerup=${this.#pointer.up} @pointercancel=${this.#pointer.cancel}>
          <div class="axis-row"><span class="row-head small muted">${p.timeline.rows(rows.cameras.length)}</span>${axis(rows)}</div>
          <div class="rows-scroll">${dayRows(rows, {
            select: (id) => { this.#selected = id; this.requestUpdate(); }, toggle: (id) => this.#toggleRow(id), remove: (id) => this.#removeRow(id), seek: (at) => this.#seek(at),
            removeBookmark: (b) => void this.#removeBookmark(b),
            hint: (hint) => { this.#hint = hint; this.requestUpdate(); },
          })}</div>
          <div class="rows-lane" aria-hidden="true"><span class="playhead"></span></div>
        </div>
        <footer class="legend small"><span class="key main"></span>${p.timeline.recorded}<span class="key sub"></span>${p.timeline.recordedSub}<span class="key gap"></span>${p.timeline.gapKey}<span class="key alarm"></span>${p.timeline.alarmKey}<span class="key bookmark"></span>${p.timeline.bookmark}<span class="key hold"></span>${p.timeline.hold}<span class="hint num" role="status">${this.#hint}</span></footer>
      </main>
    </div>`;
  }
}
define("page-timeline", PageTimeline);
