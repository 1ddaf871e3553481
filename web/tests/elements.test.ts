/** Elements as a person with a screen reader meets them: names follow the state, failures are told, nothing lies. */
import { beforeEach, expect, test, vi } from "vitest";
import { html, render } from "lit";
import type { Participant, RoomSnapshot } from "../src/protocol/generated/index";
import { en } from "../src/i18n/en";
import { setDictionary } from "../src/i18n/index";
import { browserOf } from "../src/media/faults";
import { initialClassState, type ClassState } from "../src/state/class-state";
import type { ClassSession } from "../src/state/class-session";
import { enter, tiles, type RoomState } from "../src/state/room";
import { announce, notify } from "../src/ui/announce";
import { banners } from "../src/ui/class/banners";
import { closed } from "../src/ui/class/closed";
import "../src/ui/class/controls";
import "../src/ui/class/chat";
import "../src/ui/class/questions";
import "../src/ui/class/people";
import "../src/ui/class/tile";
import { top } from "../src/ui/class/top";
import "../src/ui/pages/sign-in";
import type { View } from "../src/ui/view";

setDictionary(en, "en");
beforeEach(() => document.body.replaceChildren());

const person = (id: string, part: Partial<Participant> = {}): Participant => ({ id, name: id, role: "student", on_stage: false, hand_since: null, muted: [], online: true, quality: "good", joined: 1, ...part });

function roomOf(you: string, people: Participant[], part: Partial<RoomSnapshot> = {}): RoomState {
  return enter({
    type: "welcome", you, role: people.find((p) => p.id === you)?.role ?? "student", now: Date.now(),
    room: { room: "R", lesson: "L", title: "Lotus", teacher: "Li", state: "live", live_since: 1, recording: "on", waiting_room: false, participants: people, participant_count: people.length, waiting: [], tracks: [], chat: [], questions: [], ...part },
  }, Date.now());
}

function fakeSession() {
  const said: unknown[] = [];
  const session = {
    said, code: "abc",
    request: (m: unknown) => { said.push(m); return true; },
    call: (p: string) => said.push({ call: p }),
    remove: (p: string) => said.push({ remove: p }),
    undoRemove: () => said.push("undo"),
    dismissRefusal: () => said.push("dismiss"),
    muteAll: () => said.push("mute all"),
    unblockSound: async () => void said.push("unblock"),
    own: { track: () => null, turn: async (kind: string, on: boolean) => void said.push({ turn: kind, on }), stopScreen: () => undefined, shareScreen: async () => undefined },
  };
  return session as unknown as ClassSession & { said: unknown[] };
}

async function put<E extends View>(tag: string, props: object): Promise<E> {
  const element = Object.assign(document.createElement(tag), props) as unknown as E;
  document.body.append(element);
  await element.updateComplete;
  return element;
}

const state = (room: RoomState, part: Partial<ClassState> = {}): ClassState => ({ ...initialClassState(), phase: { name: "in" }, link: { state: "up" }, room, ...part });
const named = (root: Element, name: string): HTMLElement | null =>
  [...root.querySelectorAll<HTMLElement>("button, summary")].find((b) => (b.getAttribute("aria-label") ?? b.textContent ?? "").replaceAll(/\s+/g, " ").trim() === name) ?? null;

test("the microphone button names what pressing does, and is on only when browser and server agree", async () => {
  const session = fakeSession();
  const on = { on: true, busy: false, fault: null, label: "", deviceId: "" };
  const room = roomOf("t", [person("t", { role: "teacher" })]);
  const controls = await put("lec-controls", { session, state: state(room, { microphone: on }), tab: "", unread: 0 });
  expect(named(controls, "Mute")).not.toBeNull();
  const muted = roomOf("t", [person("t", { role: "teacher", muted: ["microphone"] })]);
  Object.assign(controls, { state: state(muted, { microphone: on }) });
  await controls.updateComplete;
  expect(named(controls, "Mute")).toBeNull();
  expect(named(controls, "Unmute")?.getAttribute("aria-busy")).toBe("true");
});

