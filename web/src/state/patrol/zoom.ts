/** The view of a timeline: which stretch of time its width shows. All in Unix milliseconds and pixels. Pure. */

import { offsetAt } from "../../i18n/zone";

export interface View {
  from: number;
  to: number;
}

/** Ten seconds wide: a second is a hand's breadth. */
export const SPAN_MS_MIN = 10_000;

const clampTo = ({ from, to }: View, bounds: View): View => {
  const width = Math.min(to - from, bounds.to - bounds.from);
  const start = Math.min(Math.max(from, bounds.from), bounds.to - width);
  return { from: start, to: start + width };
};

/** Zooms so that the moment under the pointer stays under it. `share`: where the pointer is, 0 to 1 of the width. */
export function zoomAround(view: View, share: number, factor: number, bounds: View): View {
  const width = view.to - view.from;
  const wanted = Math.min(Math.max(width * factor, SPAN_MS_MIN), bounds.to - bounds.from);
  const at = view.from + width * share;
  return clampTo({ from: at - wanted * share, to: at + wanted * (1 - share) }, bounds);
}

export function pan(view: View, byMs: number, bounds: View): View {
  return clampTo({ from: view.from + byMs, to: view.to + byMs }, bounds);
}

/** While playing: when the playhead runs out of the view, the view follows by most of its width; one that is elsewhere stays. */
export function follow(view: View, before: number, at: number, bounds: View): View {
  const seen = before >= view.from && before <= view.to;
  if (!seen || (at >= view.from && at <= view.to)) return view;
  const width = view.to - view.from;
  return clampTo({ from: at - width * 0.1, to: at + width * 0.9 }, bounds);
}

/** Brings a moment into the view, in its middle if it was outside. */
export function reveal(view: View, at: number, bounds: View): View {
  if (at >= view.from && at <= view.to) return view;
  const half = (view.to - view.from) / 2;
  return clampTo({ from: at - half, to: at + half }, bounds);
}

export const shareOf = (view: View, at: number): number => (at - view.from) / (view.to - view.from);
export const momentAt = (view: View, share: number): number => view.from + share * (view.to - view.from);

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200];

/** The marks of the axis: round times of the zone's clock, about `apartPx` from each other or more; `offset` says how far that clock
 *  is ahead of UTC. On a day when clocks change the marks stay round. */
export function ticks(view: View, widthPx: number, apartPx = 90, offset: (at: number) => number = offsetAt): { at: number; seconds: boolean }[] {
  const perPx = (view.to - view.from) / Math.max(1, widthPx);
  const step = (STEPS_S.find((s) => s * 1_000 >= perPx * apartPx) ?? 86_400) * 1_000;
  const marks: { at: number; seconds: boolean }[] = [];
  const past = (at: number): number => (((at + offset(at)) % step) + step) % step;
  // Off the mark only where clocks have changed since `before`: then the round time that lies behind, or the next.
  const round = (at: number, before: number): number => {
    const over = past(at);
    return over === 0 ? at : at - over > before && past(at - over) === 0 ? at - over : at + step - over;
  };
  for (let at = round(view.from + ((step - past(view.from)) % step), view.from); at <= view.to; at = round(at + step, at)) marks.push({ at, seconds: step < 60_000 });
  return marks;
}
