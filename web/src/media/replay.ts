/**
 * One camera's recording on one media element, kept in step with a clock of wall time. The playlist tells for each fragment
 * when it was (EXT-X-PROGRAM-DATE-TIME), so a moment finds its place whatever gaps lie before it. A grant lives a minute:
 * it is renewed while playing, and the newest one is put into every address that is fetched.
 */
import type HlsClass from "hls.js/light";
import type { CameraId, MediaGrant } from "../protocol/generated/index";
import { ApiError } from "../protocol/http";
import { grant as askGrant, playlistUrl, withToken, type MediaVariant } from "../protocol/patrol";
import { beyond, keepStep, nextRecorded, playerTime, type Fragment } from "../state/patrol/step";

export type ReplayPhase = "loading" | "playing" | "gap" | "unsupported" | "refused" | "broken";

/** The stretch of a playlist around the moment that is played; keyframes alone are small. */
const BACK_MS = 60_000;
const AHEAD_MS: Record<MediaVariant, number> = { main: 15 * 60_000, sub: 15 * 60_000, sound: 15 * 60_000, keyframes: 2 * 3_600_000 };
/** A grant is renewed this long before it ends. */
const RENEW_BEFORE_MS = 15_000;
const RECOVERIES_MAX = 3;
const ATTEMPTS_MAX = 8;
/** A new stretch is asked for at most this often, so that the end of what is recorded is not asked for again and again. */
const RELOAD_MS_MIN = 4_000;
/** A stretch that was at its end may have a next part by now: recordings follow one another. */
const ENDED_AGAIN_MS = 8_000;
/** A stretch of which nothing can be seen after this is asked for anew. */
const STUCK_MS = 15_000;

let hls: Promise<typeof HlsClass> | null = null;
const loadHls = (): Promise<typeof HlsClass> => (hls ??= import("hls.js/light").then((m) => m.default));

/** Whether this browser plays what a main stream is recorded in. */
export function canPlay(codec: string): boolean {
  if (codec === "") return false;
  try {
    const source = (globalThis as { ManagedMediaSource?: typeof MediaSource }).ManagedMediaSource ?? MediaSource;
    return source.isTypeSupported(`video/mp4; codecs="${codec}"`);
  } catch {
    return false;
  }
}

/** The stretches of a playlist of which there is something: an EXT-X-GAP is never loaded, and who waits for it waits for ever. Pure. */
export function seen(list: readonly { start: number; duration: number; programDateTime: number | null; gap?: boolean }[]): Fragment[] {
  return list.filter((f) => f.gap !== true).map((f) => ({ start: f.start, duration: f.duration, date: f.programDateTime }));
}

/** A grant for a range, renewed in time. `now`: by this machine's clock, as far off the server's as `offset` says. */
export class Token {
  #grant: MediaGrant | null = null;
  #asking: Promise<string> | null = null;
  constructor(
    private readonly camera: CameraId,
    private readonly from: number,
    private readonly to: number,
    private readonly offset: () => number,
  ) {}

  get(force = false): Promise<string> {
    if (!force && this.#grant && this.#grant.expires - (Date.now() + this.offset()) > RENEW_BEFORE_MS) return Promise.resolve(this.#grant.token);
    this.#asking ??= askGrant(this.camera, { purpose: "play", from: Math.round(this.from), to: Math.round(this.to) })
      .then((g) => {
        this.#grant = g;
        return g.token;
      })
      .finally(() => {
        this.#asking = null;
      });
    return this.#asking;
  }
}

export class ReplayPlayer {
  phase: ReplayPhase = "loading";
  /** When recording goes on after a gap, if the playlist knows. */
  next: number | null = null;
  error: unknown = null;
  #hls: HlsClass | null = null;
  #fragments: Fragment[] = [];
  #window: { from: number; to: number } | null = null;
  /** Whether the playlist grows no more. */
  #ended = false;
  #loadedAt = Number.NEGATIVE_INFINITY;
  #turn = 0;
  #over = false;
  #loadingSince: number | null = null;

  constructor(
    readonly element: HTMLMediaElement,
    readonly camera: CameraId,
    public variant: MediaVariant,
    private readonly changed: () => void,
    private readonly clockOffset: () => number = () => 0,
  ) {
    element.preload = "auto";
  }

  /** Another stream of the same camera from the next `follow` on. */
  use(variant: MediaVariant): void {
    if (variant === this.variant) return;
    this.variant = variant;
    this.#drop();
  }

  /** Whether the clock should wait for it. */
  get waits(): boolean {
    if (this.phase === "loading") return true;
    return this.phase === "playing" && (this.element.seeking || this.element.readyState < 2);
  }

