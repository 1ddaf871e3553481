import { expect, test, vi } from "vitest";
import type { RecordedTrack } from "../src/protocol/generated/index";
import { correct, PlayClock } from "../src/ui/player/clock";
import { TrackElement } from "../src/ui/player/element";
import { pieces } from "../src/ui/player/marked";
import { barGaps, chapterAt, downloads, leadIn, picturesAt, wholeGapAt } from "../src/ui/player/tracks";

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

test("at the end of a running lesson the clock waits for more and goes on from there", () => {
  const c = new PlayClock(10_000);
  c.play(0);
  expect(c.position(13_000)).toBe(10_000);
  c.grow(13_000, 15_000);
  expect(c.position(13_000), "the three seconds of waiting are not skipped").toBe(10_000);
  expect(c.position(14_000)).toBe(11_000);
  c.grow(14_000, 12_000);
  expect(c.duration, "a lesson does not get shorter").toBe(15_000);
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

test("before the first picture it stands still in its place, for a while", () => {
  const late = [track("voice", { source: "microphone" }), track("s", { source: "screen", from_ms: 9_000, to_ms: 20_000 }), track("t", { teacher: true, from_ms: 600, to_ms: 20_000 })];
  expect(leadIn(late, 0, true)?.track).toBe("t");
  expect(leadIn(late, 600, true), "its own time has come").toBeNull();
  const later = [track("t", { from_ms: 40_000, to_ms: 50_000 })];
  expect(leadIn(later, 0, false)?.track).toBe("t");
  expect(leadIn(later, 0, true), "not with a voice of half a minute before").toBeNull();
  expect(leadIn([track("t", { from_ms: 70_000, to_ms: 80_000 })], 0, false)).toBeNull();
  expect(leadIn([track("voice", { source: "microphone" })], 0, false)).toBeNull();
});

test("what can be downloaded: the teacher's camera and screen, as the file that fits their codec", () => {
  const playlist = "/p.m3u8";
  expect(downloads([track("pupil", { playlist }), track("t", { teacher: true, playlist }), track("s", { teacher: true, source: "screen", webm: "/s.webm" })]).map((d) => [d.source, d.track.track, d.format])).toEqual([["camera", "t", "MP4"], ["screen", "s", "WebM"]]);
  expect(downloads([track("voice", { teacher: true, source: "microphone", playlist })])).toEqual([]);
});

/** A media element of which only the state matters. */
function media(part: Partial<HTMLMediaElement> = {}): HTMLMediaElement {
  const element = document.createElement("video");
  for (const [name, value] of Object.entries({ readyState: 4, seeking: false, currentTime: 0, canPlayType: () => "probably", play: async () => undefined, pause: () => undefined, load: () => undefined, ...part }))
    Object.defineProperty(element, name, { value, writable: true, configurable: true });
  return element;
}

test("a track whose end moves is followed past its old end", () => {
  const play = vi.fn(async () => undefined);
  const one = new TrackElement(track("t", { webm: "/t.webm", to_ms: 5_000 }), media({ play }));
  one.follow(6_000, true, 1);
  expect(play).not.toHaveBeenCalled();
  one.track = track("t", { webm: "/t.webm", to_ms: 9_000 });
  one.follow(6_000, true, 1);
  expect(play).toHaveBeenCalled();
  expect(one.element.currentTime).toBe(6);
});

test("a picture that is wanted before its time stands at its beginning", () => {
  const one = new TrackElement(track("t", { webm: "/t.webm", from_ms: 30_000, to_ms: 90_000 }), media());
  one.follow(0, false, 1);
  expect(one.element.getAttribute("src"), "far away it is not loaded").toBeNull();
  one.follow(0, false, 1, true);
  expect(one.element.getAttribute("src")).toBe("/t.webm");
  expect(one.element.currentTime).toBe(30);
});

test("VP8: not while the lesson runs, not in a browser without it, and once more on demand", () => {
  const running = new TrackElement(track("t", { webm: "/t.webm" }), media());
  running.later = true;
  running.follow(0, true, 1);
  expect(running.element.getAttribute("src")).toBeNull();
  expect(running.waits(0), "nothing to wait for").toBe(false);
  running.later = false;
  running.follow(0, true, 1);
  expect(running.element.getAttribute("src")).toBe("/t.webm");
  running.element.dispatchEvent(new Event("error"));
  expect(running.failed).toBe("broken");
  running.follow(0, true, 1);
  expect(running.failed, "it does not mend itself").toBe("broken");
  running.retry();
  running.follow(0, true, 1);
  expect(running.failed).toBeNull();
  expect(running.element.getAttribute("src")).toBe("/t.webm");
  const old = new TrackElement(track("t", { webm: "/t.webm" }), media({ canPlayType: () => "" }));
  old.follow(0, true, 1);
  expect(old.failed).toBe("unsupported");
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