test("every control of the class has a name, is a real button and reachable by keyboard", async () => {
  const room = roomOf("t", [person("t", { role: "teacher" }), person("Anna", { hand_since: 5 })]);
  const controls = await put("lec-controls", { session: fakeSession(), state: state(room), tab: "", unread: 3 });
  for (const control of controls.querySelectorAll<HTMLElement>("button, summary")) {
    expect((control.getAttribute("aria-label") ?? control.textContent ?? "").trim(), control.outerHTML).not.toBe("");
    expect(control.getAttribute("tabindex"), control.outerHTML).not.toBe("-1");
  }
  expect(named(controls, "Call on Anna")).not.toBeNull();
  expect(named(controls, "Chat (3)")).not.toBeNull();
});

test("a student off stage has a hand and no microphone; the hand says whether it is up", async () => {
  const session = fakeSession();
  const room = roomOf("a", [person("t", { role: "teacher" }), person("a")]);
  const controls = await put("lec-controls", { session, state: state(room), tab: "", unread: 0 });
  expect(controls.querySelector("[data-control=microphone]")).toBeNull();
  const hand = controls.querySelector<HTMLButtonElement>("[data-control=hand]");
  expect(hand?.getAttribute("aria-pressed")).toBe("false");
  hand?.click();
  expect(session.said).toEqual([{ type: "hand", up: true }]);
  expect(hand?.getAttribute("aria-pressed"), "not before the server says so").toBe("false");
});

test("chat keeps what was typed when the line is down", async () => {
  const session = fakeSession();
  const chat = await put("lec-chat", { session, room: roomOf("a", [person("a")]) });
  const field = chat.querySelector("textarea") as HTMLTextAreaElement;
  field.value = "hello";
  session.request = () => false;
  chat.querySelector("form")?.dispatchEvent(new Event("submit", { cancelable: true }));
  expect(field.value).toBe("hello");
  session.request = () => true;
  chat.querySelector("form")?.dispatchEvent(new Event("submit", { cancelable: true }));
  expect(field.value).toBe("");
});

test("chat and questions show text as text", async () => {
  const evil = "<img src=x onerror=alert(1)>";
  const room = roomOf("a", [person("a")], {
    chat: [{ id: 1, at: 1, from: "b", name: evil, text: evil }],
    questions: [{ id: 1, at: 1, from: "b", name: evil, text: evil, votes: 0, voted: false, answered: null, answer: null }],
  });
  const chat = await put("lec-chat", { session: fakeSession(), room });
  const questions = await put("lec-questions", { session: fakeSession(), room });
  expect(chat.querySelector("img")).toBeNull();
  expect(questions.querySelector("img")).toBeNull();
  expect(chat.textContent).toContain(evil);
});

test("the teacher admits by name; others see no such buttons", async () => {
  const session = fakeSession();
  const people = [person("t", { role: "teacher" }), person("a")];
  const list = await put("lec-people", { session, room: roomOf("t", people, { waiting: [person("Zoe")] }) });
  named(list, "Let in: Zoe")?.click();
  expect(session.said).toEqual([{ type: "admit", participant: "Zoe", admit: true }]);
  const seen = await put("lec-people", { session, room: roomOf("a", people) });
  expect(seen.querySelectorAll("button")).toHaveLength(0);
});

test("a failed recording is an alert for the teacher and says that class goes on", () => {
  const into = document.createElement("div");
  render(html`${banners(fakeSession(), state(roomOf("t", [person("t", { role: "teacher" })], { recording: "failed" })))}`, into);
  const alert = into.querySelector("[role=alert]");
  expect(alert?.textContent).toContain(en.room.recFailedLead.what);
  expect(alert?.textContent).toContain(en.room.recFailedLead.works);
});

test("without a line nothing claims to be recorded or well received", () => {
  const room = { ...roomOf("t", [person("t", { role: "teacher" })]), up: "good" as const };
  const into = document.createElement("div");
  const fact = (name: string): string | null => into.querySelector(`[data-fact=${name}]`)?.getAttribute("data-state") ?? null;
  render(top(state(room)), into);
  expect([fact("recording"), fact("quality")]).toEqual(["on", "good"]);
  render(top(state(room, { link: { state: "down", since: Date.now(), offline: false } })), into);
  expect([fact("recording"), fact("quality")]).toEqual(["unknown", "unknown"]);
  expect(into.querySelector("[data-fact=recording]")?.textContent).toContain(en.room.recUnknown);
});

