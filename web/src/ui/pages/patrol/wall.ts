/** The wall: tiles edge to edge over one peer connection, the tree of places on the left, alarms on the right. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { problemWords, t } from "../../../i18n";
import { p } from "../../../i18n/patrol";
import { keepAwake } from "../../../media/wake";
import type { AlarmItem, Camera, WallLayout } from "../../../protocol/generated/index";
import * as patrol from "../../../protocol/patrol";
import { camerasOf, type PlaceNode } from "../../../state/patrol/catalogue";
import { cellFor, gridFor, moveSelection, sizeFor, type Arrow, type Grid, type WallSize } from "../../../state/patrol/grid";
import { keepWall, keptWall, screenOf } from "../../../state/patrol/keep";
import { EMPTY_CATALOGUE, loadCatalogue, type Catalogue } from "../../../state/patrol/load";
import { tourProgress } from "../../../state/patrol/tour";
import { contentOf, EMPTY_WALL, isUrgent, reduce, viewOf, type WallState } from "../../../state/patrol/wall";
import { LINES_MAX, WallSession } from "../../../state/patrol/wall-session";
import { announce, notify } from "../../announce";
import { proveFactor } from "../../factor/ask";
import { Page } from "../../page";
import { acknowledge, alarmRail } from "../../patrol/alarm-rail";
import "../../patrol/camera-tree";
import type { LecCameraTree, Picked } from "../../patrol/camera-tree";
import { takeSnapshot } from "../../patrol/snapshot";
import { AlarmTone } from "../../patrol/tone";
import { askTour, showKeys } from "../../patrol/wall-dialogs";
import { dragOver, dragStart, dropped } from "../../patrol/wall-drag";
import { wallKey, type WallKey } from "../../patrol/wall-keys";
import { WallLayouts } from "../../patrol/wall-layouts";
import { WallReplay } from "../../patrol/wall-replay";
import "../../patrol/wall-tile";
import type { LecWallTile, TileAct, TileModel } from "../../patrol/wall-tile";
import { wallTop } from "../../patrol/wall-top";
import { keepMarked } from "../../patrol/watermark";
import { alarmWords, soundless } from "../../patrol/words-of";
import { vars } from "../../vars";
import { define, plainKey } from "../../view";
import { wordsNote } from "../../words";
import "../../patrol/bar.css";
import "./wall.css";

const LOOK_MS = 2_000;
const STEP_MS = 100;
const KEEP_MS = 500;
const RETRY_MS = 5_000;
/** With so many lines the media plane takes the page for a wall, however few tiles it shows: it begins with a wall's rate, and a page that changes over leaves in a hurry. */
const LINES_MIN = 25;

class PageWall extends Page {
  protected readonly section = "patrol";
  #screen = screenOf(location.search);
  #catalogue: Catalogue = EMPTY_CATALOGUE;
  #loaded = false;
  #error: unknown = null;
  #session: WallSession;
  #layouts: WallLayouts;
  #replay: WallReplay;
  #tree: boolean;
  #rail: boolean;
  #most: number;
  #grid: Grid = { columns: 3, rows: 3 };
  #area = { width: 0, height: 0 };
  #tone = new AlarmTone();
  #keepTimer: ReturnType<typeof setTimeout> | undefined;
  #first: boolean;
  #welcomes = 0;
  #started = false;
  /** Whether the list of alarms is what the server has. */
  #alarmsKnown = false;
  #spoken = new Set<string>();
  #shownKey = "";
  #shown: ReadonlySet<string> = new Set();
  #treeStates: WallState["known"] = new Map();
  #marked: (() => void) | null = null;
  #resize: ResizeObserver | null = null;
  #resized: Element | null = null;

  constructor() {
    super();
    const kept = keptWall(this.#screen);
    this.#first = kept === null;
    // Where they would lie over the tiles, panels open when they are asked for.
    const beside = innerWidth > 1_200;
    this.#tree = beside && (kept?.tree ?? this.#screen === "1");
    this.#rail = beside && (kept?.rail ?? this.#screen === "1");
    const wanted = new URLSearchParams(location.search).get("layout");
    this.#layouts = new WallLayouts(wanted ?? kept?.layout ?? null, { content: () => contentOf(this.#wall), changed: () => this.requestUpdate() });
    this.#replay = new WallReplay({ now: () => this.#session.now(), changed: () => this.requestUpdate() });
    this.#most = Math.max(LINES_MIN, kept?.most ?? 0);
    let initial: WallState = kept ? reduce(EMPTY_WALL, { type: "content", content: kept.content }) : EMPTY_WALL;
    if (kept?.enlarged != null) initial = reduce(initial, { type: "enlarge", slot: kept.enlarged });
    this.#session = new WallSession(initial, Math.max(this.#most, initial.tiles), {
      welcomed: () => {
        void this.#fetchAlarms();
        if (this.#welcomes++ > 0) void this.#reload();
      },
      camerasChanged: () => void this.#reload(),
      soundRefused: (reason) => notify({ text: p.refusals[reason] }),
      exported: (job) => job.state === "ready" && notify({ text: p.exports.readyNotice }),
      needsFactor: proveFactor,
    });
  }

