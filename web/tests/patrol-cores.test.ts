/** The cores of exam patrol: grids, tours, the wall's state, the timeline's zoom, pictures in step. */
import { describe, expect, test } from "vitest";
import { clock } from "../src/i18n/format";
import { instant, spanOfDay, useZone } from "../src/i18n/zone";
import type { AlarmItem, Camera, CameraDay, CameraGap, Place } from "../src/protocol/generated/index";
import { camerasOf, growCatalogue, search } from "../src/state/patrol/catalogue";
import { gapAt, isElsewhere, isWhole, joined, landmark, nextSeen, pieces, seenAt, tailFrom, touches, withTail } from "../src/state/patrol/day";
import { FrameWatch } from "../src/state/patrol/frames";
import { gridFor, moveSelection, pageOf, pictureHeight, resized, sizeFor } from "../src/state/patrol/grid";
import { readKept, screenOf } from "../src/state/patrol/keep";
import { homePlace, ownPlaces } from "../src/state/patrol/load";
import { keepStep, MasterClock, nextRecorded, playerTime } from "../src/state/patrol/step";
import { ALARM_MS_MIN, alarmTour, calmTour, holdTour, pageUp, renewTour, resumeTour, startTour, tickTour, tourDue, tourProgress, tourView, turnTour, WAITING_MAX } from "../src/state/patrol/tour";
import { contentOf, EMPTY_WALL, reduce, tilesOf, viewOf, type WallEvent, type WallState } from "../src/state/patrol/wall";
import { follow, pan, reveal, SPAN_MS_MIN, ticks, zoomAround } from "../src/state/patrol/zoom";

describe("grid", () => {
  test("the smallest wall that holds them", () => {
    for (const [count, size] of [[0, 1], [1, 1], [2, 4], [5, 9], [17, 25], [37, 64], [900, 64]] as const) expect(sizeFor(count), `${count}`).toBe(size);
  });
  test("square on a usual screen, also beside panels; other columns only where they show much more", () => {
    expect(gridFor(36, 1920, 1080)).toEqual({ columns: 6, rows: 6 });
    expect(gridFor(36, 1380, 1000)).toEqual({ columns: 6, rows: 6 });
    expect(gridFor(4, 390, 760)).toEqual({ columns: 1, rows: 4 });
    expect(gridFor(4, 3840, 1080)).toEqual({ columns: 2, rows: 2 });
    expect(gridFor(4, 5760, 1080).columns).toBe(4);
    expect(gridFor(9, 0, 0)).toEqual({ columns: 3, rows: 3 });
  });
  test("a picture is as high as its tile lets it be, in device pixels", () => {
    expect(pictureHeight(320, 180, 1)).toBe(180);
    expect(pictureHeight(320, 400, 2)).toBe(360);
  });
  test("arrows walk over the rows and stay on the wall", () => {
    expect(moveSelection(2, "ArrowRight", 3, 9)).toBe(3);
    expect(moveSelection(1, "ArrowUp", 3, 9)).toBe(1);
    expect(moveSelection(1, "ArrowDown", 3, 9)).toBe(4);
    expect(moveSelection(4, "End", 3, 9)).toBe(8);
    expect(moveSelection(4, "Home", 3, 9)).toBe(0);
  });
  test("pages wrap, and a smaller wall keeps cameras rather than holes", () => {
    expect(pageOf([1, 2, 3, 4, 5], 2, 3)).toEqual({ items: [1, 2], page: 0, pages: 3 });
    expect(pageOf([1, 2, 3, 4, 5], 2, -1).items).toEqual([5]);
    expect(resized(["a", null, null, "b", "c"], 4)).toEqual(["a", "b", "c", null]);
    expect(resized(["a", null, "b", null, null], 4)).toEqual(["a", null, "b", null]);
  });
});

