/**
 * The recording on the wall, without leaving it: which tiles show it, the one clock that they follow, and its bar. What one
 * tile does with the clock is its own (`wall-tile.ts`).
 */
import { html, type TemplateResult } from "lit";
import { Pause, Play, Radio, RotateCcw } from "lucide";
import { p } from "../../i18n/patrol";
import type { Camera, CameraId } from "../../protocol/generated/index";
import { MasterClock } from "../../state/patrol/step";
import { announce, notify } from "../announce";
import { icon } from "../icon";
import type { LecWallTile } from "./wall-tile";
import { clockS, lasting } from "./words-of";

/** Recordings that are played at once beside each other on an old PC. */
const REPLAYS_MAX = 16;
const BACK_MS = 60_000;
/** Nearer to the present nothing can be fetched yet. */
const NOW_MS = 2_000;

export interface ReplayPort {
  /** The server's clock. */
  now(): number;
  /** Somebody looks back, or is live again: the wall is drawn anew. */
  changed(): void;
}

export class WallReplay {
  clock: MasterClock | null = null;
  #cameras = new Set<CameraId>();

  constructor(private readonly port: ReplayPort) {}

  has(camera: CameraId): boolean {
    return this.clock !== null && this.#cameras.has(camera);
  }

  /** Back one minute, or one more. Tells whether it is shown. */
  back(wanted: readonly (Camera | null)[]): boolean {
    const cameras = wanted.filter((c) => c?.may.play);
    if (cameras.length === 0) notify({ text: p.tile.replayRefused });
    else if (cameras.length > REPLAYS_MAX) notify({ text: p.wall.replaysMax(REPLAYS_MAX) });
    else {
      if (this.clock) this.#rewind(this.clock);
      else {
        this.clock = new MasterClock(this.port.now() - BACK_MS, 0, this.port.now());
        this.clock.play(performance.now());
      }
      for (const camera of cameras) if (camera) this.#cameras.add(camera.id);
      announce(p.tile.replay);
      this.port.changed();
      return true;
    }
    return false;
  }

  /** One camera is live again, or all are. */
  live(camera: CameraId | null): void {
    if (!this.clock) return;
    if (camera) this.#cameras.delete(camera);
    else this.#cameras.clear();
    if (this.#cameras.size === 0) this.clock = null;
    announce(p.tile.live);
    this.port.changed();
  }

  toggle(): void {
    const now = performance.now();
    if (this.clock?.playing) this.clock.pause(now);
    else this.clock?.play(now);
    this.port.changed();
  }

  /** Brings the tiles to the clock, and the clock to what can be played. */
  step(tiles: readonly LecWallTile[], time: Element | null): void {
    const { clock } = this;
    if (!clock) return;
    const now = performance.now();
    for (const tile of tiles) tile.step(now);
    const playing = tiles.flatMap((tile) => tile.replay ?? []);
    clock.hold(now, playing.length > 0 && playing.every((r) => r.waits));
    clock.to = this.port.now() - NOW_MS;
    // Nothing is recorded on any of them: it goes on where something is, and says so.
    const next = Math.min(...playing.flatMap((r) => r.next ?? []));
    const at = clock.position(now);
    if (playing.length > 0 && playing.every((r) => r.phase === "gap") && next > at && next < clock.to) {
      notify({ text: p.tile.skipped(lasting(next - at)) });
      clock.seek(now, next);
    }
    if (time) time.textContent = clockS(clock.position(now));
    if (clock.position(now) >= clock.to) clock.seek(now, clock.to - 1_000);
  }

  bar(clock: MasterClock): TemplateResult {
    return html`<div class="replay-bar" role="group" aria-label=${p.tile.replay}>
      <button class="btn small" @click=${() => this.#rewind(clock)} title="${p.tile.backMinute} (B)">${icon(RotateCcw)}${p.tile.minute}</button>
      <button class="btn small icon-only" aria-label=${clock.playing ? p.timeline.pause : p.timeline.play} @click=${() => this.toggle()}>${icon(clock.playing ? Pause : Play)}</button>
      <time class="num"></time>
      <button class="btn small primary" @click=${() => this.live(null)} title="L">${icon(Radio)}${p.tile.toLive}</button>
    </div>`;
  }

  #rewind(clock: MasterClock): void {
    const now = performance.now();
    clock.seek(now, clock.position(now) - BACK_MS);
  }
}
