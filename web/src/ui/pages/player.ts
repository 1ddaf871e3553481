/** A recorded lesson: pictures and voices in step on one clock, chapters, what was said, gaps marked, place remembered. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { ref } from "lit/directives/ref.js";
import { problemWords, t } from "../../i18n";
import { clock, day, size, span } from "../../i18n/format";
import * as api from "../../protocol/api";
import type { RecordedTrack, RecordingDetail } from "../../protocol/generated/index";
import { hasRole, session } from "../../state/session";
import { changeSettings, settings } from "../../state/settings";
import { notify } from "../announce";
import { copyText } from "../clipboard";
import { openDialog } from "../dialog";
import { icon } from "../icon";
import { go } from "../router";
import { Page } from "../page";
import { shell } from "../shell";
import { define, plainKey } from "../view";
import { wordsNote } from "../words";
import { keysBody } from "../class/keys";
import { bar, type BarActions } from "../player/bar";
import { PlayClock } from "../player/clock";
import { TrackElement, type Failure } from "../player/element";
import { aside } from "../player/aside";
import { chapterAt, downloads, isVideo, leadIn, pictureKey, picturesAt, runs, wholeGapAt } from "../player/tracks";
import { Download, Link, Repeat2, RotateCw, Trash2 } from "lucide";
import "./player.css";

const TICK_MS = 100;
const SAVE_MS = 10_000;
/** How often a running lesson is asked for anew: rarely while far from its end, often while one watches along. */
const REFRESH_MS = 10_000;
const REFRESH_NEAR_MS = 2_000;
const NEAR_END_MS = 15_000;
const RATES = [0.75, 1, 1.25, 1.5, 2];
/** After waiting this long for a track that does not come, the rest goes on without it. */
const HOLD_MS_MAX = 8_000;

class PagePlayer extends Page {
  protected readonly section = "library";
  static override properties = { recording: { attribute: "id" } };
  declare recording: string;
  #detail: RecordingDetail | null = null;
  #error: unknown = null;
  #clock = new PlayClock(0);
  #elements = new Map<string, TrackElement>();
  #preferred: string | null = null;
  #heldSince = 0;
  #savedAt = 0;
  #muted = false;
  #tab: "chapters" | "events" = "chapters";
  #rendered = "";
  #refreshedAt = 0;

