/**
 * What a wall shows and knows: its tiles, what is selected, what each line carries, what the server said of cameras and
 * alarms. One reducer; time comes in with the event. Pure.
 */
import type { AlarmItem, CameraId, CameraState, CameraStatus, CameraStream, PlaceId, RefusedTile, Tile, TileRefusal, Tour as TourWish, UnixMillis, WallContent } from "../../protocol/generated/index";
import { stepHeight } from "../../media/lines";
import { fitTo, isWallSize, pageOf, resized, sizeFor, type WallSize } from "./grid";
import { alarmTour, calmTour, holdTour, renewTour, resumeTour, startTour, tickTour, tourView, turnTour, type Tour } from "./tour";

export interface Carried {
  camera: CameraId | null;
  stream: CameraStream | null;
  thumbnail: boolean;
  limited: boolean;
  mainNotPlayable: boolean;
}

/** State and since when; the figures only of cameras that are on a tile. */
export interface Known {
  state: CameraState;
  since: UnixMillis;
  status: CameraStatus | null;
}

/** A site as a whole, in small pictures, page by page. */
export interface Overview {
  cameras: readonly CameraId[];
  place: PlaceId | null;
  page: number;
}

export interface WallState {
  tiles: WallSize;
  /** What was put on the tiles; always `tiles` long. */
  own: readonly (CameraId | null)[];
  /** The wish that goes with a saved layout. */
  tourWish: TourWish | null;
  tour: Tour | null;
  overview: Overview | null;
  selected: number;
  enlarged: number | null;
  /** The camera that is heard. */
  sound: CameraId | null;
  /** The camera whose sound turned out to be unplayable last. */
  mute: CameraId | null;
  known: ReadonlyMap<CameraId, Known>;
  carried: ReadonlyMap<string, Carried>;
  refused: ReadonlyMap<CameraId, TileRefusal>;
  /** Open ones, newest first. */
  alarms: readonly AlarmItem[];
}

/** Open alarms that are kept; a province with more has another problem than a list of them. */
export const ALARMS_MAX = 300;

export const EMPTY_WALL: WallState = {
  tiles: 9, own: fitTo<CameraId>([], 9), tourWish: null, tour: null, overview: null, selected: 0, enlarged: null, sound: null, mute: null,
  known: new Map(), carried: new Map(), refused: new Map(), alarms: [],
};

export type WallEvent =
  | { type: "size"; tiles: WallSize }
  | { type: "put"; slot: number; cameras: readonly CameraId[] }
  | { type: "bring"; now: number; camera: CameraId }
  | { type: "swap"; from: number; to: number }
  | { type: "clear"; slot: number }
  | { type: "clear_all" }
  | { type: "content"; content: WallContent }
  | { type: "select"; slot: number }
  | { type: "enlarge"; slot: number | null }
  | { type: "sound"; camera: CameraId | null }
  | { type: "mute"; camera: CameraId }
  | { type: "overview"; overview: Overview | null }
  | { type: "turn"; now: number; by: 1 | -1 }
  | { type: "tour"; now: number; wish: TourWish; cameras: readonly CameraId[] }
  | { type: "tour_cameras"; cameras: readonly CameraId[] }
  | { type: "tour_hold"; now: number; held: boolean }
  | { type: "tour_end" }
  | { type: "tick"; now: number }
  | { type: "known"; cameras: readonly (readonly [CameraId, Known])[] }
  | { type: "carries"; lines: Iterable<readonly [string, Carried]> }
  | { type: "forget"; lines: ReadonlySet<string> }
  | { type: "no_lines" }
  | { type: "shown"; refused: readonly RefusedTile[] }
  | { type: "withdrawn"; tile: RefusedTile }
  | { type: "alarms"; alarms: readonly AlarmItem[] }
  | { type: "alarm"; now: number; alarm: AlarmItem };

/** The camera of every tile that is up now. */
export function viewOf(s: WallState): readonly (CameraId | null)[] {
  if (s.overview) return fitTo(pageOf(s.overview.cameras, s.tiles, s.overview.page).items, s.tiles);
  return s.tour ? tourView(s.tour) : s.own;
}

