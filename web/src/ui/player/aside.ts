/** Beside the picture: chapters, and what was said and asked, each at its moment. */
import { html, nothing, type TemplateResult } from "lit";
import { t } from "../../i18n";
import { span } from "../../i18n/format";
import type { ClassEvent, RecordingDetail } from "../../protocol/generated/index";
import { barGaps, chapterAt } from "./tracks";

type Tab = "chapters" | "events";

export function aside(detail: RecordingDetail, at: number, tab: Tab, seek: (to: number) => void, choose: (tab: Tab) => void): TemplateResult {
  const gaps = barGaps(detail.gaps, detail.tracks);
  const tabs: [Tab, string][] = [["chapters", t.player.chapters], ["events", t.player.chat]];
  return html`<aside class="beside">
    <div class="tabs" role="tablist">
      ${tabs.map(([id, label]) => html`<button role="tab" aria-selected=${id === tab} @click=${() => choose(id)}>${label}</button>`)}
    </div>
    <div role="tabpanel" class="list" tabindex="0">
      ${tab === "chapters" ? chapters(detail, at, seek) : events(detail, at, seek)}
      ${tab === "chapters" && gaps.length > 0
        ? html`<h2 class="small muted">${t.player.gaps}</h2>
            ${gaps.map((g) => moment(g.from_ms, at, false, seek, html`<span>${t.player.gapCauses[g.cause]} <span class="muted num">${span(g.to_ms - g.from_ms)}</span></span>`))}`
        : nothing}
    </div>
  </aside>`;
}

function chapters(detail: RecordingDetail, at: number, seek: (to: number) => void): TemplateResult {
  const current = chapterAt(detail.chapters, at);
  return html`${detail.chapters.map((c, i) => moment(c.at_ms, at, i === current, seek, html`<span>${t.player.chapterKinds[c.kind] ?? c.kind}${c.name ? html` <span class="muted">${c.name}</span>` : nothing}</span>`))}`;
}

function events(detail: RecordingDetail, at: number, seek: (to: number) => void): TemplateResult {
  const told = detail.events.flatMap((e) => {
    const words = eventWords(e.event);
    return words ? [{ at: e.at_ms, words }] : [];
  });
  let current = -1;
  told.forEach((e, i) => {
    if (e.at <= at) current = i;
  });
  return html`${told.map((e, i) => moment(e.at, at, i === current, seek, e.words))}`;
}

function eventWords(event: ClassEvent): TemplateResult | null {
  switch (event.type) {
    case "chat":
      return html`<span><strong>${event.name}</strong> ${event.text}</span>`;
    case "asked":
      return html`<span><strong>${t.player.asked(event.name)}</strong> ${event.text}</span>`;
    case "answered":
      return html`<span>${t.player.answeredEvent} ${event.text ?? ""}</span>`;
    case "stage":
      return html`<span class="muted">${t.player.stage(event.name, event.on)}</span>`;
    case "screen":
      return html`<span class="muted">${t.player.screenEvent(event.name, event.on)}</span>`;
    case "hand":
      return event.up ? html`<span class="muted">${t.player.hand(event.name)}</span>` : null;
    case "joined":
      return html`<span class="muted">${t.player.joined(event.name)}</span>`;
    case "recording":
      return html`<span class="muted">${t.player.recordingEvent(event.on)}</span>`;
    case "opened":
      return html`<span class="muted">${t.player.opened}</span>`;
    case "ended":
      return html`<span class="muted">${t.player.ended}</span>`;
    default:
      return null;
  }
}

function moment(ms: number, _at: number, current: boolean, seek: (to: number) => void, words: TemplateResult): TemplateResult {
  return html`<button class="moment" aria-current=${current ? "true" : nothing} title=${t.player.seekTo(span(ms))} @click=${() => seek(ms)}><span class="num muted">${span(ms)}</span>${words}</button>`;
}
