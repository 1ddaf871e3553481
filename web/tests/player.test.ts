import { expect, test } from "vitest";
import type { RecordedTrack } from "../src/protocol/generated/index";
import { correct, PlayClock } from "../src/ui/player/clock";
import { pieces } from "../src/ui/player/marked";
import { barGaps, chapterAt, picturesAt, wholeGapAt } from "../src/ui/player/tracks";

test("the clock runs, waits, speeds up and stops at the end", () => {
  const c = new PlayClock(10_000);
  c.play(0);
  expect(c.position(1_000)).toBe(1_000);
  c.hold(1_000, true);
  expect(c.position(3_000)).toBe(1_000);
  c.hold(3_000, false);
  c.setRate(3_000, 2);
  expect(c.position(4_000)).toBe(3_000);
  c.seek(4_000, 9_000);
  expect(c.position(60_000)).toBe(10_000);
  c.pause(60_000);
  c.play(61_000); // from the end it begins anew
  expect(c.position(61_000)).toBe(0);
});

test.each([
  [10, 10.01, { type: "rate", rate: 1 }],
  [10, 12, { type: "seek", to: 12 }],
  [12, 10, { type: "seek", to: 10 }],
])("an element at %d that should be at %d", (have, want, correction) => {
  expect(correct(have, want, 1)).toEqual(correction);
});

test("small drifts are caught up gently, and only as fast as nobody hears", () => {
  const late = correct(10, 10.2, 1);
  expect(late.type === "rate" && late.rate > 1 && late.rate <= 1.1).toBe(true);
  const early = correct(10.2, 10, 1.5);
  expect(early.type === "rate" && early.rate < 1.5 && early.rate >= 1.35).toBe(true);
});

const track = (id: string, part: Partial<RecordedTrack>): RecordedTrack => ({ track: id, name: id, teacher: false, source: "camera", codec: "vp8", from_ms: 0, to_ms: 1_000, playlist: null, webm: null, width: 1, height: 1, ...part });

test("pictures: the preferred, then the screen, the teacher, the others", () => {
  const all = [track("pupil", { from_ms: 100 }), track("t", { teacher: true }), track("s", { teacher: true, source: "screen" }), track("voice", { source: "microphone" })];
  expect(picturesAt(all, 500, null).map((x) => x.track)).toEqual(["s", "t", "pupil"]);
  expect(picturesAt(all, 500, "t/camera").map((x) => x.track)).toEqual(["t", "s", "pupil"]);
  expect(picturesAt(all, 50, null).map((x) => x.track)).toEqual(["s", "t"]);
  expect(picturesAt(all, 1_000, null)).toEqual([]);
});

test("gaps: the whole recording's are jumped, the teacher's shown, mutes not", () => {
  const gap = (t: string | null, from_ms: number, to_ms: number, cause: "restart" | "muted" | "loss") => ({ track: t, from_ms, to_ms, cause });
  const gaps = [gap(null, 100, 200, "restart"), gap("t", 300, 2_300, "loss"), gap("t", 400, 9_000, "muted"), gap("pupil", 0, 9_000, "loss")];
  expect(wholeGapAt(gaps, 150)?.to_ms).toBe(200);
  expect(wholeGapAt(gaps, 350)).toBeNull();
  expect(barGaps(gaps, [track("t", { teacher: true }), track("pupil", {})])).toHaveLength(2);
});

test("the chapter of a moment", () => {
  const chapters = [{ at_ms: 0, kind: "start", name: "" }, { at_ms: 5_000, kind: "screen_on", name: "t" }];
  expect([0, 4_000, 5_000, 9_000].map((at) => chapterAt(chapters, at))).toEqual([0, 0, 1, 1]);
});

test("searched words are marked, whatever they contain", () => {
  expect(pieces("荷花与莲花", "荷 莲")).toEqual(["", "荷", "花与", "莲", "花"]);
  expect(pieces("a(b", "(")).toEqual(["a", "(", "b"]);
  expect(pieces("abc", "")).toEqual(["abc"]);
});