test("numbers that count are not read out every second", () => {
  const into = document.createElement("div");
  const link = { state: "down", since: Date.now() - 61_000, offline: false } as const;
  const removing = { participant: "x", name: "X", until: Date.now() + 7_000 };
  render(html`${banners(fakeSession(), state(roomOf("t", [person("t", { role: "teacher" })]), { link, removing }))}`, into);
  for (const region of into.querySelectorAll("[role=status]")) {
    for (const counter of region.querySelectorAll(".num")) expect(counter.getAttribute("aria-hidden"), counter.textContent ?? "").toBe("true");
  }
  expect(into.querySelectorAll("[role=status] .num")).toHaveLength(2);
});

test("a refused camera or microphone is told with the place in this browser, in class as in the lobby", () => {
  const denied = { on: false, busy: false, fault: "denied" as const, label: "", deviceId: "" };
  const into = document.createElement("div");
  const room = roomOf("a", [person("a", { on_stage: true })]);
  for (const part of [{ microphone: denied }, { camera: denied }]) {
    render(html`${banners(fakeSession(), state(room, part))}`, into);
    expect(into.textContent).toContain(en.allow[browserOf(navigator.userAgent)]);
    expect(named(into, en.common.again)).not.toBeNull();
  }
});

test("a control says its state by its name or by being pressed, never by both", async () => {
  const session = fakeSession();
  const both: [ClassState, ClassState][] = [
    [state(roomOf("a", [person("a")])), state(roomOf("a", [person("a", { hand_since: 5 })]), { audioOnly: true })],
    [state(roomOf("t", [person("t", { role: "teacher" })])), state(roomOf("t", [person("t", { role: "teacher" })]), { audioOnly: true, camera: { on: true, busy: false, fault: null, label: "", deviceId: "" } })],
  ];
  const names = (root: Element): Map<string, [string, string]> =>
    new Map([...root.querySelectorAll("button")].map((b, i) => [b.dataset["control"] ?? `menu ${i}`, [(b.getAttribute("aria-label") ?? b.textContent ?? "").trim(), b.getAttribute("aria-pressed") ?? ""]]));
  for (const [one, other] of both) {
    const controls = await put("lec-controls", { session, state: one, tab: "", unread: 0 });
    const before = names(controls);
    Object.assign(controls, { state: other, tab: "chat" });
    await controls.updateComplete;
    for (const [id, [name, pressed]] of names(controls)) {
      const [was, wasPressed] = before.get(id) ?? [name, pressed];
      expect(name !== was && pressed !== wasPressed, id).toBe(false);
    }
    controls.remove();
  }
});

test("a tile says in words what its signs show, and keeps its button's name while it is pressed", async () => {
  vi.stubGlobal("ResizeObserver", class { observe(): void {} disconnect(): void {} });
  vi.stubGlobal("IntersectionObserver", class { observe(): void {} disconnect(): void {} });
  const who = person("Anna", { on_stage: true, hand_since: 5, quality: "poor" });
  const room = { ...roomOf("t", [person("t", { role: "teacher" }), who]), speaker: "Anna" };
  const model = tiles(room).find((m) => m.participant === "Anna");
  const tile = await put("lec-tile", { session: fakeSession(), model, state: state(room), large: false });
  const words = tile.querySelector("figcaption")?.textContent ?? "";
  for (const word of [en.room.micOff, en.room.handUp, en.room.speaking, en.quality.short.poor]) expect(words).toContain(word);
  const instead = (): string | undefined => tile.querySelector(".instead p")?.textContent ?? undefined;
  const sent = { ...room, tracks: new Map([["c", { id: "c", participant: "Anna", source: "camera", codec: "vp8", layers: 1, muted: false } as const]]) };
  const paused = { streamOf: () => ({ stream: null, confirmed: true, paused: true }), show: () => undefined, hide: () => undefined };
  Object.assign(tile, { session: { ...fakeSession(), ...paused }, model: tiles(sent).find((m) => m.participant === "Anna"), state: state(sent) });
  await tile.updateComplete;
  expect(instead()).toBe(en.room.pausedPicture);
  Object.assign(tile, { state: state(sent, { link: { state: "down", since: 0, offline: false } }) });
  await tile.updateComplete;
  expect(instead(), "what the server said of the line is over").toBe(en.room.away);
  const pin = (): (string | null | undefined)[] => ["aria-label", "aria-pressed"].map((a) => tile.querySelector(".pin")?.getAttribute(a));
  expect(pin()).toEqual([`${en.room.pin}: Anna`, "false"]);
  Object.assign(tile, { state: state(room, { pinned: "Anna/camera" }) });
  await tile.updateComplete;
  expect(pin()).toEqual([`${en.room.pin}: Anna`, "true"]);
  tile.remove();
  vi.unstubAllGlobals();
});