describe("tour", () => {
  const ids = [..."abcdefghij"];
  const start = () => startTour(0, ids, 4, 10);
  test("each page has its time, then the next, then the first again", () => {
    let t = start();
    expect(tourView(t)).toEqual(["a", "b", "c", "d"]);
    expect(tickTour(t, 9_999)).toBe(t);
    expect(tourProgress(t, 5_000)).toBe(0.5);
    t = tickTour(t, 10_000);
    t = tickTour(t, 20_000);
    expect(tourView(t)).toEqual(["i", "j", null, null]);
    expect(tourView(tickTour(t, 30_000))).toEqual(["a", "b", "c", "d"]);
  });
  test("held it stays, and goes on with the time that was left", () => {
    const held = holdTour(start(), 4_000);
    expect(tickTour(held, 60_000)).toBe(held);
    expect(tourProgress(held, 60_000)).toBe(0.4);
    const going = resumeTour(held, 60_000);
    expect(tourDue(going)).toBe(66_000);
  });
  test("an alarm brings up its page at once; then the tour goes on where it was", () => {
    let t = alarmTour(start(), 3_000, "f");
    expect(tourView(t)).toEqual(["e", "f", "g", "h"]);
    expect(pageUp(t)).toBe(1);
    t = alarmTour(t, 4_000, "j");
    expect(tourView(t), "one after the other").toEqual(["e", "f", "g", "h"]);
    t = tickTour(t, 3_000 + ALARM_MS_MIN);
    expect(t.alarm).toBe("j");
    t = tickTour(t, 3_000 + 2 * ALARM_MS_MIN);
    expect(t.alarm).toBeNull();
    expect(tourView(t)).toEqual(["a", "b", "c", "d"]);
  });
  test("a camera outside of the tour takes the first tile", () => {
    expect(tourView(alarmTour(start(), 0, "z"))).toEqual(["z", "b", "c", "d"]);
  });
  test("nothing jumps while somebody holds it; it comes up when they let go", () => {
    const held = alarmTour(holdTour(start(), 1_000), 2_000, "f");
    expect(held.alarm).toBeNull();
    expect(resumeTour(held, 9_000).alarm).toBe("f");
  });
  test("an alarm that is over need not come up; those that wait have a bound", () => {
    let t = alarmTour(alarmTour(start(), 0, "f"), 0, "j");
    t = calmTour(t, 1_000, "f");
    expect(t.alarm).toBe("j");
    expect(calmTour(t, 2_000, "j").alarm).toBeNull();
    for (let i = 0; i < 100; i++) t = alarmTour(t, 0, `x${i}`);
    expect(t.waiting.length).toBe(WAITING_MAX);
  });
  test("one page alone never turns, but an alarm from outside goes away again", () => {
    const one = startTour(0, ["a", "b"], 4, 10);
    expect(tourDue(one)).toBeNull();
    const alarmed = alarmTour(one, 0, "z");
    expect(tickTour(alarmed, ALARM_MS_MIN).alarm).toBeNull();
  });
  test("turned by hand, renewed with other cameras", () => {
    expect(tourView(turnTour(start(), 5_000, -1))).toEqual(["i", "j", null, null]);
    const second = tickTour(start(), 10_000);
    expect(tourView(renewTour(second, ["x", ...ids], 4))).toEqual(["d", "e", "f", "g"]);
    expect(renewTour(second, [], 4).page).toBe(0);
  });
});

const alarm = (id: string, camera: string, part: Partial<AlarmItem> = {}): AlarmItem => ({ id, camera, camera_name: camera, place: "p", place_name: "P", group: "exam_room", fault: "frozen", since: 1, until: null, acknowledged_by: null, acknowledged_at: null, note: "", handed_to: null, elsewhere: [], ...part });
const run = (events: WallEvent[], from: WallState = EMPTY_WALL): WallState => events.reduce(reduce, from);