  protected override named(): string {
    return this.#screen === "1" ? p.wall.title : `${p.wall.title} ${this.#screen}`;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.watch(this.#session.store);
    this.every(1_000);
    this.on(document, "keydown", (e) => this.#key(e));
    this.on(document, "click", () => this.#tone.wake());
    this.until(this.#session.store.subscribe(() => this.#changed()));
    const timers = [
      setInterval(() => this.#look(), LOOK_MS),
      setInterval(() => this.#step(), STEP_MS),
      setInterval(() => this.#alarm(), 5_000),
    ];
    this.until(() => timers.forEach(clearInterval));
    this.until(keepAwake());
    this.until(() => {
      this.#keep();
      this.#session.close();
      this.#tone.close();
      this.#resize?.disconnect();
      this.#marked?.();
    });
  }

  get #wall(): WallState {
    return this.#session.store.get().wall;
  }

  // --- Loading ---

  protected override async load(): Promise<void> {
    await this.#reload();
    if (!this.isConnected) return;
    if (this.#error) {
      // Nobody may be there to press the button.
      setTimeout(() => this.isConnected && this.#error && void this.load(), RETRY_MS);
      return;
    }
    if (this.#started) return;
    this.#started = true;
    this.#session.start();
    void this.#layouts.load().then(() => {
      const { current } = this.#layouts;
      if (current && current.id === new URLSearchParams(location.search).get("layout")) this.#open(current);
    }).catch(() => undefined);
    this.#begin();
  }

  async #fetchAlarms(): Promise<void> {
    try {
      this.#session.dispatch({ type: "alarms", alarms: (await patrol.alarms({ open: true })).items });
      this.#alarmsKnown = true;
    } catch {
      this.#alarmsKnown = false;
      setTimeout(() => this.isConnected && !this.#alarmsKnown && void this.#fetchAlarms(), RETRY_MS);
    }
    this.requestUpdate();
  }

  async #reload(): Promise<void> {
    try {
      let catalogue = await loadCatalogue();
      if (catalogue.needsFactor && (await proveFactor())) catalogue = await loadCatalogue();
      this.#catalogue = catalogue;
      this.#error = null;
      this.#session.dispatch({ type: "known", cameras: catalogue.cameras.map((c) => [c.id, { state: c.status.state, since: c.status.since, status: c.status }] as const) });
      const { tour, tourWish } = this.#wall;
      if (tour && tourWish) this.#session.dispatch({ type: "tour_cameras", cameras: camerasOf(catalogue.nodes, tourWish.place, tourWish.groups) });
    } catch (error) {
      this.#error = error;
    }
    this.#loaded ||= this.#error === null;
    this.requestUpdate();
  }

  /** What was shown last goes on; a first visit shows what there is. */
  #begin(): void {
    const wish = this.#wall.tourWish;
    if (wish) return this.#session.dispatch({ type: "tour", now: Date.now(), wish, cameras: camerasOf(this.#catalogue.nodes, wish.place, wish.groups) });
    if (!this.#first || this.#wall.own.some((c) => c !== null)) return;
    const all = camerasOf(this.#catalogue.nodes, null).slice(0, 16);
    if (all.length === 0) return;
    this.#session.dispatch({ type: "size", tiles: sizeFor(all.length) });
    this.#session.dispatch({ type: "put", slot: 0, cameras: all });
  }

  // --- Keeping ---

  #changed(): void {
    const { wall } = this.#session.store.get();
    this.#most = Math.min(LINES_MAX, Math.max(this.#most, wall.tiles));
    this.#alarm();
    this.#keepTimer ??= setTimeout(() => {
      this.#keepTimer = undefined;
      this.#keep();
    }, KEEP_MS);
  }

  /** One window of a desk sounds and speaks for all. */
  #alarm(): void {
    if (this.#screen !== "1") return;
    const { alarms } = this.#wall;
    void this.#tone.look(Date.now(), alarms);
    const urgent = alarms.filter(isUrgent);
    for (const a of urgent) if (!this.#spoken.has(a.id) && this.#alarmsKnown) announce(`${p.alarms.title}: ${alarmWords(a)} ${a.place_name} ${a.camera_name}`);
    this.#spoken = new Set(urgent.map((a) => a.id));
  }

  #clearAll(): void {
    const content = contentOf(this.#wall);
    const layout = this.#layouts.up;
    this.#layouts.up = null;
    this.#session.dispatch({ type: "clear_all" });
    notify({ text: p.wall.cleared, action: { label: t.common.undo, run: () => {
      this.#layouts.up = layout;
      this.#session.dispatch({ type: "content", content });
    } } });
  }

  #keep(): void {
    keepWall(this.#screen, { content: contentOf(this.#wall), layout: this.#layouts.up, tree: this.#tree, rail: this.#rail, most: this.#most, enlarged: this.#wall.enlarged });
  }

  // --- Layouts ---

  #open(layout: WallLayout): void {
    this.#layouts.up = layout.id;
    this.#replay.live(null);
    this.#session.dispatch({ type: "content", content: { tiles: layout.tiles, cameras: layout.cameras, tour: layout.tour } });
    if (layout.tour) this.#session.dispatch({ type: "tour", now: Date.now(), wish: layout.tour, cameras: camerasOf(this.#catalogue.nodes, layout.tour.place, layout.tour.groups) });
    announce(layout.name);
  }

  async #tour(): Promise<void> {
    const wish = await askTour(this.#catalogue.nodes, this.#wall.tourWish, this.#wall.tiles);
    if (!wish) return;
    this.#replay.live(null);
    this.#session.dispatch({ type: "tour", now: Date.now(), wish, cameras: camerasOf(this.#catalogue.nodes, wish.place, wish.groups) });
  }

  // --- Tiles ---

  #tiles(): LecWallTile[] {
    return [...this.querySelectorAll<LecWallTile>("lec-wall-tile")];
  }
  #tile(slot: number): LecWallTile | undefined {
    return this.#tiles()[slot];
  }
  #cameraAt(slot: number): Camera | null {
    const id = viewOf(this.#wall)[slot];
    return id ? (this.#catalogue.byId.get(id) ?? null) : null;
  }

  #look(): void {
    // A tree of thousands is not drawn anew with every word about one of them.
    if (this.#treeStates !== this.#wall.known) {
      this.#treeStates = this.#wall.known;
      this.requestUpdate();
    }
    const now = performance.now();
    for (const tile of this.#tiles()) tile.look(now);
  }

  #step(): void {
    const { tour } = this.#wall;
    if (tour) this.querySelector<HTMLElement>(".tour-progress")?.style.setProperty("--done", tourProgress(tour, Date.now()).toFixed(3));
    this.#replay.step(this.#replay.clock ? this.#tiles() : [], this.querySelector(".replay-bar time"));
  }

