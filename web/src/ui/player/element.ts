/** One recorded track on one media element: opened when its time comes, kept in step with the player's clock. */
import type HlsClass from "hls.js/light";
import type { RecordedTrack } from "../../protocol/generated/index";
import { correct } from "./clock";

/** A track is opened this long before it is needed and closed this long after. */
const AHEAD_MS = 4_000;
const KEEP_MS = 20_000;
/** A broken stretch is jumped by the browser's decoder starting anew; one that breaks it again and again is given up. */
const RECOVERIES_MAX = 3;
/** A server that restarts is back within seconds; attempts of a second each. */
const ATTEMPTS_MAX = 15;

/** Why a track is not played: the browser can't, or the file or the line broke. */
export type Failure = "unsupported" | "broken";

/** hls.js is loaded with the first track that needs it, by the player only. */
let hls: Promise<typeof HlsClass> | null = null;
const loadHls = (): Promise<typeof HlsClass> => (hls ??= import("hls.js/light").then((m) => m.default));

export class TrackElement {
  failed: Failure | null = null;
  /** Not yet: a WebM is put together once the lesson is over. */
  later = false;
  #open = false;
  #hls: HlsClass | null = null;

  /** `track` is replaced while a lesson runs: its end moves. */
  constructor(
    public track: RecordedTrack,
    readonly element: HTMLMediaElement,
  ) {
    element.preload = "auto";
    element.addEventListener("error", () => {
      if (this.#open && element.getAttribute("src")) this.failed ??= "broken";
    });
  }

  /** Whether there is something to see or hear of it. */
  get ready(): boolean {
    return this.element.readyState >= 2;
  }

  /** Whether the clock should wait for it. */
  waits(at: number): boolean {
    if (!this.#open || this.failed || at < this.track.from_ms || at >= this.track.to_ms - 300) return false;
    return this.element.seeking || this.element.readyState < 3;
  }

  /** Brings it to where the clock is. `wanted`: it is shown although its time has not come, at its first picture. */
  follow(at: number, running: boolean, rate: number, wanted = false): void {
    const { track, element } = this;
    const near = at >= track.from_ms - AHEAD_MS && at <= track.to_ms + KEEP_MS;
    if (this.later || !(near || wanted)) return this.close();
    if (!this.#open) this.#load(Math.max(at, track.from_ms) / 1_000);
    // Playlists and WebM files begin with the recording, whenever their track begins.
    if (at < track.from_ms || at >= track.to_ms) {
      if (!element.paused) element.pause();
      const first = track.from_ms / 1_000;
      if (at < track.from_ms && element.readyState >= 1 && !element.seeking && Math.abs(element.currentTime - first) > 0.1) element.currentTime = first;
      return;
    }
    const want = at / 1_000;
    if (element.readyState >= 1 && !element.seeking) {
      const correction = correct(element.currentTime, want, rate);
      if (correction.type === "seek") element.currentTime = want;
      else if (running && Math.abs(element.playbackRate - correction.rate) > 0.001) element.playbackRate = correction.rate;
    }
    if (running && element.paused) void element.play().catch(() => undefined);
    if (!running && !element.paused) element.pause();
  }

  /** Tries again from the beginning at the next `follow`. */
  retry(): void {
    this.close();
    this.failed = null;
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
    this.failed = null;
    const { playlist, webm } = this.track;
    if (playlist) {
      void this.#loadPlaylist(playlist, start);
    } else if (webm && this.element.canPlayType('video/webm; codecs="vp8"') === "") {
      this.failed = "unsupported";
    } else if (webm) {
      this.element.src = webm;
    } else {
      this.failed = "broken";
    }
  }

  async #loadPlaylist(playlist: string, start: number): Promise<void> {
    const Hls = await loadHls().catch(() => null);
    if (!this.#open || this.#hls) return;
    if (Hls?.isSupported()) {
      const player = (this.#hls = new Hls({ enableWorker: false, startPosition: start, maxBufferLength: 30, backBufferLength: 60, lowLatencyMode: false }));
      let attempts = 0;
      let recoveries = 0;
      player.on(Hls.Events.FRAG_BUFFERED, () => {
        attempts = 0;
      });
      player.on(Hls.Events.ERROR, (_event, data) => {
        if (!data.fatal || this.#hls !== player) return;
        const gone = data.response?.code === 404;
        if (data.details === Hls.ErrorDetails.BUFFER_ADD_CODEC_ERROR || data.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) this.failed = "unsupported";
        else if (data.type === Hls.ErrorTypes.MEDIA_ERROR && recoveries++ < RECOVERIES_MAX) player.recoverMediaError();
        else if (data.type === Hls.ErrorTypes.NETWORK_ERROR && !gone && attempts++ < ATTEMPTS_MAX) setTimeout(() => this.#hls === player && this.#again(player, playlist), 1_000);
        else this.failed = "broken";
      });
      player.loadSource(playlist);
      player.attachMedia(this.element);
    } else if (this.element.canPlayType("application/vnd.apple.mpegurl")) {
      this.element.src = playlist; // Safari on phones plays it itself
    } else {
      this.failed = "unsupported";
    }
  }

  /** After a failed request: without a playlist there is nothing yet whose loading could go on. */
  #again(player: HlsClass, playlist: string): void {
    if (player.levels.length === 0) player.loadSource(playlist);
    else player.startLoad();
  }
}