describe("wall", () => {
  test("a camera stands once; a site makes the wall large enough", () => {
    let s = run([{ type: "put", slot: 2, cameras: ["a"] }, { type: "put", slot: 4, cameras: ["a"] }]);
    expect(viewOf(s).filter((c) => c === "a")).toHaveLength(1);
    expect(viewOf(s)[4]).toBe("a");
    s = run([{ type: "put", slot: 0, cameras: Array.from({ length: 20 }, (_, i) => `c${i}`) }], s);
    expect([s.tiles, viewOf(s)[19], viewOf(s)[20]]).toEqual([25, "c19", null]);
  });
  test("an empty tile is not enlarged; a smaller wall keeps the selection on it", () => {
    let s = run([{ type: "put", slot: 8, cameras: ["a"] }, { type: "enlarge", slot: 1 }]);
    expect(s.enlarged).toBeNull();
    s = run([{ type: "enlarge", slot: 8 }, { type: "size", tiles: 4 }], s);
    expect([s.selected, s.enlarged, viewOf(s)]).toEqual([3, null, ["a", null, null, null]]);
  });
  test("an alarm is brought up: where it is, on a free tile, or by the tour", () => {
    let s = run([{ type: "size", tiles: 4 }, { type: "put", slot: 0, cameras: ["a"] }, { type: "bring", now: 0, camera: "a" }]);
    expect(s.enlarged).toBe(0);
    s = run([{ type: "bring", now: 0, camera: "b" }], s);
    expect(viewOf(s)).toEqual(["a", "b", null, null]);
    s = run([{ type: "tour", now: 0, wish: { place: "p", groups: [], dwell_s: 10 }, cameras: [..."abcdef"] }, { type: "tour_hold", now: 1, held: true }, { type: "bring", now: 2, camera: "f" }], s);
    expect([s.tour?.alarm, s.tour?.heldAt, viewOf(s)]).toEqual(["f", null, ["e", "f", null, null]]);
  });
  test("a tour runs over the wall; taking a tile in hand makes it one's own", () => {
    const wish = { place: "p", groups: [], dwell_s: 10 };
    let s = run([{ type: "size", tiles: 4 }, { type: "tour", now: 0, wish, cameras: [..."abcdef"] }, { type: "tick", now: 10_000 }]);
    expect(viewOf(s)).toEqual(["e", "f", null, null]);
    expect(contentOf(s).tour).toEqual(wish);
    s = run([{ type: "clear", slot: 0 }], s);
    expect([s.tour, viewOf(s)]).toEqual([null, [null, "f", null, null]]);
  });
  test("alarms: newest first, over = gone, a tour jumps once and calms when acknowledged", () => {
    let s = run([{ type: "size", tiles: 1 }, { type: "tour", now: 0, wish: { place: "p", groups: [], dwell_s: 10 }, cameras: ["a", "b", "c"] }]);
    s = run([{ type: "alarm", now: 1_000, alarm: alarm("1", "c") }], s);
    expect(viewOf(s)).toEqual(["c"]);
    s = run([{ type: "alarm", now: 2_000, alarm: alarm("1", "c", { acknowledged_at: 2, acknowledged_by: "Li" }) }], s);
    expect(viewOf(s)).toEqual(["a"]);
    expect(s.alarms).toHaveLength(1);
    s = run([{ type: "alarm", now: 3_000, alarm: alarm("2", "b", { since: 5 }) }, { type: "alarm", now: 3_000, alarm: alarm("1", "c", { until: 9 }) }], s);
    expect(s.alarms.map((a) => a.id)).toEqual(["2"]);
  });
  test("the overview is small pictures page by page, and goes back to what was there", () => {
    let s = run([{ type: "size", tiles: 4 }, { type: "put", slot: 0, cameras: ["a"] }]);
    s = run([{ type: "overview", overview: { cameras: Array.from({ length: 70 }, (_, i) => `c${i}`), place: null, page: 0 } }, { type: "turn", now: 0, by: 1 }], s);
    expect([s.tiles, viewOf(s)[5], viewOf(s)[6]]).toEqual([64, "c69", null]);
    expect(tilesOf(s, ["m"], [100])[0]).toEqual({ mid: "m", camera: "c64", height_px: 180, thumbnail: true });
    expect(contentOf(s), "what is kept is the wall below it").toEqual({ tiles: 4, cameras: ["a", null, null, null], tour: null });
    s = run([{ type: "overview", overview: null }], s);
    expect([s.tiles, viewOf(s)[0]]).toEqual([4, "a"]);
  });
  test("the message names a line per tile, hidden ones with height 0, empty ones not at all", () => {
    const s = run([{ type: "size", tiles: 4 }, { type: "put", slot: 0, cameras: ["a"] }, { type: "put", slot: 3, cameras: ["b"] }]);
    expect(tilesOf(s, ["0", "1", "2", "3"], [700, 0, 0, 0])).toEqual([
      { mid: "0", camera: "a", height_px: 720, thumbnail: false },
      { mid: "3", camera: "b", height_px: 0, thumbnail: false },
    ]);
  });
  test("what is enlarged asks for the main stream, also on a small screen", () => {
    const s = run([{ type: "size", tiles: 4 }, { type: "put", slot: 0, cameras: ["a", "b"] }, { type: "enlarge", slot: 0 }]);
    expect(tilesOf(s, ["0", "1"], [470, 0]).map((tile) => tile.height_px)).toEqual([720, 0]);
    expect(tilesOf(s, ["0", "1"], [0, 0])[0]?.height_px, "not while it is hidden").toBe(0);
  });
  test("a short word about a camera's state leaves its figures", () => {
    const status = { state: "live", since: 1, streams: [], clock_offset_ms: 3, recording: true, durable: 5 } as const;
    let s = run([{ type: "known", cameras: [["a", { state: "live", since: 1, status: { ...status, streams: [] } }]] }, { type: "known", cameras: [["a", { state: "live", since: 1, status: null }]] }]);
    expect(s.known.get("a")?.status?.recording).toBe(true);
    s = run([{ type: "known", cameras: [["a", { state: "unreachable", since: 9, status: null }]] }], s);
    expect(s.known.get("a")?.status, "figures of a camera that is gone are not true").toBeNull();
  });
  test("a refusal stays until the next answer about what is shown", () => {
    let s = run([{ type: "withdrawn", tile: { mid: "0", camera: "a", reason: "not_now" } }]);
    expect(s.refused.get("a")).toBe("not_now");
    s = run([{ type: "shown", refused: [] }], s);
    expect(s.refused.size).toBe(0);
  });
  test("what is kept is read back, and nothing else", () => {
    expect(screenOf("?screen=2")).toBe("2");
    expect(screenOf("?screen=../x")).toBe("1");
    expect(readKept("{")).toBeNull();
    expect(readKept(JSON.stringify({ content: { tiles: 5, cameras: [] } }))).toBeNull();
    expect(readKept(JSON.stringify({ content: { tiles: 4, cameras: ["a", 3, null, "b", "c"], tour: { place: 1 } }, most: 900 }))).toMatchObject({ content: { tiles: 4, cameras: ["a", null, null, "b"], tour: null }, most: 64, tree: true });
  });
});