test("the list of people says in words what its signs show", async () => {
  const people = [person("t", { role: "teacher" }), person("Anna", { on_stage: true, hand_since: 5, muted: ["microphone"], quality: "fair" }), person("Room 3", { role: "classroom", online: false })];
  const list = await put("lec-people", { session: fakeSession(), room: roomOf("t", people) });
  const text = (id: string): string => list.querySelector(`[data-person="${id}"]`)?.textContent ?? "";
  for (const word of [en.room.handUp, en.room.micOff, en.quality.short.fair]) expect(text("Anna")).toContain(word);
  for (const word of [en.roomRoles.classroom, en.room.away]) expect(text("Room 3")).toContain(word);
});

test("blocked sound is one button", () => {
  const session = fakeSession();
  const into = document.createElement("div");
  render(html`${banners(session, state(roomOf("a", [person("a")]), { soundBlocked: true }))}`, into);
  into.querySelector<HTMLButtonElement>("[data-control=play-sound]")?.click();
  expect(session.said).toEqual(["unblock"]);
});

test("each way out of class has its words and a way on", () => {
  for (const reason of Object.keys(en.closeReasons) as (keyof typeof en.closeReasons)[]) {
    const into = document.createElement("div");
    render(closed({ name: "closed", reason }, () => undefined), into);
    expect(into.querySelector("h1")?.textContent).toBe(en.closeReasons[reason].what);
    expect(into.querySelector("a, button"), reason).not.toBeNull();
  }
});

test("announcements go to one polite live region", () => {
  announce("Anna raised a hand");
  announce("Anna raised a hand");
  const regions = document.querySelectorAll("[aria-live=polite]");
  expect(regions).toHaveLength(1);
  expect([...(regions[0] as Element).children].map((line) => line.textContent), "the same words are spoken again").toEqual(["Anna raised a hand", "Anna raised a hand"]);
});

test("undo stays for its time and runs once", () => {
  vi.useFakeTimers();
  const run = vi.fn();
  notify({ text: "gone", action: { label: "Undo", run } });
  const button = [...document.querySelectorAll<HTMLButtonElement>(".notice button")].at(-1);
  button?.click();
  expect(run).toHaveBeenCalledTimes(1);
  notify({ text: "again", action: { label: "Undo", run } });
  vi.advanceTimersByTime(9_900);
  expect(document.querySelectorAll(".notice")).toHaveLength(1);
  vi.advanceTimersByTime(200);
  expect(document.querySelectorAll(".notice")).toHaveLength(0);
  vi.useRealTimers();
});

test("a wrong password is told with what to do, and the code is there to copy", async () => {
  vi.stubGlobal("fetch", async () => new Response(JSON.stringify({ type: "about:blank", title: "", status: 401, code: "bad_credentials", detail: "", request_id: "r-1", field: null }), { status: 401 }));
  const page = await put("page-sign-in", {});
  (page.querySelector("#login") as HTMLInputElement).value = "li";
  (page.querySelector("#password") as HTMLInputElement).value = "x";
  page.querySelector("form.card")?.dispatchEvent(new Event("submit", { cancelable: true }));
  await vi.waitFor(() => expect(page.querySelector("[role=alert]")?.textContent).toContain(en.problems["bad_credentials"]?.what));
  expect(page.querySelector("code")?.textContent).toContain("bad_credentials");
  vi.unstubAllGlobals();
});