  override connectedCallback(): void {
    super.connectedCallback();
    this.recording = this.getAttribute("id") ?? "";
    this.on(document, "keydown", this.#key);
    const leave = (): void => this.#save(true);
    addEventListener("pagehide", leave);
    const tick = setInterval(() => this.#tick(), TICK_MS);
    const refresh = setInterval(() => this.#isDue() && void this.#refresh(), 1_000);
    this.until(() => {
      clearInterval(tick);
      clearInterval(refresh);
      removeEventListener("pagehide", leave);
      this.#save(true);
      for (const element of this.#elements.values()) element.close();
    });
  }

  protected override named(): string {
    return this.#detail?.title ?? t.library.title;
  }

  protected override async load(): Promise<void> {
    this.#error = null;
    try {
      const detail = await api.recording(this.recording);
      this.#refreshedAt = performance.now();
      this.#detail = detail;
      this.#clock = new PlayClock(detail.duration_ms);
      this.#clock.setRate(performance.now(), settings.get().rate);
      const asked = Number(new URLSearchParams(location.search).get("t") ?? Number.NaN) * 1_000;
      const kept = detail.position_ms ?? 0;
      if (Number.isFinite(asked)) this.#seek(asked);
      else if (kept > 5_000 && kept < detail.duration_ms - 10_000) {
        this.#seek(kept);
        notify({ text: t.player.resume(span(kept)), action: { label: t.player.fromStart, run: () => this.#seek(0) } });
      }
    } catch (error) {
      this.#error = error;
    }
    this.requestUpdate();
  }

  /** A running lesson grows: new tracks, events and a later end. */
  async #refresh(): Promise<void> {
    this.#refreshedAt = performance.now();
    const detail = await api.recording(this.recording).catch(() => null);
    if (!detail || !this.#detail) return;
    this.#detail = detail;
    for (const track of detail.tracks) {
      const element = this.#elements.get(track.track);
      if (element) element.track = track;
    }
    this.#clock.grow(performance.now(), detail.duration_ms);
    this.requestUpdate();
  }

  #isDue(): boolean {
    if (this.#detail?.status !== "live") return false;
    const near = this.#clock.playing && this.#clock.duration - this.#at() < NEAR_END_MS;
    return performance.now() - this.#refreshedAt >= (near ? REFRESH_NEAR_MS : REFRESH_MS);
  }

  // --- Time ---

  #at(): number {
    return this.#clock.position(performance.now());
  }

  #seek(to: number): void {
    const now = performance.now();
    const gap = this.#detail ? wholeGapAt(this.#detail.gaps, to) : null;
    this.#clock.seek(now, gap ? gap.to_ms : to);
    this.#heldSince = 0;
    this.#clock.hold(now, false);
    this.#tick();
    this.requestUpdate();
  }

  #toggle(): void {
    const now = performance.now();
    if (this.#clock.playing) {
      this.#clock.pause(now);
      this.#save(true);
    } else this.#clock.play(now);
    this.#tick();
    this.requestUpdate();
  }

  #setRate(rate: number): void {
    this.#clock.setRate(performance.now(), rate);
    changeSettings({ rate });
    this.requestUpdate();
  }

  #tick(): void {
    const detail = this.#detail;
    if (!detail) return;
    const now = performance.now();
    const at = this.#clock.position(now);
    const gap = this.#clock.playing ? wholeGapAt(detail.gaps, at) : null;
    if (gap && gap.to_ms < this.#clock.duration) this.#clock.seek(now, gap.to_ms);
    if (this.#clock.playing && at >= this.#clock.duration && detail.status !== "live") {
      this.#clock.pause(now);
      this.#save(true);
      this.requestUpdate();
    }
    const essential = this.#essential(at);
    const lead = leadIn(detail.tracks, at, this.#clock.playing);
    let waits = false;
    for (const element of this.#elements.values()) {
      if (essential.has(element.track.track) && element.waits(at)) waits = true;
    }
    if (!waits) this.#heldSince = 0;
    else if (this.#heldSince === 0) this.#heldSince = now;
    this.#clock.hold(now, waits && now - this.#heldSince < HOLD_MS_MAX);
    const running = this.#clock.playing && !this.#clock.held;
    const { volume } = settings.get();
    for (const element of this.#elements.values()) {
      element.element.volume = volume;
      element.element.muted = this.#muted || isVideo(element.track);
      element.later = detail.status === "live" && !element.track.playlist;
      element.follow(at, running, this.#clock.rate, element.track === lead);
    }
    if (this.#clock.playing && now - this.#savedAt > SAVE_MS) this.#save(false);
    const main = this.#main(at);
    const shown = `${Math.floor(at / 250)} ${main?.later} ${main?.ready} ${this.#failure(at)} ${this.#clock.held}`;
    if (shown !== this.#rendered) {
      this.#rendered = shown;
      this.requestUpdate();
    }
  }

  /** The pictures of a moment; before the first one that one, as it will begin. */
  #pictures(at: number): RecordedTrack[] {
    const tracks = this.#detail?.tracks ?? [];
    const now = picturesAt(tracks, at, this.#preferred);
    const lead = leadIn(tracks, at, this.#clock.playing);
    return now.length === 0 && lead ? [lead] : now;
  }

  /** The element of the large picture. */
  #main(at: number): TrackElement | undefined {
    const track = this.#pictures(at)[0];
    return track && this.#elements.get(track.track);
  }

  /** What keeps the large picture or the teacher's voice from being played. */
  #failure(at: number): Failure | null {
    const main = this.#main(at);
    if (main?.failed) return main.failed;
    for (const track of this.#essential(at)) {
      const failed = this.#elements.get(track)?.failed;
      if (failed) return failed;
    }
    return null;
  }

  #retry(): void {
    for (const element of this.#elements.values()) if (element.failed) element.retry();
    this.#heldSince = 0;
    this.#tick();
    this.requestUpdate();
  }

  /** What the clock waits for: the large picture and the teacher's voice. */
  #essential(at: number): Set<string> {
    const tracks = this.#detail?.tracks ?? [];
    const main = picturesAt(tracks, at, this.#preferred)[0];
    const voice = tracks.filter((track) => track.source === "microphone" && track.teacher && runs(track, at));
    return new Set([main, ...voice].flatMap((track) => (track ? [track.track] : [])));
  }

  #save(force: boolean): void {
    const at = this.#at();
    if (!this.#detail || (!force && !this.#clock.playing) || at < 1_000) return;
    this.#savedAt = performance.now();
    // Who saw the end begins anew next time; a running lesson has no end yet.
    const position = this.#detail.status !== "live" && at >= this.#clock.duration - 5_000 ? 0 : at;
    void api.savePosition(this.recording, position).catch(() => undefined);
  }

  #mount(track: RecordedTrack) {
    return ref((element) => {
      const known = this.#elements.get(track.track);
      if (!element || known?.element === element) return;
      known?.close();
      this.#elements.set(track.track, new TrackElement(track, element as HTMLMediaElement));
    });
  }

  // --- Actions ---

  #chapter(step: number): void {
    const { chapters } = this.#detail as RecordingDetail;
    const at = this.#at();
    const current = chapterAt(chapters, at);
    // "Back" within a chapter's first seconds goes to the one before, later to its own beginning.
    const back = step < 0 && at - (chapters[current]?.at_ms ?? 0) > 3_000 ? 0 : step;
    const target = chapters[current + back];
    if (target) this.#seek(target.at_ms);
  }

  #swap(): void {
    const pictures = picturesAt(this.#detail?.tracks ?? [], this.#at(), this.#preferred);
    if (pictures[1]) this.#preferred = pictureKey(pictures[1]);
    this.requestUpdate();
  }

  #step(step: number): void {
    const i = RATES.indexOf(this.#clock.rate);
    const next = RATES[Math.min(RATES.length - 1, Math.max(0, (i < 0 ? 1 : i) + step))];
    if (next) this.#setRate(next);
  }

  #volume(volume: number): void {
    changeSettings({ volume: Math.min(1, Math.max(0, volume)) });
    this.#muted = false;
    this.requestUpdate();
  }

  async #full(): Promise<void> {
    if (document.fullscreenElement) await document.exitFullscreen().catch(() => undefined);
    else await this.querySelector(".viewer")?.requestFullscreen?.().catch(() => undefined);
  }

  #key = (event: KeyboardEvent): void => {
    if (!this.#detail || !plainKey(event)) return;
    const target = event.target as Element;
    const onButton = target.closest?.("button, a, summary, [role=tab], select") !== null;
    const onSlider = target.closest?.("input[type=range]") !== null;
    const run = ((): (() => void) | null => {
      switch (event.key.length === 1 ? event.key.toLowerCase() : event.key) {
        case " ":
          return onButton ? null : () => this.#toggle();
        case "k":
          return () => this.#toggle();
        case "j":
          return () => this.#seek(this.#at() - 10_000);
        case "l":
          return () => this.#seek(this.#at() + 10_000);
        case "ArrowLeft":
          return onSlider ? null : () => this.#seek(this.#at() - 5_000);
        case "ArrowRight":
          return onSlider ? null : () => this.#seek(this.#at() + 5_000);
        case "ArrowUp":
          return onSlider ? null : () => this.#volume(settings.get().volume + 0.1);
        case "ArrowDown":
          return onSlider ? null : () => this.#volume(settings.get().volume - 0.1);
        case "Home":
          return () => this.#seek(0);
        case "m":
          return () => { this.#muted = !this.#muted; this.requestUpdate(); };
        case "f":
          return () => void this.#full();
        case "s":
          return () => this.#swap();
        case "p":
          return () => this.#chapter(-1);
        case "n":
          return () => this.#chapter(1);
        case "<":
        case ",":
          return () => this.#step(-1);
        case ">":
        case ".":
          return () => this.#step(1);
        case "?":
          return () => void this.#help();
        default:
          return null;
      }
    })();
    if (!run) return;
    event.preventDefault();
    run();
  };

  #help(): Promise<null> {
    const k = t.player.keys;
    const rows: [string, string][] = [["Space K", k.play], ["J L", k.seek], ["← →", k.frame], ["↑ ↓", k.volume], ["M", k.mute], ["P N", k.chapter], ["< >", k.speed], ["S", k.swap], ["F", k.full]];
    return openDialog<never>((close) => keysBody(rows, t.player.keyboard, () => close(null)));
  }

  async #delete(detail: RecordingDetail): Promise<void> {
    try {
      await api.deleteRecording(detail.id);
    } catch (error) {
      notify({ text: problemWords(error).what });
      return;
    }
    this.#detail = null; // nothing to remember a place in
    go("/library");
    notify({
      text: t.library.deleted(detail.title),
      action: { label: t.common.undo, run: () => void api.restoreRecording(detail.id).then(() => go(`/watch/${detail.id}`), (error: unknown) => notify({ text: problemWords(error).what })) },
    });
  }

  protected override skeleton(): TemplateResult {
    return html`<div class="watch"><div class="skeleton viewer-skeleton"></div></div>`;
  }

  protected override content(): TemplateResult {
    if (this.#error) {
      const words = problemWords(this.#error);
      return shell("library", wordsNote(words, { code: words.code, actions: html`<button class="btn" @click=${() => void this.load()}>${t.common.again}</button><a class="btn" href="/library">${t.errors.toLibrary}</a>` }));
    }
    const detail = this.#detail;
    if (!detail) return shell("library", this.skeleton(), true);
    return shell("library", this.#page(detail), true);
  }

  #page(detail: RecordingDetail): TemplateResult {
    const at = this.#at();
    const pictures = this.#pictures(at);
    const main = pictures[0] && this.#elements.get(pictures[0].track);
    const failure = this.#failure(at);
    // A picture that is on its way or can't come is told in its place; black says nothing.
    const instead = pictures.length === 0
      ? detail.tracks.length === 0 ? t.player.noTracks : t.player.noVideo
      : main?.later ? t.player.afterClass
      : main && !main.ready && !failure ? t.room.loadingPicture : "";
    const coming = instead === t.room.loadingPicture;
    const actions: BarActions = {
      toggle: () => this.#toggle(), seek: (to) => this.#seek(to), rate: (r) => this.#setRate(r), volume: (v) => this.#volume(v),
      mute: () => { this.#muted = !this.#muted; this.requestUpdate(); }, full: () => void this.#full(), help: () => void this.#help(),
    };
    return html`<div class="watch">
      <div class="viewer" data-playing=${this.#clock.playing} data-held=${this.#clock.held} data-position=${Math.round(at)}>
        <div class="pictures ${pictures.length > 1 ? "several" : ""}">
          ${repeat(
            detail.tracks.filter(isVideo),
            (track) => track.track,
            (track) => {
              const place = pictures.findIndex((p) => p.track === track.track);
              return html`<figure class="${place === 0 ? "main" : place > 0 ? "side" : "gone"}" data-track-source=${track.source} data-name=${track.name}>
                <video ${this.#mount(track)} muted playsinline disablepictureinpicture @click=${() => (place === 0 ? this.#toggle() : this.#prefer(track))}></video>
                ${place > 0 ? html`<button class="swap" title="${t.player.swap} (S)" aria-label="${t.player.swap}: ${track.name}" @click=${() => this.#prefer(track)}>${icon(Repeat2)}</button>` : nothing}
                ${place > 0 || track.source === "camera" ? html`<figcaption class="clip">${track.source === "screen" ? t.room.screenOf(track.name) : track.name}</figcaption>` : nothing}
              </figure>`;
            },
          )}
          ${instead ? html`<p class="no-picture ${coming ? "coming" : ""}">${instead}</p>` : nothing}
        </div>
        ${repeat(detail.tracks.filter((track) => !isVideo(track)), (track) => track.track, (track) => html`<audio ${this.#mount(track)} data-name=${track.name}></audio>`)}
        ${failure ? html`<div class="failed">${wordsNote(t.player.failures[failure], { actions: html`<button class="btn small" @click=${() => this.#retry()}>${icon(RotateCw)}${t.common.again}</button>` })}</div>` : nothing}
        ${bar({ detail, at, duration: this.#clock.duration, playing: this.#clock.playing, held: this.#clock.held, rate: this.#clock.rate, rates: RATES, volume: settings.get().volume, muted: this.#muted }, actions)}
      </div>
      <div class="about-lesson">
        <h1>${detail.title}</h1>
        <p class="muted">${[detail.teacher, detail.school, detail.subject, detail.grade].filter(Boolean).join(" · ")}</p>
        <p class="small muted num">${day(detail.started)} ${clock(detail.started)} · ${span(this.#clock.duration)} · ${size(detail.size_bytes)}</p>
        ${detail.status === "live" ? html`<p><span class="badge live"><span class="dot"></span>${t.library.live}</span> ${t.player.live}</p>` : detail.status === "partial" ? html`<p><span class="badge warn">${t.player.partial}</span></p>` : nothing}
        <div class="do">
          ${detail.status === "live" ? nothing : this.#download(detail)}
          <button class="btn small" @click=${() => void copyText(`${location.origin}/watch/${detail.id}?t=${Math.floor(this.#at() / 1_000)}`)}>${icon(Link)}${t.player.copyMoment}</button>
          ${detail.status === "live" || !hasRole(session.get().account, "administrator", "teacher") ? nothing : html`<button class="btn small quiet" @click=${() => void this.#delete(detail)}>${icon(Trash2)}${t.player.delete}</button>`}
        </div>
      </div>
      ${aside(detail, at, this.#tab, (to) => this.#seek(to), (tab) => { this.#tab = tab; this.requestUpdate(); })}
    </div>`;
  }

  /** One link, or a menu when there are two pictures to choose from; each says what it holds. */
  #download(detail: RecordingDetail): TemplateResult | typeof nothing {
    const all = downloads(detail.tracks).map(({ source, track, format }) => ({
      href: api.downloadUrl(detail.id, track.track),
      label: t.player.downloadOf[source](format),
    }));
    const [only] = all;
    if (!only) return nothing;
    if (all.length === 1) return html`<a class="btn small" href=${only.href} download title=${only.label}>${icon(Download)}${t.player.download}</a><span class="small muted holds">${only.label}</span>`;
    return html`<details class="menu">
      <summary class="btn small">${icon(Download)}${t.player.download}</summary>
      <div class="panel start">${all.map((one) => html`<a class="menu-item" data-closes href=${one.href} download>${one.label}</a>`)}</div>
    </details>`;
  }

  #prefer(track: RecordedTrack): void {
    this.#preferred = pictureKey(track);
    this.requestUpdate();
  }
}
define("page-player", PagePlayer);