describe("frames", () => {
  test("told after four seconds, asked again after eight, line renewed after twenty; moving again, all is well", () => {
    const w = new FrameWatch();
    expect(w.look(0, 10, false, false)).toBe("fine");
    expect(w.look(3_000, 10, false, false)).toBe("fine");
    expect(w.look(5_000, 10, false, false)).toBe("frozen");
    expect(w.stillSince).toBe(0);
    expect(w.look(8_000, 10, false, false)).toBe("ask");
    expect(w.look(10_000, 10, false, false)).toBe("frozen");
    expect(w.look(20_000, 10, false, false)).toBe("renew");
    expect(w.look(22_000, 10, false, false)).toBe("frozen");
    expect(w.look(40_000, 10, false, false), "not in a row").toBe("renew");
    expect(w.look(41_000, 11, false, false)).toBe("fine");
    expect(w.stillSince).toBeNull();
  });
  test("a paused element is played; small pictures may take their time", () => {
    const w = new FrameWatch();
    w.look(0, 1, false, true);
    expect(w.look(8_000, 1, false, true)).toBe("fine");
    expect(w.look(8_500, 1, true, true)).toBe("play");
  });
});

describe("timeline", () => {
  const bounds = { from: 0, to: 86_400_000 };
  test("the moment under the pointer stays under it", () => {
    const view = zoomAround(bounds, 0.25, 0.5, bounds);
    expect(view.from + (view.to - view.from) * 0.25).toBeCloseTo(21_600_000);
    expect(view.to - view.from).toBe(43_200_000);
  });
  test("down to seconds, up to the day, never outside", () => {
    let view = bounds;
    for (let i = 0; i < 100; i++) view = zoomAround(view, 0.9, 0.8, bounds);
    expect(view.to - view.from).toBeCloseTo(SPAN_MS_MIN);
    for (let i = 0; i < 100; i++) view = zoomAround(view, 0.1, 1.3, bounds);
    expect(view).toEqual(bounds);
    expect(pan({ from: 0, to: 1_000 }, -500, bounds)).toEqual({ from: 0, to: 1_000 });
    expect(pan({ from: 0, to: 1_000 }, 90_000_000, bounds)).toEqual({ from: 86_399_000, to: 86_400_000 });
  });
  test("the view follows a playhead that runs out of it, and not one that is elsewhere", () => {
    const view = { from: 1_000, to: 2_000 };
    expect(follow(view, 1_990, 2_010, bounds)).toEqual({ from: 1_910, to: 2_910 });
    expect(follow(view, 5_000, 5_010, bounds)).toBe(view);
    expect(follow(view, 1_500, 1_510, bounds)).toBe(view);
    expect(reveal(view, 50_000, bounds)).toEqual({ from: 49_500, to: 50_500 });
  });
  test("marks are round moments of local time", () => {
    expect(ticks(bounds, 1_000, 90, () => 0).map((m) => m.at / 3_600_000)).toEqual([0, 3, 6, 9, 12, 15, 18, 21, 24]);
    expect(ticks({ from: 0, to: 10_000 }, 1_000, 90, () => 0).map((m) => m.at)).toEqual([0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000, 10_000]);
    expect(ticks(bounds, 1_000, 90, () => 1_800_000)[0]?.at, "half-hour zones").toBe(9_000_000);
  });
  test("marks stay round on a day when clocks change", () => {
    useZone("America/New_York");
    for (const [date, hours] of [["2026-03-08", "00 03 06 09 12 15 18 21 00"], ["2026-11-01", "00 03 06 09 12 15 18 21 00"]] as const) {
      const marks = ticks(spanOfDay(date), 1_000);
      expect(marks.map((m) => clock(m.at).slice(0, 2)).join(" "), date).toBe(hours);
      expect(marks.every((m) => clock(m.at).endsWith(":00")), date).toBe(true);
    }
    // The hour that comes twice has its marks both times.
    const change = instant("2026-11-01", "02:00") - 3_600_000;
    expect(ticks({ from: change - 1_800_000, to: change + 1_800_000 }, 400).map((m) => clock(m.at))).toEqual(["01:30", "01:45", "01:00", "01:15", "01:30"]);
    useZone(null);
  });
  test("hours that touch are one bar; a thousand gaps are few pieces, and one in view is itself", () => {
    expect(joined([{ from: 5, to: 9 }, { from: 0, to: 5 }, { from: 20, to: 30 }])).toEqual([{ from: 0, to: 9 }, { from: 20, to: 30 }]);
    const many = Array.from({ length: 1_000 }, (_, i) => ({ from: i * 1_000, to: i * 1_000 + 100 }));
    const drawn = pieces(many, (g) => g, bounds, 1_000);
    expect(drawn.length).toBeLessThan(20);
    expect(drawn.reduce((n, p) => n + p.count, 0)).toBe(1_000);
    expect(pieces(many, (g) => g, { from: 0, to: 10_000 }, 1_000)).toHaveLength(11);
  });
  const gap = (from: number, to: number, stream: CameraGap["stream"] = null): CameraGap => ({ from, to, stream, cause: "network" });
  const day = { camera: "a", from: 0, to: 9_000_000, main: [{ from: 0, to: 5_000 }, { from: 8_000, to: 90_000 }], sub: [], sound: [], main_codec: "", elsewhere: [], gaps: [gap(5_000, 8_000), gap(20_000, 30_000, "sound")], alarms: [alarm("1", "a", { since: 40_000 })], bookmarks: [], holds: [], durable: null } as CameraDay;
  test("the newest part of today is put on: bars go on, a gap that was open grows, nothing stands twice", () => {
    const open = { ...day, to: 100_000, gaps: [gap(5_000, 8_000), gap(90_000, 100_000)] };
    const grown = withTail(open, { ...day, from: 95_000, to: 130_000, main: [{ from: 120_000, to: 130_000 }], gaps: [gap(95_000, 120_000)], alarms: [alarm("1", "a", { since: 40_000, until: 41_000 }), alarm("2", "a", { since: 125_000 })] });
    expect(grown.from).toBe(0);
    expect(grown.main).toEqual([{ from: 0, to: 5_000 }, { from: 8_000, to: 90_000 }, { from: 120_000, to: 130_000 }]);
    expect(grown.gaps).toEqual([gap(5_000, 8_000), gap(90_000, 120_000)]);
    expect(grown.alarms.map((a) => [a.id, a.until])).toEqual([["1", 41_000], ["2", null]]);
  });
  test("when the camera hung elsewhere is no gap, and stays known while the day grows", () => {
    const moved = { ...day, elsewhere: [{ from: 90_000, to: 95_000 }] };
    const grown = withTail(moved, { ...day, from: 94_000, to: 130_000, elsewhere: [{ from: 94_000, to: 130_000 }] });
    expect(grown.elsewhere).toEqual([{ from: 90_000, to: 130_000 }]);
    expect([89_999, 90_000, 129_999, 130_000].map((at) => isElsewhere(grown, at))).toEqual([false, true, true, false]);
    expect(gapAt(grown, 91_000)).toBeNull();
    expect(landmark([grown], "gap", 50_000, 1)).toBeNull();
  });
  test("the newest part of today is asked for from where it is one's own", () => {
    expect(tailFrom({ ...day, to: 300_000 }, 120_000)).toBe(180_000);
    expect(tailFrom({ ...day, to: 100_000 }, 120_000)).toBe(0);
    const away = (from: number, to: number) => tailFrom({ ...day, to: 300_000, elsewhere: [{ from, to }] }, 120_000);
    expect(away(150_000, 300_000), "moved away and never back").toBe(149_000);
    expect(away(200_000, 300_000), "the tail begins before that").toBe(180_000);
    expect(away(100_000, 150_000), "it is back").toBe(180_000);
    expect(away(100_000, 181_000)).toBe(99_000);
  });
  test("what lies at a moment, and what comes next", () => {
    expect(gapAt(day, 6_000)?.cause).toBe("network");
    expect(gapAt(day, 25_000), "only the sound is missing").toBeNull();
    expect([seenAt(day, 4_999), seenAt(day, 5_000), seenAt(day, 8_000)]).toEqual([true, false, true]);
    expect(landmark([day], "gap", 0, 1)).toBe(5_000);
    expect(landmark([day], "gap", 5_000, 1)).toBe(20_000);
    expect(landmark([day], "alarm", 50_000, -1)).toBe(40_000);
    expect(landmark([day], "bookmark", 0, 1)).toBeNull();
    expect([gap(4_900, 8_100, "main"), gap(1_000, 3_000, "sub"), gap(20_000, 30_000, "sound")].map((g) => isWhole(day, g))).toEqual([true, false, false]);
    expect([touches(day, 5_500, 7_500), touches(day, 4_000, 6_000), touches(day, 90_000, 99_000)]).toEqual([false, true, false]);
    expect([nextSeen([day], 6_000), nextSeen([day], 95_000)]).toEqual([8_000, null]);
  });
});

