/** A class as one person's page lives through it: called, muted, cut off, back again. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Participant, RoomSnapshot } from "../src/protocol/generated/index";
import { ClassSession, UNDO_MS } from "../src/state/class-session";
import { kept } from "../src/state/resume";
import type { RoomNews } from "../src/state/room";
import { changeSettings, settings } from "../src/state/settings";
import { fakeBrowser, FakePeer, FakeSocket, FakeTrack, person, welcome, type FakeBrowser } from "./fakes";

let browser: FakeBrowser;
let session: ClassSession;
let news: RoomNews["type"][];

beforeEach(() => {
  vi.useFakeTimers();
  sessionStorage.clear();
  browser = fakeBrowser();
  changeSettings({ cameraOn: true, microphoneOn: true, cameraId: "", microphoneId: "" });
  session = new ClassSession();
  news = [];
  session.onNews = (n) => news.push(n.type);
});

afterEach(() => {
  session.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const settle = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms + 5);
const socket = (): FakeSocket => FakeSocket.all.at(-1) as FakeSocket;
const state = () => session.store.get();
const student = (part: Partial<Participant> = {}): Participant => person("me", part);
const teacher = person("me", { role: "teacher", on_stage: true });

/** Dials until there is a new socket, and says who we are. */
async function arrive(you: Participant, part: Partial<RoomSnapshot> = {}): Promise<void> {
  const before = FakeSocket.all.length;
  while (FakeSocket.all.length === before) await settle(300);
  socket().accept();
  socket().say(welcome(you, part));
  await settle();
}

async function join(you: Participant, part: Partial<RoomSnapshot> = {}): Promise<void> {
  session.join({ code: "abc", name: "me", classroom: false, open: false, lines: { video: 1, audio: 1 } });
  await settle();
  socket().accept();
  socket().say(welcome(you, part));
  await settle();
}

const call = async (on: boolean): Promise<void> => {
  socket().say({ type: "participant_changed", participant: student({ on_stage: on }) });
  await settle();
};

test("a class that was to be opened is opened though the line broke when it was said, and never twice", async () => {
  session.join({ code: "abc", name: "me", classroom: false, open: true, lines: { video: 1, audio: 1 } });
  await arrive(teacher, { state: "scheduled" });
  expect(socket().of("open")).toHaveLength(1);
  socket().drop();
  await arrive(teacher, { state: "scheduled" });
  expect(socket().of("open")).toHaveLength(1);
  socket().say({ type: "room_changed", state: "live", live_since: Date.now(), recording: "off", waiting_room: false });
  await settle();
  socket().drop();
  await arrive(teacher, { state: "scheduled" });
  expect(socket().of("open")).toHaveLength(0);
});

test("on stage one is heard; off stage the devices are let go", async () => {
  await join(student());
  expect(browser.devices.opened).toHaveLength(0);
  await call(true);
  expect(socket().of("publish").at(-1)?.lines.map((l) => l.source).sort()).toEqual(["camera", "microphone"]);
  await call(false);
  expect(browser.devices.opened.map((t) => t.readyState)).toEqual(["ended", "ended"]);
  expect(state().camera.on).toBe(false);
});

test("mute all does not touch whoever is off stage, who is heard when called", async () => {
  await join(student());
  socket().say({ type: "please_mute", source: "microphone" });
  await settle();
  expect(news).toEqual([]);
  await call(true);
  expect(state().microphone.on).toBe(true);
});

test("muted by the teacher one is silent, and begins as one chose when called again", async () => {
  await join(student({ on_stage: true }));
  socket().say({ type: "please_mute", source: "microphone" });
  await settle();
  expect(news).toEqual(["muted_by_teacher"]);
  expect(state().microphone.on).toBe(false);
  expect(socket().of("mute_self").at(-1)).toMatchObject({ source: "microphone", muted: true });
  expect(settings.get().microphoneOn).toBe(true);
  await call(false);
  await call(true);
  expect(state().microphone.on).toBe(true);
});

