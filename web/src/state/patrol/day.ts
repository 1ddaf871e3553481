/** What a row of the timeline shows of a camera's day, and where the next alarm or gap is. Pure. */
import type { CameraDay, CameraGap, Span } from "../../protocol/generated/index";
import type { View } from "./zoom";

/** Spans that touch, as one: a day recorded hour by hour is one bar. */
export function joined(spans: readonly Span[], slackMs = 0): Span[] {
  const sorted = [...spans].sort((a, b) => a.from - b.from);
  const out: Span[] = [];
  for (const span of sorted) {
    const last = out.at(-1);
    if (last && span.from <= last.to + slackMs) last.to = Math.max(last.to, span.to);
    else out.push({ ...span });
  }
  return out;
}

/** Where anything to see is recorded. */
export const recorded = (day: CameraDay): Span[] => joined([...day.main, ...day.sub]);

/** A day with its newest part put on: today grows, and is not asked for as a whole again and again. */
export function withTail(day: CameraDay, tail: CameraDay): CameraDay {
  const union = <T extends { id: string }>(old: readonly T[], fresh: readonly T[]): T[] => {
    const ids = new Set(fresh.map((x) => x.id));
    return [...old.filter((x) => !ids.has(x.id)), ...fresh];
  };
  // A gap that began before the tail comes clipped: it goes on where it was known to begin.
  const open = day.gaps.filter((g) => g.to >= tail.from);
  const gaps = tail.gaps.map((g) => {
    const before = open.find((o) => o.cause === g.cause && o.stream === g.stream && o.from < g.from && o.to >= g.from);
    return before ? { ...g, from: before.from } : g;
  });
  const kept = day.gaps.filter((g) => !gaps.some((n) => n.stream === g.stream && n.from <= g.from && n.to >= g.to) && g.from < tail.from);
  return {
    ...tail, from: day.from, main_codec: tail.main_codec || day.main_codec,
    main: joined([...day.main, ...tail.main]), sub: joined([...day.sub, ...tail.sub]), sound: joined([...day.sound, ...tail.sound]), gaps: [...kept, ...gaps], elsewhere: joined([...day.elsewhere, ...tail.elsewhere]),
    alarms: union(day.alarms, tail.alarms), bookmarks: union(day.bookmarks, tail.bookmarks), holds: union(day.holds, tail.holds),
  };
}

/** From when on what is known of a growing day is asked for again, so that what came since is in it. A camera that was moved away is asked for from
 *  before that on: a stretch that lies wholly elsewhere is refused, and each refusal stands in the audit log. */
export function tailFrom(day: CameraDay, tailMs: number): number {
  const from = day.to - tailMs;
  const away = joined(day.elsewhere).find((s) => s.from <= from && s.to > from);
  return Math.max(day.from, away ? away.from - 1_000 : from);
}

export interface Piece<T> {
  /** Share of the width, 0 to 1. */
  from: number;
  to: number;
  /** What is there; the first of several that would be narrower than a pixel. */
  item: T;
  /** How many it stands for. */
  count: number;
}

/** The part of a list that is in view; items closer than `pxMin` become one piece, so that a bad day stays cheap to draw. */
export function pieces<T>(items: readonly T[], range: (item: T) => Span, view: View, widthPx: number, pxMin = 2): Piece<T>[] {
  const width = view.to - view.from;
  const least = pxMin / Math.max(1, widthPx);
  const out: Piece<T>[] = [];
  for (const item of [...items].sort((a, b) => range(a).from - range(b).from)) {
    const { from, to } = range(item);
    if (to < view.from || from > view.to) continue;
    const start = Math.max(0, (from - view.from) / width);
    const end = Math.max(start + least, Math.min(1, (to - view.from) / width));
    const last = out.at(-1);
    if (last && start - last.to < least && (end - start <= 4 * least || start < last.to)) {
      last.to = Math.max(last.to, end);
      last.count += 1;
    } else {
      out.push({ from: start, to: end, item, count: 1 });
    }
  }
  return out;
}

/** Gaps in which nothing at all can be seen, and those of one stream alone after them. */
export function gapsOf(day: CameraDay): CameraGap[] {
  return [...day.gaps].sort((a, b) => a.from - b.from);
}

/** Whether nothing to see is recorded in a gap: streams are told of one by one, and end some milliseconds apart. */
export function isWhole(day: CameraDay, gap: CameraGap): boolean {
  const edge = Math.min(500, (gap.to - gap.from) / 4);
  return gap.stream === null || (gap.stream !== "sound" && !touches(day, gap.from + edge, gap.to - edge));
}

/** The gap that a moment lies in. */
export function gapAt(day: CameraDay, at: number): CameraGap | null {
  return day.gaps.find((g) => (g.stream === null || g.stream === "main") && at >= g.from && at < g.to) ?? null;
}

/** Whether the camera hung where one may not look then: no gap, and nothing is known of it. */
export function isElsewhere(day: CameraDay, at: number): boolean {
  return day.elsewhere.some((s) => at >= s.from && at < s.to);
}

/** Whether there is something to see of a camera at a moment. */
export function seenAt(day: CameraDay, at: number): boolean {
  return day.main.some((s) => at >= s.from && at < s.to) || day.sub.some((s) => at >= s.from && at < s.to);
}

/** Whether anything to see is recorded between two moments. */
export function touches(day: CameraDay, from: number, to: number): boolean {
  const overlaps = (s: Span): boolean => s.from < to && s.to > from;
  return day.main.some(overlaps) || day.sub.some(overlaps);
}

/** Whether any sound is recorded between two moments. */
export const sounds = (day: CameraDay, from: number, to: number): boolean => day.sound.some((s) => s.from < to && s.to > from);

/** When any of the cameras has a picture again after a moment. */
export function nextSeen(days: readonly CameraDay[], at: number): number | null {
  const ahead = days.flatMap((d) => [...d.main, ...d.sub].map((s) => s.from)).filter((from) => from > at);
  return ahead.length === 0 ? null : Math.min(...ahead);
}

export type Landmark = "alarm" | "gap" | "bookmark";

/** The next (or last) moment of a kind on any of the cameras; a second aside counts as being there. */
export function landmark(days: readonly CameraDay[], kind: Landmark, at: number, direction: 1 | -1): number | null {
  const moments = days.flatMap((d) => (kind === "alarm" ? d.alarms.map((a) => a.since) : kind === "gap" ? d.gaps.map((g) => g.from) : d.bookmarks.map((b) => b.at)));
  const ahead = moments.filter((m) => (direction === 1 ? m > at + 1_000 : m < at - 1_000));
  if (ahead.length === 0) return null;
  return direction === 1 ? Math.min(...ahead) : Math.max(...ahead);
}
