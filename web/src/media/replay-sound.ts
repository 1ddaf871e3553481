/**
 * The recorded sound of one camera, kept in step with a clock of wall time. AAC plays on a media element like a picture; G.711,
 * which browsers take from no file, is decoded here and given to Web Audio, at single speed only: sped up it would be another
 * sound. Everything that is fetched is renewed, dropped and asked for again as pictures are (`replay.ts`).
 */
import type { CameraDay, CameraId } from "../protocol/generated/index";
import { ApiError, problem } from "../protocol/http";
import { playlistUrl, withToken } from "../protocol/patrol";
import { sounds } from "../state/patrol/day";
import { samplesOf, trackOf } from "./fragments";
import { decodeG711, G711_RATE_HZ, type G711 } from "./g711";
import { ReplayPlayer, Token } from "./replay";
import { readSoundList, segmentsFor, type SoundSegment } from "./sound-list";

/** `rate`: it is not heard because the recording does not run at single speed. */
export type SoundPhase = "loading" | "playing" | "rate" | "gap" | "unsupported" | "refused" | "broken";

/** Sound that begins or ends as near as this is asked for; a day that is shown lags a little behind what is recorded. */
const BACK_MS = 20_000;
const AHEAD_MS = 15 * 60_000;
/** Fetched and given to the sound card this far ahead: a hiccup of the line or of the page is not heard. */
const SCHEDULED_MS = 4_000;
/** Further off the picture than this it begins anew where it should be (ITU-R BT.1359 takes 125 ms behind for unnoticed). */
const DRIFT_MS_MAX = 80;
const RELOAD_MS_MIN = 4_000;
const KEPT_MAX = 16;
/** Stands in an address until one is put in its place. */
const ANY_TOKEN = "token";
const RETRY_MS = 1_000;
const TRIES_MAX = 8;

const isG711 = (codec: string): codec is G711 => codec === "alaw" || codec === "ulaw";

interface Piece {
  segment: SoundSegment;
  buffer: AudioBuffer | null;
}

/** Fetches with a grant that is good. One that the server takes for over, because this machine's clock is behind, is renewed once. */
async function granted(token: Token | null, url: string): Promise<Response> {
  const ask = async (force: boolean): Promise<Response> => fetch(token ? withToken(url, await token.get(force)) : url, { credentials: "same-origin" });
  const response = await ask(false);
  return response.status === 401 && token ? ask(true) : response;
}

export class ReplaySound {
  phase: SoundPhase = "loading";
  #context: AudioContext | null = null;
  /** Whoever plays what is not G.711. */
  #element: ReplayPlayer | null = null;
  #window: { from: number; to: number } | null = null;
  #token: Token | null = null;
  #list: SoundSegment[] = [];
  #codecs = new Map<string, { codec: string; timescale: number }>();
  /** Decoded, by their address; null while they are fetched. */
  #pieces = new Map<string, Piece | null>();
  #sources = new Map<string, AudioBufferSourceNode>();
  /** The context's time at which Unix time 0 would have been heard. */
  #base = 0;
  #loadedAt = Number.NEGATIVE_INFINITY;
  #turn = 0;
  #tries = 0;
  #waitUntil = 0;
  #over = false;

  constructor(
    readonly camera: CameraId,
    private readonly changed: () => void,
  ) {}