test("a mute that comes while the microphone is opening holds", async () => {
  browser.devices.slow = true;
  await join(student({ on_stage: true }));
  expect(state().microphone.busy).toBe(true);
  socket().say({ type: "please_mute", source: "microphone" });
  await settle();
  const microphone = new FakeTrack("audio");
  browser.devices.asked[0]?.(microphone);
  await settle();
  expect(microphone.enabled).toBe(false);
  expect(state().microphone).toMatchObject({ on: false, busy: false });
});

test("whom the teacher muted stays so over a reload", async () => {
  await join(student({ on_stage: true, muted: ["microphone"] }));
  expect(state()).toMatchObject({ microphone: { on: false }, camera: { on: true } });
});

test("a device that opens after the stage was left is closed again", async () => {
  browser.devices.slow = true;
  await join(student({ on_stage: true }));
  await call(false);
  const tracks = [new FakeTrack("audio"), new FakeTrack("video")];
  browser.devices.asked.forEach((answer, i) => answer(tracks[i] as FakeTrack));
  await settle();
  expect(tracks.map((t) => t.readyState)).toEqual(["ended", "ended"]);
  expect(state().microphone).toMatchObject({ on: false, busy: false });
});

test("what is first turned on while the line is down is published when it is back", async () => {
  changeSettings({ cameraOn: false });
  await join(student({ on_stage: true }));
  expect(socket().of("publish").at(-1)?.lines.map((l) => l.source)).toEqual(["microphone"]);
  const sending = FakePeer.all.find((pc) => pc.lines.some((l) => l.direction === "sendonly"));
  socket().drop();
  await session.own.turn("camera", true);
  await settle();
  for (const pc of FakePeer.all) pc.heardAt = Date.now() + 60_000; // media goes another way and never stopped
  await arrive(student({ on_stage: true }));
  expect(socket().of("publish").at(-1)?.lines.map((l) => l.source)).toEqual(["microphone", "camera"]);
  expect(sending?.connectionState, "on the connection that lived").toBe("connected");
});

test("a line that is dead without knowing is given up when media stops, and one that answers is kept", async () => {
  const voice = { id: "v1", participant: "t", source: "microphone", codec: "opus", layers: 1, muted: false } as const;
  await join(student(), { tracks: [voice] });
  const hear = (ms: number): void => FakePeer.all.forEach((pc) => (pc.heardAt = Date.now() + ms));
  hear(0);
  await settle(4_500);
  expect(socket().of("ping").length, "asked at once").toBeGreaterThan(0);
  await settle(10_000);
  expect([state().link.state, FakeSocket.all.length], "it answers").toEqual(["up", 1]);
  hear(20_000);
  await settle(20_000);
  socket().mute = true;
  await settle(4_500);
  expect(state().link.state).toBe("down");
});

test("silence where all are muted is no reason to doubt the line", async () => {
  const voice = { id: "v1", participant: "t", source: "microphone", codec: "opus", layers: 1, muted: true } as const;
  await join(student(), { tracks: [voice] });
  FakePeer.all.forEach((pc) => (pc.heardAt = Date.now()));
  await settle(1_000);
  socket().say({ type: "pong", req: 0, now: Date.now() }); // heard, so that the usual question is two seconds away
  await settle(1_500);
  expect(socket().of("ping")).toHaveLength(0);
});

test("a share that ended while the line was down ends at the server", async () => {
  await join(teacher);
  socket().drop();
  const own = { id: "s1", participant: "me", source: "screen", codec: "h264", layers: 2, muted: false } as const;
  await arrive(teacher, { tracks: [own] });
  expect(socket().of("unpublish")).toEqual([{ type: "unpublish", track: "s1" }]);
});