export const isOpen = (a: AlarmItem): boolean => a.until === null;
/** Open and nobody has taken it on: it sounds and frames its tile in red. */
export const isUrgent = (a: AlarmItem): boolean => a.until === null && a.acknowledged_at === null;

function clamp(s: WallState): WallState {
  return { ...s, selected: Math.min(s.selected, s.tiles - 1), enlarged: s.enlarged !== null && s.enlarged < s.tiles ? s.enlarged : null };
}

/** Changing by hand what a tour or an overview shows makes it one's own wall. */
function taken(s: WallState): WallState {
  return s.tour || s.overview ? { ...s, own: viewOf(s), tour: null, overview: null, tourWish: null } : s;
}

export function reduce(s: WallState, e: WallEvent): WallState {
  switch (e.type) {
    case "size": {
      const sized = { ...s, tiles: e.tiles, own: resized(s.own, e.tiles), enlarged: null };
      return clamp({ ...sized, tour: s.tour && renewTour(s.tour, s.tour.cameras, e.tiles), overview: s.overview && { ...s.overview, page: 0 } });
    }
    case "put": {
      const base = taken(s);
      if (e.cameras.length === 1) {
        const own = base.own.map((c) => (c === e.cameras[0] ? null : c)); // a camera stands once on a wall
        own[e.slot] = e.cameras[0] ?? null;
        return { ...base, own, selected: e.slot, enlarged: null };
      }
      // A whole site: the wall grows to hold it.
      const tiles = base.tiles >= e.cameras.length ? base.tiles : sizeFor(e.cameras.length);
      return clamp({ ...base, tiles, own: fitTo(e.cameras, tiles), selected: 0, enlarged: null });
    }
    case "bring": {
      const seen = viewOf(s).indexOf(e.camera);
      if (seen >= 0) return { ...s, selected: seen, enlarged: seen };
      // A tour or an overview goes on afterwards; on one's own wall it takes an empty tile, or the selected one.
      if (s.tour) return { ...s, tour: alarmTour({ ...s.tour, heldAt: null, alarm: null }, e.now, e.camera), enlarged: null };
      if (s.overview) return s;
      const free = s.own.indexOf(null);
      return reduce(s, { type: "put", slot: free >= 0 ? free : s.selected, cameras: [e.camera] });
    }
    case "swap": {
      const base = taken(s);
      const own = [...base.own];
      [own[e.from], own[e.to]] = [own[e.to] ?? null, own[e.from] ?? null];
      return { ...base, own, selected: e.to };
    }
    case "clear": {
      const base = taken(s);
      return { ...base, own: base.own.map((c, i) => (i === e.slot ? null : c)), enlarged: base.enlarged === e.slot ? null : base.enlarged };
    }
    case "clear_all":
      return { ...s, own: fitTo<CameraId>([], s.tiles), tour: null, tourWish: null, overview: null, enlarged: null };
    case "content": {
      const tiles = isWallSize(e.content.tiles) ? e.content.tiles : sizeFor(e.content.tiles);
      return { ...s, tiles, own: fitTo(e.content.cameras, tiles), tourWish: e.content.tour, tour: null, overview: null, selected: 0, enlarged: null };
    }
    case "select":
      return s.selected === e.slot ? s : clamp({ ...s, selected: e.slot });
    case "enlarge":
      return e.slot === null ? { ...s, enlarged: null } : viewOf(s)[e.slot] ? { ...s, enlarged: e.slot, selected: e.slot } : s;
    case "sound":
      return { ...s, sound: e.camera, mute: e.camera === null ? s.mute : null };
    case "mute":
      return { ...s, sound: s.sound === e.camera ? null : s.sound, mute: e.camera };
    case "overview":
      return clamp({ ...s, overview: e.overview, enlarged: null, selected: 0, tour: null, tourWish: null, tiles: e.overview ? sizeFor(e.overview.cameras.length) : s.own.length === s.tiles ? s.tiles : sizeFor(s.own.length) });
    case "turn":
      if (s.overview) return { ...s, overview: { ...s.overview, page: pageOf(s.overview.cameras, s.tiles, s.overview.page + e.by).page }, enlarged: null };
      return s.tour ? { ...s, tour: turnTour(s.tour, e.now, e.by), enlarged: null } : s;
    case "tour":
      return { ...s, overview: null, enlarged: null, tourWish: e.wish, tour: startTour(e.now, e.cameras, s.tiles, e.wish.dwell_s) };
    case "tour_cameras":
      return s.tour ? { ...s, tour: renewTour(s.tour, e.cameras, s.tiles) } : s;
    case "tour_hold":
      return s.tour ? { ...s, tour: e.held ? holdTour(s.tour, e.now) : resumeTour(s.tour, e.now), enlarged: e.held ? s.enlarged : null } : s;
    case "tour_end":
      return s.tour ? { ...s, own: fitTo(viewOf(s), s.tiles), tour: null, tourWish: null } : s;
    case "tick": {
      const tour = s.tour && tickTour(s.tour, e.now);
      return tour === s.tour ? s : { ...s, tour, enlarged: null };
    }
    case "known": {
      const known = new Map(s.known);
      for (const [camera, news] of e.cameras) {
        const before = known.get(camera);
        const same = before?.state === news.state && before.since === news.since;
        // A short word about the state leaves the figures as they were told last.
        known.set(camera, { ...news, status: news.status ?? (same ? before.status : null) });
      }
      return { ...s, known };
    }
    case "carries":
      return { ...s, carried: new Map([...s.carried, ...e.lines]) };
    case "forget":
      return { ...s, carried: new Map([...s.carried].filter(([mid]) => !e.lines.has(mid))) };
    case "no_lines":
      return { ...s, carried: new Map() };
    case "shown":
      return { ...s, refused: new Map(e.refused.map((r) => [r.camera, r.reason])) };
    case "withdrawn":
      return { ...s, refused: new Map(s.refused).set(e.tile.camera, e.tile.reason) };
    case "alarms":
      return { ...s, alarms: e.alarms.filter(isOpen).slice(0, ALARMS_MAX) };
    case "alarm": {
      const rest = s.alarms.filter((a) => a.id !== e.alarm.id);
      const alarms = isOpen(e.alarm) ? [e.alarm, ...rest].sort((a, b) => b.since - a.since).slice(0, ALARMS_MAX) : rest;
      const fresh = !s.alarms.some((a) => a.id === e.alarm.id);
      let tour = s.tour;
      if (tour && isUrgent(e.alarm) && fresh) tour = alarmTour(tour, e.now, e.alarm.camera);
      else if (tour && !alarms.some((a) => a.camera === e.alarm.camera && isUrgent(a))) tour = calmTour(tour, e.now, e.alarm.camera);
      return { ...s, alarms, tour, enlarged: tour?.alarm !== s.tour?.alarm ? null : s.enlarged };
    }
  }
}

/** What is kept and saved as a layout. */
export function contentOf(s: WallState): WallContent {
  // An overview comes and goes over it.
  return { tiles: s.own.length, cameras: [...s.own], tour: s.tourWish };
}

/** What is enlarged gets the main stream, also on a small screen: from this height on a substream is not enough. */
const MAIN_HEIGHT = 720;

/** The message of what all tiles show. `heights`: by tile, in device pixels; a tile that is hidden has 0. */
export function tilesOf(s: WallState, mids: readonly string[], heights: readonly number[]): Tile[] {
  const thumbnail = s.overview !== null;
  return viewOf(s).flatMap((camera, i) => {
    const mid = mids[i];
    if (camera === null || mid === undefined) return [];
    const [height, large] = [stepHeight(heights[i] ?? 0), s.enlarged === i];
    return [{ mid, camera, height_px: large && height > 0 ? Math.max(height, MAIN_HEIGHT) : height, thumbnail: thumbnail && !large }];
  });
}