  /** `day`: what is recorded of the camera, if that is known yet. */
  follow(at: number, running: boolean, rate: number, day: CameraDay | null): void {
    if (this.#over || this.phase === "refused" || this.phase === "broken" || this.phase === "unsupported") return;
    // What was never recorded is not asked for, or the audit log would tell of refusals.
    const recorded = day !== null && sounds(day, at - BACK_MS, at + BACK_MS);
    if (this.#element) {
      if (!recorded) {
        this.#element.rest();
        return this.#become("gap");
      }
      // An element keeps the pitch; what is faster is no speech any more.
      this.#element.follow(at, running && rate <= 2, rate);
      const { phase } = this.#element;
      return this.#become(rate > 2 && phase !== "refused" && phase !== "broken" ? "rate" : phase);
    }
    const inside = this.#window !== null && at >= this.#window.from && at < this.#window.to;
    if (!inside && !recorded) {
      this.#silence();
      return this.#become(day === null ? "loading" : "gap");
    }
    const now = performance.now();
    if (!inside && now - this.#loadedAt > (this.#window === null ? 0 : RELOAD_MS_MIN) && now >= this.#waitUntil) void this.#load(at);
    if (rate !== 1) {
      this.#silence();
      return this.#become("rate");
    }
    const due = segmentsFor(this.#list, at, SCHEDULED_MS);
    for (const segment of due) if (now >= this.#waitUntil) void this.#fetch(segment);
    const here = due[0] !== undefined && due[0].from <= at ? due[0] : null;
    if (this.#window !== null) this.#become(here === null ? "gap" : this.#pieces.get(here.url) ? "playing" : "loading");
    if (!running) return this.#silence();
    this.#schedule(at, due);
  }

  close(): void {
    this.#over = true;
    this.#turn += 1;
    this.#silence();
    this.#element?.close();
    void this.#context?.close().catch(() => undefined);
  }

  #become(phase: SoundPhase): void {
    if (phase === this.phase || this.#over) return;
    this.phase = phase;
    this.changed();
  }

  #silence(): void {
    for (const source of this.#sources.values()) {
      source.onended = null;
      source.stop();
      source.disconnect();
    }
    this.#sources.clear();
  }

  #schedule(at: number, due: readonly SoundSegment[]): void {
    const context = this.#context;
    if (!context || context.state !== "running") return void context?.resume().catch(() => undefined);
    // What is given to the card now is heard a little later.
    const base = context.currentTime - (context.outputLatency || 0) - at / 1_000;
    if (this.#sources.size === 0 || Math.abs(base - this.#base) * 1_000 > DRIFT_MS_MAX) {
      this.#silence();
      this.#base = base;
    }
    for (const { url, from } of due) {
      const buffer = this.#pieces.get(url)?.buffer;
      if (!buffer || this.#sources.has(url)) continue;
      const begins = this.#base + from / 1_000;
      const into = Math.max(0, context.currentTime - begins);
      if (into >= buffer.duration) continue;
      const source = new AudioBufferSourceNode(context, { buffer });
      source.connect(context.destination);
      source.onended = () => {
        source.disconnect();
        if (this.#sources.get(url) === source) this.#sources.delete(url);
      };
      source.start(Math.max(context.currentTime, begins), into);
      this.#sources.set(url, source);
    }
  }

  async #load(at: number): Promise<void> {
    const turn = ++this.#turn;
    const from = at - BACK_MS;
    const to = Math.max(at + 1_000, Math.min(at + AHEAD_MS, Date.now()));
    this.#loadedAt = performance.now();
    this.#waitUntil = this.#loadedAt + RELOAD_MS_MIN;
    try {
      const token = new Token(this.camera, from, to, () => 0);
      const url = playlistUrl(await token.get(), "sound", from, to);
      const response = await granted(token, url);
      if (turn !== this.#turn) return;
      // Nothing is recorded there.
      if (!response.ok && response.status !== 404) throw await problem(response);
      // An address is known by what it leads to, not by the token of the hour.
      const list = response.ok ? readSoundList(await response.text(), withToken(new URL(url, location.href).href, ANY_TOKEN)) : [];
      if (turn !== this.#turn) return;
      this.#token = token;
      if (list[0]) await this.#trackOf(list[0].init);
      if (turn !== this.#turn) return;
      const codec = list[0] ? this.#codecs.get(list[0].init)?.codec : undefined;
      if (codec !== undefined && !isG711(codec)) {
        this.#element = new ReplayPlayer(new Audio(), this.camera, "sound", () => undefined);
        return;
      }
      this.#list = list;
      this.#window = { from, to: Math.max(to - 2_000, at + 1_000) };
      this.#tries = 0;
      this.#waitUntil = 0;
      this.#context ??= new AudioContext();
    } catch (error) {
      if (turn === this.#turn) this.#failed(error);
    }
  }

  async #trackOf(init: string): Promise<{ codec: string; timescale: number }> {
    const known = this.#codecs.get(init);
    if (known) return known;
    const track = trackOf(await this.#bytes(init));
    if (!track) throw new TypeError("not a header of sound");
    this.#codecs.set(init, track);
    return track;
  }

  async #fetch(segment: SoundSegment): Promise<void> {
    if (this.#pieces.has(segment.url)) return;
    this.#pieces.set(segment.url, null);
    try {
      const track = await this.#trackOf(segment.init);
      const buffer = this.#decode(track, await this.#bytes(segment.url));
      if (this.#over) return;
      this.#pieces.set(segment.url, { segment, buffer });
      this.#tries = 0;
    } catch (error) {
      this.#pieces.delete(segment.url);
      this.#failed(error);
    }
    // The oldest goes first: a map keeps the order in which it was filled.
    for (const [url, piece] of this.#pieces) if (this.#pieces.size > KEPT_MAX && piece) this.#pieces.delete(url);
  }

  #decode({ codec, timescale }: { codec: string; timescale: number }, bytes: Uint8Array): AudioBuffer | null {
    const fragment = samplesOf(bytes);
    if (!fragment || !isG711(codec)) throw new TypeError("not a fragment of G.711");
    const place = (ticks: number): number => Math.round((ticks / timescale) * G711_RATE_HZ);
    const length = place(fragment.duration);
    if (length === 0) return null;
    // Where a packet was lost its time stays silent.
    const samples = new Float32Array(length);
    for (const s of fragment.samples) decodeG711(codec, s.bytes, samples, place(s.at));
    const buffer = new AudioBuffer({ numberOfChannels: 1, length, sampleRate: G711_RATE_HZ });
    buffer.copyToChannel(samples, 0);
    return buffer;
  }

  async #bytes(url: string): Promise<Uint8Array> {
    const response = await granted(this.#token, url);
    if (!response.ok) throw await problem(response);
    return new Uint8Array(await response.arrayBuffer());
  }

  /** A line that is down is tried again; what is not allowed, or not ours, is not. */
  #failed(error: unknown): void {
    const status = error instanceof ApiError ? error.status : 0;
    this.#silence();
    if (status === 403) return this.#become("refused");
    this.#waitUntil = performance.now() + RETRY_MS;
    if (++this.#tries > TRIES_MAX) this.#become("broken");
  }
}
