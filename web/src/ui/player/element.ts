/** One recorded track on one media element: opened when its time comes, kept in step with the player's clock. */
import type HlsClass from "hls.js/light";
import type { RecordedTrack } from "../../protocol/generated/index";
import { correct } from "./clock";

/** A track is opened this long before it is needed and closed this long after. */
const AHEAD_MS = 4_000;
const KEEP_MS = 20_000;

/** hls.js is loaded with the first track that needs it, by the player only. */
let hls: Promise<typeof HlsClass> | null = null;
const loadHls = (): Promise<typeof HlsClass> => (hls ??= import("hls.js/light").then((m) => m.default));

export class TrackElement {
  failed = false;
  #open = false;
  #hls: HlsClass | null = null;

  constructor(
    readonly track: RecordedTrack,
    readonly element: HTMLMediaElement,
  ) {
    element.preload = "auto";
    element.addEventListener("error", () => {
      if (this.#open && element.getAttribute("src")) this.failed = true;
    });
  }

  /** Whether the clock should wait for it. */
  waits(at: number): boolean {
    if (!this.#open || this.failed || at < this.track.from_ms || at >= this.track.to_ms - 300) return false;
    return this.element.seeking || this.element.readyState < 3;
  }

  follow(at: number, running: boolean, rate: number): void {
    const { track, element } = this;
    const near = at >= track.from_ms - AHEAD_MS && at <= track.to_ms + KEEP_MS;
    if (!near) return this.close();
    if (!this.#open) this.#load(Math.max(at, track.from_ms) / 1_000);
    if (at < track.from_ms || at >= track.to_ms) {
      if (!element.paused) element.pause();
      return;
    }
    // Playlists and WebM files begin with the recording, whenever their track begins.
    const want = at / 1_000;
    if (element.readyState >= 1 && !element.seeking) {
      const correction = correct(element.currentTime, want, rate);
      if (correction.type === "seek") element.currentTime = want;
      else if (running && Math.abs(element.playbackRate - correction.rate) > 0.001) element.playbackRate = correction.rate;
    }
    if (running && element.paused) void element.play().catch(() => undefined);
    if (!running && !element.paused) element.pause();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#hls?.destroy();
    this.#hls = null;
    this.element.removeAttribute("src");
    this.element.load();
  }

  #load(start: number): void {
    this.#open = true;
    this.failed = false;
    const { playlist, webm } = this.track;
    if (playlist) {
      void this.#loadPlaylist(playlist, start);
    } else if (webm) {
      this.element.src = webm;
    } else {
      this.failed = true;
    }
  }

  async #loadPlaylist(playlist: string, start: number): Promise<void> {
    const Hls = await loadHls().catch(() => null);
    if (!this.#open || this.#hls) return;
    if (Hls?.isSupported()) {
      const player = (this.#hls = new Hls({ enableWorker: false, startPosition: start, maxBufferLength: 30, backBufferLength: 60, lowLatencyMode: false }));
      player.on(Hls.Events.ERROR, (_event, data) => {
        if (!data.fatal) return;
        if (data.type === Hls.ErrorTypes.MEDIA_ERROR) player.recoverMediaError();
        else if (data.type === Hls.ErrorTypes.NETWORK_ERROR && data.response?.code !== 404) setTimeout(() => player.startLoad(), 1_000);
        else this.failed = true;
      });
      player.loadSource(playlist);
      player.attachMedia(this.element);
    } else if (this.element.canPlayType("application/vnd.apple.mpegurl")) {
      this.element.src = playlist; // Safari on phones plays it itself
    } else {
      this.failed = true;
    }
  }
}
