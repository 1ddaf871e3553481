/** What is on the page is asked for: once, in the right size, on the lines there are. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { LineAssignment, ServerMessage, Track } from "../src/protocol/generated/index";
import { enter, type RoomState } from "../src/state/room";
import { Viewing } from "../src/state/viewing";
import { person, welcome } from "./fakes";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const track = (participant: string, source: Track["source"]): Track => ({ id: `${participant}-${source}`, participant, source, codec: "h264", layers: 3, muted: false });
const room = (...tracks: Track[]): RoomState => enter(welcome(person("me"), { tracks }) as Extract<ServerMessage, { type: "welcome" }>, Date.now());

function viewing() {
  const said: LineAssignment[][] = [];
  const line = { up: true };
  const of = new Viewing({
    mids: () => ({ audio: ["0", "1"], video: ["2"] }),
    assign: (lines) => line.up && said.push(lines) > 0,
    moved: () => undefined,
  });
  return { of, said, line, asked: () => said.at(-1)?.map((l) => [l.track, l.height_px, l.priority]) };
}
const settle = (): void => void vi.advanceTimersByTime(50);

test("voices are always asked for, pictures as large as they are shown, one's own never", () => {
  const { of, asked } = viewing();
  of.update(room(track("t", "camera"), track("t", "microphone"), track("me", "microphone")), "t-camera");
  of.show("t-camera", 500);
  settle();
  expect(asked()).toEqual([["t-microphone", 1, "pinned"], ["t-camera", 540, "pinned"]]);
  of.hide("t-camera");
  settle();
  expect(asked()).toEqual([["t-microphone", 1, "pinned"]]);
});

test("a page that settles in steps says one thing, and the same thing once", () => {
  const { of, said } = viewing();
  of.update(room(track("t", "camera")), null);
  for (const px of [0, 90, 300, 355]) of.show("t-camera", px);
  settle();
  of.show("t-camera", 340);
  settle();
  expect(said).toHaveLength(1);
});

test("what could not be said is said again; new lines are told everything", () => {
  const { of, said, line } = viewing();
  line.up = false;
  of.update(room(track("t", "camera")), null);
  of.show("t-camera", 300);
  settle();
  expect(said).toHaveLength(0);
  line.up = true;
  of.renew();
  of.renew();
  expect(said).toHaveLength(2);
});

test("while new lines are being agreed on nothing is said", () => {
  const { of, said } = viewing();
  of.hold();
  of.update(room(track("t", "camera")), null);
  of.show("t-camera", 300);
  settle();
  expect(said).toHaveLength(0);
  of.renew();
  expect(said).toHaveLength(1);
  expect(of.midOf("t-camera")).toBe("2");
});