describe("in step", () => {
  test("the clock runs by its rate, stands while held, and stays within its bounds", () => {
    const c = new MasterClock(1_000, 0, 10_000);
    c.play(0);
    expect(c.position(500)).toBe(1_500);
    c.setRate(500, 4);
    expect(c.position(1_000)).toBe(3_500);
    c.hold(1_000, true);
    expect(c.position(9_000)).toBe(3_500);
    c.hold(9_000, false);
    expect(c.position(9_250)).toBe(4_500);
    expect(c.position(99_000)).toBe(10_000);
    c.pause(9_500);
    c.seek(9_500, -5);
    expect(c.position(20_000)).toBe(0);
  });
  test("near: a little faster or slower; far: a jump; standing: the very frame", () => {
    expect(keepStep(10, 10.02, 1, true)).toEqual({ type: "rate", rate: 1 });
    expect(keepStep(10, 10.5 - 0.25, 1, true)).toEqual({ type: "rate", rate: 1.1 });
    expect(keepStep(10, 10 - 0.125, 1, true)).toEqual({ type: "rate", rate: 0.9375 });
    expect(keepStep(10, 10.5, 1, true)).toEqual({ type: "seek", to: 10.5 });
    expect(keepStep(10, 11, 4, true).type, "a second of recording is a quarter of one for the eye").toBe("rate");
    expect(keepStep(10, 10.03, 1, false)).toEqual({ type: "seek", to: 10.03 });
    expect(keepStep(10, 12, 16, true)).toEqual({ type: "rate", rate: 16 });
  });
  test("two players that begin apart meet, and stay", () => {
    const at = [0.35, -0.35];
    const spread: number[] = [];
    for (let now = 0; now < 10; now += 0.25) {
      const want = 100 + now;
      at.forEach((off, i) => {
        const c = keepStep(want + off, want, 1, true);
        at[i] = c.type === "seek" ? 0 : off + (c.rate - 1) * 0.25;
      });
      spread.push(Math.max(...at) - Math.min(...at));
    }
    expect(Math.max(...spread.slice(20))).toBeLessThan(0.1);
  });
  const list = [{ start: 0, duration: 2, date: 10_000 }, { start: 2, duration: 2, date: 12_000 }, { start: 4, duration: 2, date: 40_000 }];
  test("a moment of the world in the player's time; none in a gap", () => {
    for (const [at, want] of [[10_000, 0], [13_000, 3], [14_100, 4], [20_000, null], [41_000, 5], [9_950, 0], [9_000, null], [43_000, null]] as const) {
      expect(playerTime(list, at), `${at}`).toBe(want === null ? null : want);
    }
    expect(nextRecorded(list, 20_000)).toBe(40_000);
    expect(nextRecorded(list, 50_000)).toBeNull();
    expect(playerTime([], 1)).toBeNull();
  });
});