  follow(at: number, running: boolean, rate: number): void {
    if (this.#over || this.phase === "refused" || this.phase === "unsupported" || this.phase === "broken") return;
    const { element } = this;
    if (this.phase !== "loading") this.#loadingSince = null;
    else if (performance.now() - (this.#loadingSince ??= performance.now()) > STUCK_MS) {
      this.#loadingSince = null;
      return this.#drop();
    }
    const inside = this.#window !== null && at >= this.#window.from && at < this.#window.to;
    if (!inside && (this.#window === null || performance.now() - this.#loadedAt > RELOAD_MS_MIN)) return this.#load(at);
    if (this.#fragments.length === 0) return;
    const want = playerTime(this.#fragments, at);
    if (want === null) {
      if (this.#ended && beyond(this.#fragments, at) && performance.now() - this.#loadedAt > ENDED_AGAIN_MS) return this.#load(at);
      if (!element.paused) element.pause();
      this.next = nextRecorded(this.#fragments, at);
      return this.#become("gap");
    }
    if (element.readyState >= 1) {
      if (!element.seeking) {
        const step = keepStep(element.currentTime, want, rate, running);
        if (step.type === "seek") element.currentTime = step.to;
        else if (running && Math.abs(element.playbackRate - step.rate) > 0.001) element.playbackRate = step.rate;
      }
      if (running && element.paused) void element.play().catch(() => undefined);
      if (!running && !element.paused) element.pause();
      if (element.readyState >= 2) this.#become("playing");
      else if (this.phase === "gap") this.#become("loading");
    }
  }

  /** Nothing is recorded anywhere near: nothing is asked for. */
  rest(): void {
    if (!this.element.paused) this.element.pause();
    this.next = null;
    if (this.phase === "loading" || this.phase === "playing") this.#become("gap");
  }

  /** After a failure: from the beginning at the next `follow`. */
  retry(): void {
    this.#drop();
    this.#become("loading");
  }

  close(): void {
    this.#over = true;
    this.#drop();
  }

  #drop(): void {
    this.#turn += 1;
    this.#hls?.destroy();
    this.#hls = null;
    this.#fragments = [];
    this.#window = null;
    this.element.removeAttribute("src");
    this.element.load();
    if (this.phase !== "loading" && !this.#over) this.#become("loading");
  }

  #become(phase: ReplayPhase): void {
    if (phase === this.phase) return;
    this.phase = phase;
    this.changed();
  }

  #load(at: number): void {
    const from = at - BACK_MS;
    // Beyond now: the playlist grows with the recording, and what is played near it is not loaded anew each minute.
    const to = at + AHEAD_MS[this.variant];
    // The next stretch replaces the old one; its last picture stays until then.
    this.#window = { from, to: to - 2_000 };
    this.#loadedAt = performance.now();
    void this.#open(++this.#turn, from, to, at);
  }

  async #open(turn: number, from: number, to: number, at: number): Promise<void> {
    const current = (): boolean => turn === this.#turn && !this.#over;
    const token = new Token(this.camera, from, to, this.clockOffset);
    try {
      const [first, Hls] = await Promise.all([token.get(), loadHls()]);
      if (!current()) return;
      if (!Hls.isSupported()) return this.#become("unsupported");
      const old = this.#hls;
      const player = new Hls({
        enableWorker: false, autoStartLoad: false, maxBufferLength: 20, backBufferLength: 30, maxBufferSize: 30_000_000, lowLatencyMode: false,
        xhrSetup: async (xhr: XMLHttpRequest, url: string) => {
          const address = withToken(url, await token.get());
          xhr.open("GET", address, true);
        },
      });
      this.#hls = player;
      let attempts = 0;
      let recoveries = 0;
      let started = false;
      const take = (): void => {
        this.#fragments = seen(player.levels[0]?.details?.fragments ?? []);
      };
      for (const event of [Hls.Events.LEVEL_UPDATED, Hls.Events.LEVEL_PTS_UPDATED] as const) player.on(event, () => current() && take());
      player.on(Hls.Events.LEVEL_LOADED, (_event, data) => {
        if (!current()) return;
        this.#ended = !data.details.live;
        this.#fragments = seen(data.details.fragments);
        if (started) return;
        started = true;
        player.startLoad(playerTime(this.#fragments, at) ?? 0);
        if (this.#fragments.length === 0) {
          this.next = null;
          this.#become("gap");
        }
      });
      player.on(Hls.Events.FRAG_BUFFERED, () => {
        attempts = 0;
      });
      player.on(Hls.Events.ERROR, (_event, data) => {
        if (!data.fatal || !current()) return;
        const code = data.response?.code;
        if (data.details === Hls.ErrorDetails.BUFFER_ADD_CODEC_ERROR || data.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) return this.#become("unsupported");
        // Nothing is recorded there: an empty stretch, not a failure.
        if (data.details === Hls.ErrorDetails.LEVEL_EMPTY_ERROR || (code === 404 && !started)) return this.#become("gap");
        if (data.type === Hls.ErrorTypes.MEDIA_ERROR && recoveries++ < RECOVERIES_MAX) return player.recoverMediaError();
        if (data.type === Hls.ErrorTypes.NETWORK_ERROR && attempts++ < ATTEMPTS_MAX) {
          const again = (): void => void setTimeout(() => current() && (player.levels.length === 0 ? player.loadSource(playlistUrl(first, this.variant, from, to)) : player.startLoad()), 1_000);
          if (code === 401 || code === 403) return void token.get(true).then(again).catch((error: unknown) => this.#refused(error));
          return again();
        }
        this.#become("broken");
      });
      // A media playlist tells its fragments with the manifest, and loading begins where it is needed: begun anywhere else it
      // would be broken off at once. Only a list of variants has to be started to tell them.
      player.on(Hls.Events.MANIFEST_PARSED, () => {
        setTimeout(() => current() && !started && player.startLoad(-1), 0);
      });
      player.loadSource(playlistUrl(first, this.variant, from, to));
      old?.destroy();
      player.attachMedia(this.element);
    } catch (error) {
      if (current()) this.#refused(error);
    }
  }

  #refused(error: unknown): void {
    this.error = error;
    this.#become(error instanceof ApiError && error.status === 0 ? "broken" : "refused");
  }
}