test("an offer that the browser cannot make is told, and stays told", async () => {
  FakePeer.offerFails = new Error("no codec");
  await join(student());
  expect(state().refusal?.code).toBe("bad_offer");
  await settle(60_000);
  expect(state().refusal?.code).toBe("bad_offer");
});

test("a press while the line is down is answered, and the answer goes when the line is back", async () => {
  await join(student());
  socket().drop();
  expect(session.request({ type: "hand", up: true })).toBe(false);
  expect(state().refusal?.code).toBe("disconnected");
  await arrive(student());
  expect(state().refusal).toBeNull();
  expect(socket().of("hand"), "nothing is replayed").toEqual([]);
});

test("a removal waits for the line, can be undone until then, and is not lost", async () => {
  await join(teacher);
  session.remove("x");
  expect(socket().said.slice(-2)).toEqual([{ type: "mute", participant: "x" }, { type: "stage", participant: "x", on: false }]);
  socket().drop();
  // The server stays away for longer than the time to undo.
  browser.joins = [() => new Response("{}", { status: 503 })];
  await settle(UNDO_MS + 1_000);
  expect(state().removing?.participant).toBe("x");
  browser.joins = [() => new Response(JSON.stringify({ grant: "g", resume: "r", role: "teacher" }))];
  await arrive(teacher);
  expect(socket().of("remove")).toEqual([{ type: "remove", participant: "x" }]);
  expect(state().removing).toBeNull();
});

test("a removal that was undone is none", async () => {
  await join(teacher);
  session.remove("x");
  session.undoRemove();
  await settle(UNDO_MS + 1_000);
  expect(socket().of("remove")).toEqual([]);
});

test("sound only holds while the line is down and over a reload, and the server hears of both turns", async () => {
  await join(student());
  session.setAudioOnly(true);
  expect(socket().of("audio_only").at(-1)).toEqual({ type: "audio_only", on: true });
  expect(kept("abc")?.audioOnly).toBe(true);
  socket().drop();
  session.setAudioOnly(false);
  expect(state().audioOnly).toBe(false);
  await arrive(student());
  expect(socket().of("audio_only")).toEqual([{ type: "audio_only", on: false }]);
  session.setAudioOnly(true);
  session.close();
  session = new ClassSession();
  await join(student());
  expect(state().audioOnly).toBe(true);
  expect(socket().of("audio_only")).toEqual([{ type: "audio_only", on: true }]);
});

test("back before the door after a long absence nothing of the class goes on", async () => {
  await join(student({ on_stage: true }));
  expect(state().camera.on).toBe(true);
  socket().drop();
  while (FakeSocket.all.length === 1) await settle(300);
  socket().accept();
  socket().say({ type: "waiting", title: "Lotus", teacher: "t", open: true });
  await settle();
  expect(state()).toMatchObject({ phase: { name: "waiting" }, room: null, camera: { on: false }, microphone: { on: false } });
  expect(browser.devices.opened.every((t) => t.readyState === "ended")).toBe(true);
  const before = FakePeer.all.filter((pc) => pc.connectionState === "connected");
  expect(before).toEqual([]);
  socket().say(welcome(student()));
  await settle();
  expect(socket().of("subscribe")).toHaveLength(1);
  expect(state()).toMatchObject({ phase: { name: "in" }, receiving: true });
});

test("a new guess at the line's rate is no new network", async () => {
  const connection = Object.assign(new EventTarget(), { type: undefined as string | undefined });
  Object.defineProperty(navigator, "connection", { value: connection, configurable: true });
  await join(student());
  const pings = (): number => socket().of("ping").length;
  const before = pings();
  connection.dispatchEvent(new Event("change"));
  expect(pings()).toBe(before);
  connection.type = "wifi";
  connection.dispatchEvent(new Event("change"));
  expect(pings(), "another network is asked at once whether the line lives").toBe(before + 1);
  connection.dispatchEvent(new Event("change"));
  expect(pings()).toBe(before + 1);
  Reflect.deleteProperty(navigator, "connection");
});