describe("catalogue", () => {
  const place = (id: string, parent: string | null, name: string): Place => ({ id, parent, name, level: "exam_site" }) as Place;
  const camera = (id: string, at: string, name: string, part: Partial<Camera> = {}): Camera => ({ id, place: at, place_name: at, name, group: "exam_room", code: null, may: { live: true, listen: true, play: true, export: true, manage: false }, ...part }) as Camera;
  const tree = growCatalogue(
    [place("city", null, "成都"), place("s1", "city", "第一考点"), place("s2", "city", "第二考点"), place("none", "city", "空")],
    [camera("b", "s1", "考场10"), camera("a", "s1", "考场2"), camera("g", "s2", "大门", { group: "gate" }), camera("x", "s2", "走廊", { may: { live: false, listen: false, play: false, export: false, manage: false } }), camera("lost", "zz", "别处")],
  );
  test("places with cameras only, numbers in their order", () => {
    expect(new Map(tree.map((n) => [n.place.id, n.total]))).toEqual(new Map([["city", 4], ["zz", 1]]));
    expect(camerasOf(tree, "s1")).toEqual(["a", "b"]);
  });
  test("lists begin where one holds a role about cameras", () => {
    const places = [place("n", null, "全国"), place("city", "n", "成都"), place("s1", "city", "第一考点"), place("s2", "city", "第二考点")];
    const holds = (role: string, at: string) => ({ roles: [{ role: "teacher", place: "n" }, { role, place: at }] }) as never;
    expect(homePlace(places, holds("site_administrator", "s1"))?.id).toBe("s1");
    expect(homePlace(places, holds("administrator", "city"))?.id).toBe("city");
    expect(ownPlaces(places, holds("patrol_officer", "city")).map((p) => p.id)).toEqual(["city", "s1", "s2"]);
    expect(ownPlaces(places, null)).toHaveLength(4);
    expect(homePlace([], null)).toBeNull();
  });
  test("only what may be seen, only the wished groups", () => {
    expect(camerasOf(tree, "s2")).toEqual(["g"]);
    expect(camerasOf(tree, "city", ["gate"])).toEqual(["g"]);
    expect(camerasOf(tree, "nowhere")).toEqual([]);
  });
  test("every word must be there: in the name, or in a place above", () => {
    const found = (q: string): string[] => search(tree, q).flatMap((n) => camerasOf([n], null));
    expect(found("第一 考场2")).toEqual(["a"]);
    expect(found("第一")).toEqual(["a", "b"]);
    expect(found("没有")).toEqual([]);
  });
});
