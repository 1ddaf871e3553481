/** The upper edge: which class, how long, whether it is recorded, how good the line is in words. It does not fade. */
import { html, nothing, type TemplateResult } from "lit";
import { Disc, Megaphone, Signal, Users } from "lucide";
import { t } from "../../i18n";
import { span } from "../../i18n/format";
import type { Quality } from "../../protocol/generated/index";
import type { ClassState } from "../../state/class-state";
import { mainTile, me, tiles, type RoomState } from "../../state/room";
import { icon } from "../icon";

export function top(state: ClassState): TemplateResult {
  const room = state.room as RoomState;
  const teacher = room.role === "teacher";
  // What the server said last is worth nothing while it says nothing.
  const quality: Quality = state.link.state !== "up" ? "unknown" : teacher ? room.up : room.down;
  const words = teacher ? t.quality.teacherUp[quality] : t.quality.down[quality];
  const main = mainTile(room, tiles(room), state.pinned);
  return html`<header class="top">
    <div class="about clip">
      <h1 class="clip">${room.title}</h1>
      <span class="muted clip who">${main?.source === "screen" ? (main.own ? t.room.sharing : t.room.screenOf(main.name)) : teacher ? "" : room.teacher}</span>
    </div>
    <div class="facts">
      ${onStage(state, room)}
      ${room.state === "live"
        ? html`<span class="num" title=${t.room.classTime} data-fact="time">${span(Date.now() + room.clockOffset - (room.liveSince ?? Date.now()))}</span>`
        : html`<span class="badge" data-fact="scheduled">${t.room.notStarted}</span>`}
      ${recording(state)}
      <span class="count" title=${t.room.count(room.count)} aria-label=${t.room.count(room.count)}>${icon(Users)}<span class="num">${room.count}</span></span>
      ${line(state, quality, words)}
    </div>
  </header>`;
}

/** Seen and heard by all: said in words, for as long as it is so. */
function onStage(state: ClassState, room: RoomState): TemplateResult | typeof nothing {
  if (room.role === "teacher" || room.state !== "live" || !me(room)?.on_stage) return nothing;
  return html`<span class="badge stage" data-fact="on-stage" title=${state.microphone.on ? t.room.youOnStage : t.room.youOnStageMuted}>${icon(Megaphone)}<span>${state.microphone.on ? t.room.onStageShort : t.room.onStageMutedShort}</span></span>`;
}

export function recording({ room, link }: ClassState): TemplateResult | typeof nothing {
  if (room?.state !== "live") return nothing;
  if (link.state !== "up" && room.recording !== "off") {
    return html`<span class="rec unknown" data-fact="recording" data-state="unknown" title=${t.room.recUnknown}><span class="dot"></span><span aria-hidden="true">${t.room.recUnknownShort}</span><span class="sr">${t.room.recUnknown}</span></span>`;
  }
  if (room.recording === "on") return html`<span class="rec" data-fact="recording" data-state="on" title=${t.room.rec}><span class="dot"></span>${t.room.recShort}</span>`;
  if (room.recording === "failed") return html`<span class="badge live" data-fact="recording" data-state="failed" role="alert">${icon(Disc)}${t.room.recFailed}</span>`;
  return html`<span class="muted small" data-fact="recording" data-state="off">${t.room.recOff}</span>`;
}

function line(state: ClassState, quality: Quality, words: string): TemplateResult {
  const { up, down } = state;
  const detail = (label: string, q: ClassState["up"]): TemplateResult | typeof nothing =>
    q
      ? html`<p class="num">${label}: ${q.kbps} kbit/s${q.height ? ` · ${q.height}p` : ""}${q.fps ? ` ${Math.round(q.fps)} fps` : ""} · ${t.room.loss} ${q.lossPercent.toFixed(1)} %${q.rttMs === null ? "" : ` · ${t.room.rtt} ${q.rttMs} ms`}</p>`
      : nothing;
  return html`<details class="menu line q-${quality}" data-fact="quality" data-state=${quality}>
    <summary title=${words} aria-label=${words}>${icon(Signal)}<span class="words clip">${words}</span></summary>
    <div class="panel small">
      <p><strong>${words}</strong></p>
      ${up?.limitedBy === "cpu" ? html`<p>${t.quality.cpu}</p>` : nothing} ${detail(t.room.up, up)} ${detail(t.room.down, down)}
    </div>
  </details>`;
}
