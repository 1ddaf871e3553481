/** The player's controls: one slider that carries chapters, gaps and what was said, and the few buttons under it. */
import { html, nothing, type TemplateResult } from "lit";
import { Keyboard, Maximize, Pause, Play, RotateCcw, RotateCw, Volume2, VolumeX } from "lucide";
import { t } from "../../i18n";
import { span } from "../../i18n/format";
import type { RecordingDetail } from "../../protocol/generated/index";
import { icon } from "../icon";
import { vars } from "../vars";
import { barGaps, chapterAt } from "./tracks";

export interface BarState {
  detail: RecordingDetail;
  at: number;
  duration: number;
  playing: boolean;
  held: boolean;
  rate: number;
  rates: readonly number[];
  volume: number;
  muted: boolean;
}

export interface BarActions {
  toggle(): void;
  seek(to: number): void;
  rate(rate: number): void;
  volume(volume: number): void;
  mute(): void;
  full(): void;
  help(): void;
}

export function bar(s: BarState, a: BarActions): TemplateResult {
  const share = (ms: number): number => Math.min(1, Math.max(0, ms / Math.max(1, s.duration)));
  const said = s.detail.events.filter((e) => e.event.type === "chat" || e.event.type === "asked");
  const chapter = s.detail.chapters[chapterAt(s.detail.chapters, s.at)];
  return html`<div class="bar">
    <div class="track" ${vars({ "--at": share(s.at) })}>
      <div class="rail" aria-hidden="true">
        <span class="played"></span>
        ${barGaps(s.detail.gaps, s.detail.tracks).map((g) => html`<span class="gap" data-cause=${g.cause} title="${t.player.gap}: ${t.player.gapCauses[g.cause]}" ${vars({ "--from": share(g.from_ms), "--to": share(g.to_ms) })}></span>`)}
        ${s.detail.chapters.map((c) => (c.at_ms > 0 ? html`<span class="chapter" ${vars({ "--from": share(c.at_ms) })}></span>` : nothing))}
        ${said.map((e) => html`<span class="said ${e.event.type}" ${vars({ "--from": share(e.at_ms) })}></span>`)}
      </div>
      <input type="range" min="0" max=${Math.max(1, Math.round(s.duration / 1_000))} step="1" .value=${String(Math.round(s.at / 1_000))}
        aria-label=${t.player.position} aria-valuetext="${span(s.at)} / ${span(s.duration)}" @input=${(e: Event) => a.seek(Number((e.target as HTMLInputElement).value) * 1_000)} />
    </div>
    <div class="buttons">
      <button class="btn quiet icon-only" data-control="play" aria-label=${s.playing ? t.player.pause : t.player.play} title="${s.playing ? t.player.pause : t.player.play} (Space)" aria-busy=${s.held && s.playing ? "true" : nothing} @click=${a.toggle}>${icon(s.playing ? Pause : Play)}</button>
      <button class="btn quiet icon-only" aria-label=${t.player.back10} title="${t.player.back10} (J)" @click=${() => a.seek(s.at - 10_000)}>${icon(RotateCcw)}</button>
      <button class="btn quiet icon-only" aria-label=${t.player.on10} title="${t.player.on10} (L)" @click=${() => a.seek(s.at + 10_000)}>${icon(RotateCw)}</button>
      <span class="num time">${span(s.at)} <span class="dim">/ ${span(s.duration)}</span></span>
      <span class="clip dim small chapter-name">${chapter ? `${t.player.chapterKinds[chapter.kind] ?? chapter.kind} ${chapter.name}` : nothing}</span>
      <select class="speed" aria-label=${t.player.speed} title="${t.player.speed} (< >)" @change=${(e: Event) => a.rate(Number((e.target as HTMLSelectElement).value))}>
        ${s.rates.map((r) => html`<option value=${r} .selected=${r === s.rate}>${r}×</option>`)}
      </select>
      <button class="btn quiet icon-only" aria-label=${s.muted ? t.player.unmute : t.player.mute} title="${s.muted ? t.player.unmute : t.player.mute} (M)" @click=${a.mute}>${icon(s.muted || s.volume === 0 ? VolumeX : Volume2)}</button>
      <input class="volume" type="range" min="0" max="1" step="0.05" .value=${String(s.muted ? 0 : s.volume)} aria-label=${t.player.volume} @input=${(e: Event) => a.volume(Number((e.target as HTMLInputElement).value))} />
      <button class="btn quiet icon-only wide-only" aria-label=${t.player.keyboard} title="${t.player.keyboard} (?)" @click=${a.help}>${icon(Keyboard)}</button>
      <button class="btn quiet icon-only" aria-label=${t.player.full} title="${t.player.full} (F)" @click=${a.full}>${icon(Maximize)}</button>
    </div>
  </div>`;
}