  #act = (act: TileAct, slot: number): void => {
    const camera = this.#cameraAt(slot);
    this.#session.dispatch({ type: "select", slot });
    switch (act) {
      case "select":
        // A click holds the tour: somebody looks at something.
        if (this.#wall.tour && camera) this.#session.dispatch({ type: "tour_hold", now: Date.now(), held: true });
        break;
      case "enlarge":
        this.#session.dispatch({ type: "enlarge", slot: this.#wall.enlarged === slot ? null : slot });
        break;
      case "sound": {
        if (!camera) break;
        const why = soundless(camera, this.#wall.known.get(camera.id)?.status ?? camera.status);
        if (why !== null) notify({ text: why });
        else this.#session.dispatch({ type: "sound", camera: this.#wall.sound === camera.id ? null : camera.id });
        break;
      }
      case "snapshot":
        this.#snapshot(slot);
        break;
      case "back":
        this.#back([slot]);
        break;
      case "live":
        this.#replay.live(camera?.id ?? null);
        break;
      case "clear":
        this.#session.dispatch({ type: "clear", slot });
        break;
      case "choose":
        this.#tree = true;
        this.requestUpdate();
        void this.updateComplete.then(() => this.querySelector<LecCameraTree>("lec-camera-tree")?.focusSearch());
        break;
    }
  };

  #snapshot(slot: number): void {
    const tile = this.#tile(slot);
    const camera = this.#cameraAt(slot);
    const video = tile?.shownVideo;
    if (!camera || !video) return void notify({ text: p.tile.noPicture });
    const live = !tile.replay;
    const delay = this.#session.store.get().delays.get(this.#session.mid(slot) ?? "")?.ms ?? 0;
    const { clock } = this.#replay;
    const at = live || !clock ? this.#session.now() - delay : clock.position(performance.now());
    void takeSnapshot(video, { camera: camera.id, name: camera.name, at, live, viewer: this.#session.store.get().link.watermark });
  }

  // --- The recording, without leaving the wall ---

  #back(slots: readonly number[]): void {
    if (!this.#replay.back(slots.map((slot) => this.#cameraAt(slot)))) return;
    if (this.#wall.tour) this.#session.dispatch({ type: "tour_hold", now: Date.now(), held: true });
  }

  // --- Keys, drags, panels ---

  #key(event: KeyboardEvent): void {
    if (!plainKey(event) || document.querySelector("details.menu[open]")) return;
    const target = event.target as HTMLElement;
    const key = wallKey(event.key, target.closest("button, a, summary, [role=treeitem]") !== null);
    if (!key || !this.#loaded || this.#error) return;
    if (key.do === "move" && target.closest(".wall-tree, .alarm-rail, .wall-top")) return;
    if (this.#do(key)) event.preventDefault();
  }

  #do(key: WallKey): boolean {
    const wall = this.#wall;
    const now = Date.now();
    switch (key.do) {
      case "move":
        this.#move(key.arrow);
        return true;
      case "size":
        this.#size(key.tiles);
        return true;
      case "layout": {
        const layout = this.#layouts.all[key.nth];
        if (layout) this.#open(layout);
        return layout !== undefined;
      }
      case "turn":
        this.#session.dispatch({ type: "turn", now, by: key.by });
        return wall.tour !== null || wall.overview !== null;
      case "hold":
        if (this.#replay.clock) this.#replay.toggle();
        else if (wall.tour) this.#session.dispatch({ type: "tour_hold", now, held: wall.tour.heldAt === null });
        return wall.tour !== null || this.#replay.clock !== null;
      case "leave":
        if (wall.enlarged !== null) this.#session.dispatch({ type: "enlarge", slot: null });
        else if (this.#replay.clock) this.#replay.live(null);
        else if (wall.overview) this.#session.dispatch({ type: "overview", overview: null });
        else return false;
        return true;
      case "back_all":
        this.#back(wall.enlarged === null ? viewOf(wall).flatMap((c, i) => (c ? [i] : [])) : [wall.enlarged]);
        return true;
      case "live":
        this.#replay.live(null);
        return true;
      case "full":
        void this.#full();
        return true;
      case "tree":
        this.#tree = !this.#tree;
        this.requestUpdate();
        return true;
      case "rail":
        this.#rail = !this.#rail;
        this.requestUpdate();
        return true;
      case "search":
        this.#act("choose", wall.selected);
        return true;
      case "acknowledge": {
        const newest = [...wall.alarms].filter(isUrgent).sort((a, b) => b.since - a.since)[0];
        if (newest) void acknowledge(newest, (a) => this.#alarmed(a));
        return true;
      }
      case "help":
        void showKeys(p.wall.keysTitle, p.wall.keys);
        return true;
      default:
        this.#act(key.do, wall.selected);
        return true;
    }
  }

  #move(arrow: Arrow): void {
    const { selected, tiles, enlarged } = this.#wall;
    const to = moveSelection(selected, arrow, this.#grid.columns, tiles);
    this.#session.dispatch({ type: "select", slot: to });
    if (enlarged !== null) this.#session.dispatch({ type: "enlarge", slot: to });
    void this.updateComplete.then(() => this.#tile(to)?.querySelector<HTMLElement>(".wall-tile")?.focus({ preventScroll: true }));
  }

  #size(tiles: WallSize): void {
    this.#session.dispatch({ type: "size", tiles });
    announce(p.wall.tilesOf(tiles));
  }

  #alarmed(alarm: AlarmItem): void {
    this.#session.dispatch({ type: "alarm", now: Date.now(), alarm });
  }

  #bring(alarm: AlarmItem): void {
    this.#session.dispatch({ type: "bring", now: Date.now(), camera: alarm.camera });
  }

  #overview = (node: PlaceNode): void => {
    this.#replay.live(null);
    this.#session.dispatch({ type: "overview", overview: { cameras: camerasOf(this.#catalogue.nodes, node.place.id), place: node.place.id, page: 0 } });
  };

  #pick = ({ cameras }: Picked): void => {
    if (cameras.length === 0) return;
    if (cameras.length > LINES_MAX) notify({ text: p.wall.tooMany(cameras.length) });
    const [only] = cameras;
    const seen = only === undefined || cameras.length > 1 ? -1 : viewOf(this.#wall).indexOf(only);
    if (seen >= 0) return this.#session.dispatch({ type: "select", slot: seen });
    const view = viewOf(this.#wall);
    const slot = view[this.#wall.selected] === null ? this.#wall.selected : view.includes(null) ? view.indexOf(null) : this.#wall.selected;
    this.#session.dispatch({ type: "put", slot, cameras: cameras.slice(0, LINES_MAX) });
  };

  #drop = (event: DragEvent): void => {
    const what = dropped(this, event);
    if (!what) return;
    const slot = what.slot ?? this.#wall.selected;
    if ("from" in what) this.#session.dispatch({ type: "swap", from: what.from, to: slot });
    else this.#session.dispatch({ type: "put", slot, cameras: what.cameras.slice(0, LINES_MAX) });
  };

  async #full(): Promise<void> {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await this.requestFullscreen();
    } catch {
      // Not allowed here: the wall stays as it is.
    }
  }

  // --- Drawing ---

  override updated(): void {
    const grid = this.querySelector<HTMLElement>(".wall-grid");
    if (grid === this.#resized) return;
    this.#resized = grid;
    this.#resize?.disconnect();
    this.#marked?.();
    if (!grid) return;
    this.#resize = new ResizeObserver(([entry]) => {
      if (!entry) return;
      this.#area = { width: entry.contentRect.width, height: entry.contentRect.height };
      this.requestUpdate();
    });
    this.#resize.observe(grid);
    this.#marked = keepMarked(grid, () => this.#session.store.get().link.watermark, () => this.#session.now());
  }

  protected override skeleton(): TemplateResult {
    return html`<div class="skeleton line-skeleton" aria-hidden="true"></div>`;
  }

  #models(): TileModel[] {
    const { wall, link, delays } = this.#session.store.get();
    const offset = this.#session.now() - Date.now();
    const alarms = new Map(wall.alarms.filter(isUrgent).map((a) => [a.camera, a]));
    return viewOf(wall).map((id, slot) => {
      const camera = id ? (this.#catalogue.byId.get(id) ?? null) : null;
      const known = id ? wall.known.get(id) : undefined;
      const mid = this.#session.mid(slot);
      const delay = mid === null ? undefined : delays.get(mid);
      const refusal = id ? wall.refused.get(id) : undefined;
      return {
        slot, camera,
        state: known?.state ?? camera?.status.state ?? "connecting",
        since: known?.since ?? camera?.status.since ?? 0,
        recording: (known?.status ?? camera?.status)?.recording ?? false,
        carried: mid === null ? null : (wall.carried.get(mid) ?? null),
        refusal: refusal ? p.refusals[refusal] : null,
        alarm: (id && alarms.get(id)) || null,
        delayMs: delay?.ms ?? null,
        delayWhole: delay?.whole ?? false,
        clockTold: (known?.status ?? camera?.status)?.clock_offset_ms != null,
        soundless: camera && soundless(camera, known?.status ?? camera.status),
        selected: wall.selected === slot,
        enlarged: wall.enlarged === slot,
        hidden: wall.enlarged !== null && wall.enlarged !== slot,
        heard: id !== null && wall.sound === id,
        mute: id !== null && wall.mute === id,
        replaying: id !== null && this.#replay.has(id),
        linkUp: link.phase === "up",
        clockOffset: Math.round(offset / 100) * 100,
      };
    });
  }

  /** The same set as long as the same cameras are shown. */
  #onWall(view: readonly (string | null)[]): ReadonlySet<string> {
    const key = view.join();
    if (key !== this.#shownKey) {
      this.#shownKey = key;
      this.#shown = new Set(view.filter((c) => c !== null));
    }
    return this.#shown;
  }

