import { expect, test } from "vitest";
import type { Participant, RoomSnapshot, ServerMessage, Track } from "../src/protocol/generated/index";
import { apply, CHAT_LINES_MAX, enter, hands, mainTile, mayPublish, orderedQuestions, tiles, type RoomState } from "../src/state/room";

const person = (id: string, part: Partial<Participant> = {}): Participant => ({
  id, name: id, role: "student", on_stage: false, hand_since: null, muted: [], online: true, quality: "good", joined: 1, ...part,
});
const track = (id: string, participant: string, source: Track["source"]): Track => ({ id, participant, source, codec: "h264", layers: 3, muted: false });

function room(part: Partial<RoomSnapshot> = {}, you = "t"): RoomState {
  const snapshot: RoomSnapshot = {
    room: "R", lesson: "L", title: "课", teacher: "t", state: "live", live_since: 5, recording: "on", waiting_room: false,
    participants: [person("t", { role: "teacher" }), person("a", { joined: 2 }), person("b", { joined: 3 })],
    participant_count: 3, waiting: [], tracks: [track("tc", "t", "camera")], chat: [], questions: [], ...part,
  };
  return enter({ type: "welcome", you, role: you === "t" ? "teacher" : "student", now: 1_000, room: snapshot }, 400);
}
const after = (r: RoomState, ...messages: ServerMessage[]): RoomState => messages.reduce((s, m) => apply(s, m).room, r);

test("the server's clock is kept beside ours", () => expect(room().clockOffset).toBe(600));

test("hands are in the order in which they went up, and news only once", () => {
  const r = after(room(), { type: "participant_changed", participant: person("b", { hand_since: 10 }) });
  const up = apply(r, { type: "participant_changed", participant: person("a", { hand_since: 20 }) });
  expect(hands(up.room).map((p) => p.id)).toEqual(["b", "a"]);
  expect(up.news.map((n) => n.type)).toEqual(["hand"]);
  expect(apply(up.room, { type: "participant_changed", participant: person("a", { hand_since: 20, quality: "poor" }) }).news).toEqual([]);
});

test("who comes on stage and goes is news to everybody else, to students too, who see nobody off stage", () => {
  const change = (p: Participant): ServerMessage => ({ type: "participant_changed", participant: p });
  const stage = (r: RoomState, m: ServerMessage) => apply(r, m).news.filter((n) => n.type === "stage").map((n) => n.on);
  const student = room({ participants: [person("t", { role: "teacher", on_stage: true }), person("b")] }, "b");
  expect(stage(student, change(person("a", { on_stage: true })))).toEqual([true]);
  const seen = after(student, change(person("a", { on_stage: true })));
  expect(stage(seen, change(person("a", { on_stage: true, quality: "poor" })))).toEqual([]);
  expect(stage(seen, { type: "participant_left", participant: "a" })).toEqual([false]);
  expect(stage(seen, { type: "participant_left", participant: "t" })).toEqual([]);
  expect(stage(student, change(person("b", { on_stage: true }))), "oneself is told otherwise").toEqual([]);
  expect(stage(room(), change(person("a", { on_stage: true })))).toEqual([true]);
  expect(stage(room(), change(person("new"))), "whoever only comes").toEqual([]);
});

test("only the teacher and who is on stage may publish", () => {
  expect(mayPublish(room())).toBe(true);
  const student = room({}, "a");
  expect(mayPublish(student)).toBe(false);
  expect(mayPublish(after(student, { type: "participant_changed", participant: person("a", { on_stage: true }) }))).toBe(true);
});

test("chat is bounded and a repeated line counts once", () => {
  let r = room();
  for (let i = 1; i <= CHAT_LINES_MAX + 20; i++) r = after(r, { type: "chat", line: { id: i, at: i, from: "a", name: "a", text: "x" } });
  expect(r.chat).toHaveLength(CHAT_LINES_MAX);
  expect(after(r, { type: "chat", line: { id: CHAT_LINES_MAX + 20, at: 1, from: "a", name: "a", text: "x" } }).chat).toHaveLength(CHAT_LINES_MAX);
});

test("questions: most wanted first, answered last", () => {
  const q = (id: number, votes: number, answered: number | null = null) => ({ id, at: 0, from: "a", name: "a", text: "?", votes, voted: false, answered, answer: null });
  const r = after(room(), { type: "question_changed", question: q(1, 1) }, { type: "question_changed", question: q(2, 5) }, { type: "question_changed", question: q(3, 9, 50) });
  expect(orderedQuestions(r).map((x) => x.id)).toEqual([2, 1, 3]);
});

test("the large picture: pinned > screen > called > teacher", () => {
  const r = room();
  expect(mainTile(r, tiles(r), null)?.key).toBe("t/camera");
  const called = after(r, { type: "participant_changed", participant: person("a", { on_stage: true }) }, { type: "track_changed", track: track("ac", "a", "camera") });
  expect(mainTile(called, tiles(called), null)?.key, "the teacher sees whom she called").toBe("a/camera");
  const seen = { ...called, role: "student" as const, you: "b" };
  expect(mainTile(seen, tiles(seen), null)?.key, "others see the teacher").toBe("t/camera");
  const shared = after(called, { type: "track_changed", track: track("ts", "t", "screen") });
  expect(mainTile(shared, tiles(shared), null)?.key).toBe("t/screen");
  expect(mainTile(shared, tiles(shared), "t/camera")?.key).toBe("t/camera");
});

test("tiles keep their places when someone leaves", () => {
  const three = after(
    room(),
    ...["a", "b", "c"].map((id, i): ServerMessage => ({ type: "participant_changed", participant: person(id, { on_stage: true, joined: i + 2 }) })),
  );
  expect(tiles(three).map((x) => x.participant)).toEqual(["t", "a", "b", "c"]);
  expect(tiles(after(three, { type: "participant_left", participant: "a" })).map((x) => x.participant)).toEqual(["t", "b", "c"]);
});

test("state, recording and lines are taken as the server says them", () => {
  const r = after(
    room({ state: "scheduled", recording: "off" }),
    { type: "room_changed", state: "live", live_since: 9, recording: "failed", waiting_room: true },
    { type: "line_changed", mid: "3", track: "tc", layer: null, limited: true },
  );
  expect(r).toMatchObject({ state: "live", liveSince: 9, recording: "failed", waitingRoom: true });
  expect(r.lines.get("3")).toEqual({ track: "tc", layer: null, limited: true });
});
