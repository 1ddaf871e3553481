/**
 * A tour (轮巡): pages of cameras in turn, each for the dwell time. A click or Space holds it; an alarm jumps the queue: the
 * page with its camera comes up at once, and afterwards the tour goes on where it was. Pure: `now` is handed in (ms).
 *
 * While it is held nothing jumps: somebody is looking at something. The alarm waits in the rail and comes up when the tour
 * goes on.
 */
import type { CameraId } from "../../protocol/generated/index";

/** Alarms that may wait to be shown; more are in the rail only. */
export const WAITING_MAX = 16;
/** An alarm stays at least this long, however short the dwell. */
export const ALARM_MS_MIN = 10_000;

export interface Tour {
  readonly cameras: readonly CameraId[];
  readonly tiles: number;
  readonly dwellMs: number;
  /** The page whose turn it is, also while an alarm is up. */
  readonly page: number;
  /** When what is up came up. */
  readonly since: number;
  /** The camera of the alarm that is up. */
  readonly alarm: CameraId | null;
  /** Alarms that wait. */
  readonly waiting: readonly CameraId[];
  /** Since when it is held. */
  readonly heldAt: number | null;
}

export function startTour(now: number, cameras: readonly CameraId[], tiles: number, dwellS: number): Tour {
  return { cameras, tiles, dwellMs: Math.min(600, Math.max(3, dwellS)) * 1_000, page: 0, since: now, alarm: null, waiting: [], heldAt: null };
}

export const tourPages = (tour: Tour): number => Math.max(1, Math.ceil(tour.cameras.length / tour.tiles));

const stay = (tour: Tour): number => (tour.alarm === null ? tour.dwellMs : Math.max(ALARM_MS_MIN, tour.dwellMs));

/** What is up: cameras by tile. An alarm of a camera outside of the tour takes the first tile of the page that is up. */
export function tourView(tour: Tour): (CameraId | null)[] {
  const { cameras, tiles, alarm } = tour;
  const at = alarm === null ? -1 : cameras.indexOf(alarm);
  const page = at >= 0 ? Math.floor(at / tiles) : tour.page;
  const view = Array.from({ length: tiles }, (_, i) => cameras[page * tiles + i] ?? null);
  if (alarm !== null && at < 0) view[0] = alarm;
  return view;
}

/** The page that is up, from 0. */
export function pageUp(tour: Tour): number {
  const at = tour.alarm === null ? -1 : tour.cameras.indexOf(tour.alarm);
  return at >= 0 ? Math.floor(at / tour.tiles) : tour.page;
}

/** How much of its time the page that is up has had, 0 to 1. */
export function tourProgress(tour: Tour, now: number): number {
  return Math.min(1, Math.max(0, ((tour.heldAt ?? now) - tour.since) / stay(tour)));
}

/** When `tickTour` is due; `null` while held, or when there is but one page. */
export function tourDue(tour: Tour): number | null {
  if (tour.heldAt !== null) return null;
  if (tour.alarm === null && tour.waiting.length === 0 && tourPages(tour) === 1) return null;
  return tour.since + stay(tour);
}

export function tickTour(tour: Tour, now: number): Tour {
  const due = tourDue(tour);
  if (due === null || now < due) return tour;
  const [next, ...waiting] = tour.waiting;
  if (next !== undefined) return { ...tour, alarm: next, waiting, since: now };
  if (tour.alarm !== null) return { ...tour, alarm: null, since: now };
  return { ...tour, page: (tour.page + 1) % tourPages(tour), since: now };
}

export function turnTour(tour: Tour, now: number, by: 1 | -1): Tour {
  const pages = tourPages(tour);
  return { ...tour, page: (pageUp(tour) + by + pages) % pages, alarm: null, since: now, heldAt: tour.heldAt === null ? null : now };
}

export function holdTour(tour: Tour, now: number): Tour {
  return tour.heldAt === null ? { ...tour, heldAt: now } : tour;
}

/** Goes on with the time that was left; what waited comes up at once. */
export function resumeTour(tour: Tour, now: number): Tour {
  if (tour.heldAt === null) return tour;
  const going = { ...tour, heldAt: null, since: tour.since + (now - tour.heldAt) };
  const [next, ...waiting] = going.waiting;
  return next === undefined ? going : { ...going, alarm: next, waiting, since: now };
}

export function alarmTour(tour: Tour, now: number, camera: CameraId): Tour {
  if (tour.alarm === camera || tour.waiting.includes(camera)) return tour;
  if (tour.heldAt === null && tour.alarm === null) return { ...tour, alarm: camera, since: now };
  if (tour.waiting.length >= WAITING_MAX) return tour;
  return { ...tour, waiting: [...tour.waiting, camera] };
}

/** The alarm is over or acknowledged: it need not come up any more. */
export function calmTour(tour: Tour, now: number, camera: CameraId): Tour {
  const waiting = tour.waiting.filter((c) => c !== camera);
  if (tour.alarm !== camera) return waiting.length === tour.waiting.length ? tour : { ...tour, waiting };
  const [next, ...rest] = waiting;
  return { ...tour, alarm: next ?? null, waiting: rest, since: now };
}

/** Cameras came or went, or the wall has another number of tiles: the tour stays as near as it can to where it is. */
export function renewTour(tour: Tour, cameras: readonly CameraId[], tiles: number): Tour {
  const first = tour.cameras[tour.page * tour.tiles];
  const at = first === undefined ? -1 : cameras.indexOf(first);
  const pages = Math.max(1, Math.ceil(cameras.length / tiles));
  return { ...tour, cameras, tiles, page: at >= 0 ? Math.floor(at / tiles) : Math.min(tour.page, pages - 1) };
}