  protected override content(): TemplateResult {
    const { wall, link } = this.#session.store.get();
    const words = this.#error ? problemWords(this.#error) : null;
    const shownTree = this.#tree && this.#loaded && words === null;
    const { width, height } = this.#area;
    const { clock } = this.#replay;
    this.#grid = gridFor(wall.tiles, width, height);
    const cell = cellFor(this.#grid, width, height);
    return html`<div class="wall-page" data-link=${link.phase} data-media=${link.media}>
      ${wallTop(
        { wall, link, layouts: this.#layouts.all, layout: this.#layouts.up, tree: this.#tree, rail: this.#rail, urgent: wall.alarms.filter(isUrgent).length, now: this.#session.now(), screen: this.#screen, replaying: clock !== null },
        {
          size: (tiles) => this.#size(tiles), open: (l) => this.#open(l), save: () => void this.#layouts.save(this.#layouts.current), saveAs: () => void this.#layouts.save(null),
          rename: (l) => void this.#layouts.rename(l), remove: (l) => void this.#layouts.remove(l), tour: () => void this.#tour(), endTour: () => this.#session.dispatch({ type: "tour_end" }), hold: () => this.#do({ do: "hold" }),
          turn: (by) => this.#session.dispatch({ type: "turn", now: Date.now(), by }), overviewEnd: () => this.#session.dispatch({ type: "overview", overview: null }), clear: () => this.#clearAll(),
          tree: () => this.#do({ do: "tree" }), rail: () => this.#do({ do: "rail" }), full: () => void this.#full(), help: () => this.#do({ do: "help" }), unblock: () => this.#session.unblockSound(),
        },
      )}
      ${shownTree ? html`<aside class="wall-tree" aria-label=${p.tree.title}><lec-camera-tree .nodes=${this.#catalogue.nodes} .states=${this.#treeStates} .shown=${this.#onWall(viewOf(wall))} .pick=${this.#pick} .overview=${this.#overview}></lec-camera-tree></aside>` : nothing}
      <main id="content" class="wall-grid ${wall.enlarged === null ? "" : "one"} ${cell.roomy ? "roomy" : ""}" tabindex="-1" aria-label=${p.wall.title} ${vars({ "--columns": this.#grid.columns, "--rows": this.#grid.rows, "--tile-width": `${cell.width}px`, "--tile-height": `${cell.height}px` })}
        @dragstart=${dragStart} @dragover=${(e: DragEvent) => dragOver(this, e)} @drop=${this.#drop}>
        <h1 class="sr">${this.named()}</h1>
        ${words ? html`<div class="wall-note">${wordsNote(words, { code: words.code, actions: html`<button class="btn" @click=${() => void this.load()}>${t.common.again}</button>` })}</div>` : nothing}
        ${this.#loaded && !words && this.#catalogue.cameras.length === 0 ? html`<div class="wall-note"><div class="empty"><h2>${p.cameras.none}</h2><p>${p.cameras.noneLead}</p><a class="btn primary" href="/patrol/cameras">${p.cameras.add}</a></div></div>` : nothing}
        ${repeat(this.#models(), (m) => m.slot, (m) => html`<lec-wall-tile ?hidden=${m.hidden} .model=${m} .session=${this.#session} .clock=${clock} .act=${this.#act}></lec-wall-tile>`)}
        ${clock ? this.#replay.bar(clock) : nothing}
        ${link.phase === "closed" ? html`<div class="wall-note">${this.#closedNote(link.code)}</div>` : nothing}
      </main>
      ${this.#rail ? alarmRail(wall.alarms, { known: this.#alarmsKnown && link.phase === "up", now: this.#session.now(), mutedUntil: this.#tone.mutedUntil, mute: (on) => { if (on) this.#tone.mute(Date.now()); else this.#tone.unmute(); this.requestUpdate(); }, bring: (a) => this.#bring(a), changed: (a) => this.#alarmed(a) }) : nothing}
    </div>`;
  }

  #closedNote(code: string | null): TemplateResult {
    const words = p.closed[code as keyof typeof p.closed] ?? p.closed.protocol_error;
    const action = code === "signed_out" || code === "not_authorised" ? html`<a class="btn primary" href="/signin?next=/wall">${t.settings.signIn}</a>` : html`<button class="btn primary" @click=${() => (code === "version_mismatch" ? location.reload() : code === "needs_second_factor" ? void proveFactor().then((ok) => ok && this.#session.again()) : this.#session.again())}>${code === "version_mismatch" ? t.common.reload : t.common.again}</button>`;
    return wordsNote(words, { tone: "bad", code: code ?? "", actions: action });
  }
}
define("page-wall", PageWall);

