/** The class page and the classroom screen, as someone sits before them. */
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { en } from "../src/i18n/en";
import { setDictionary } from "../src/i18n/index";
import { request, type ApiError } from "../src/protocol/http";
import type { ClassPreview, CloseReason, Participant, RoomSnapshot } from "../src/protocol/generated/index";
import { changeSettings } from "../src/state/settings";
import "../src/ui/pages/class";
import "../src/ui/pages/screen";
import type { View } from "../src/ui/view";
import { fakeBrowser, FakeSocket, person, welcome, type FakeBrowser } from "./fakes";

setDictionary(en, "en");
let browser: FakeBrowser;
let full: Element | null;

beforeEach(() => {
  vi.useFakeTimers();
  sessionStorage.clear();
  document.body.replaceChildren();
  browser = fakeBrowser();
  full = null;
  Object.defineProperty(document, "fullscreenElement", { get: () => full, configurable: true });
  for (const name of ["ResizeObserver", "IntersectionObserver"]) vi.stubGlobal(name, class { observe(): void {} disconnect(): void {} });
});

afterEach(async () => {
  document.body.replaceChildren();
  await settle();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const settle = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms + 50);
const socket = (): FakeSocket => FakeSocket.all.at(-1) as FakeSocket;
const teacher = person("me", { role: "teacher", on_stage: true });

async function enter(you: Participant, part: Partial<RoomSnapshot> = {}): Promise<void> {
  socket().accept();
  socket().say(welcome(you, part));
  await settle();
}

function put(tag: string, path: string): View {
  history.pushState(null, "", path);
  const page = document.createElement(tag) as View;
  page.setAttribute("code", "abc");
  document.body.append(page);
  return page;
}

async function classOf(you: Participant, part: Partial<RoomSnapshot> = {}): Promise<View> {
  sessionStorage.setItem("lectern.class.abc", JSON.stringify({ resume: "r", name: "me", role: you.role }));
  const page = put("page-class", "/c/abc");
  await settle();
  await enter(you, part);
  return page;
}

const room = (page: Element): DOMTokenList => (page.querySelector(".room") as Element).classList;

test("the controls stay; only in full screen they go when nobody moves, and come back", async () => {
  const page = await classOf(teacher);
  await settle(10_000);
  expect([...room(page)]).not.toContain("idle");
  full = document.documentElement;
  document.dispatchEvent(new Event("fullscreenchange"));
  await settle(4_000);
  expect([...room(page)]).toEqual(expect.arrayContaining(["full", "idle"]));
  document.dispatchEvent(new Event("pointermove"));
  await settle();
  expect([...room(page)]).not.toContain("idle");
  await settle(4_000);
  full = null;
  document.dispatchEvent(new Event("fullscreenchange"));
  await settle(10_000);
  for (const name of ["full", "idle"]) expect([...room(page)]).not.toContain(name);
});

test("nothing but full screen hides the controls, and hidden they take no press", () => {
  const css = readFileSync("src/ui/pages/class.css", "utf8");
  const rules = [...css.matchAll(/([^{}]*\.idle[^{}]*)\{([^}]*)\}/g)].map((m) => ({ selector: m[1] as string, body: m[2] as string }));
  expect(rules.length).toBeGreaterThan(0);
  for (const { selector } of rules) expect(selector).toContain(".full");
  expect(rules.find((r) => r.selector.includes("lec-controls"))?.body).toContain("pointer-events: none");
});

test("Space calls on the first hand also after something was clicked with the mouse; a focus by keyboard keeps it", async () => {
  const page = await classOf(teacher, { participants: [teacher, person("Anna", { hand_since: 5 })] });
  const people = page.querySelector("[data-control=people]") as HTMLElement;
  const space = (): boolean => document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key: " ", bubbles: true, cancelable: true })) ?? false;
  people.focus();
  people.dispatchEvent(new MouseEvent("click", { bubbles: true, detail: 0 }));
  space();
  expect(socket().of("stage")).toEqual([]);
  let focused: Element | null = people;
  people.addEventListener("click", () => (focused = document.activeElement), { once: true });
  people.dispatchEvent(new MouseEvent("click", { bubbles: true, detail: 1 }));
  expect(focused, "let go before the press is carried out: a dialog would give it back").not.toBe(people);
  space();
  expect(socket().of("stage")).toEqual([{ type: "stage", participant: "Anna", on: true }]);
});

test("going to another page leaves the class; the same page built anew does not", async () => {
  const page = await classOf(teacher);
  const first = socket();
  page.remove();
  expect(first.of("leave")).toEqual([]);
  expect(sessionStorage.getItem("lectern.class.abc")).not.toBeNull();
  const again = await classOf(teacher);
  history.pushState(null, "", "/");
  again.remove();
  expect(socket().of("leave")).toHaveLength(1);
  expect(sessionStorage.getItem("lectern.class.abc")).toBeNull();
});

test("the notice of a mute opens no microphone once the stage is left", async () => {
  await classOf(person("me", { on_stage: true }));
  socket().say({ type: "please_mute", source: "microphone" });
  await settle();
  const unmute = document.querySelector<HTMLButtonElement>(".notice button");
  expect(unmute?.textContent).toBe(en.room.unmuteSelf);
  socket().say({ type: "participant_changed", participant: person("me") });
  await settle();
  const before = browser.devices.opened.length;
  unmute?.click();
  await settle();
  expect(browser.devices.opened).toHaveLength(before);
});

test("a teacher whose session could not be asked for is not taken for a guest, and is in the lobby as soon as it can", async () => {
  const preview: ClassPreview = { title: "Lotus", teacher: "Li", school: "", starts: Date.now(), state: "scheduled", mine: true, waiting_room: false };
  const me = { account: { id: "1", name: "Li Na", login: "li", roles: [], created: 0, disabled: false }, csrf: "c" };
  let broken = true;
  let tries = 0;
  vi.stubGlobal("fetch", async (path: string) => {
    if (!path.endsWith("/me")) return new Response(JSON.stringify(preview));
    tries += 1;
    if (broken) throw new TypeError("network changed");
    return new Response(JSON.stringify(me));
  });
  const page = put("page-class", "/c/abc");
  await settle(1_000);
  expect(tries).toBe(3);
  expect(page.querySelector("lec-lobby")).toBeNull();
  expect(page.textContent).toContain(en.problems["offline"]?.what);
  broken = false;
  await settle(5_000);
  expect(page.querySelector("lec-lobby")).not.toBeNull();
  expect(page.querySelector("#name")).toBeNull();
  expect(page.textContent).toContain("Li Na");
});

test("a request that never reached the server is asked again before anybody notices, unless it changes something", async () => {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    asked.push(`${init.method} ${path}`);
    if (asked.length === 1 || init.method !== "GET") throw new TypeError("network changed");
    return new Response("{}");
  });
  const read = request("GET", "/a");
  await settle(200);
  await read;
  const changed = request("POST", "/b").catch((error: ApiError) => error.code);
  await settle(2_000);
  expect(await changed).toBe("offline");
  expect(asked).toEqual(["GET /a", "GET /a", "POST /b"]);
});

async function screenOf(preview: Partial<ClassPreview> = {}): Promise<{ page: View; preview: ClassPreview }> {
  changeSettings({ name: "Room 3" });
  const shown: ClassPreview = { title: "Lotus", teacher: "Li", school: "", starts: Date.now(), state: "live", mine: false, waiting_room: false, ...preview };
  browser.joins = [() => new Response(JSON.stringify({ ...shown, grant: "g", resume: "r", role: "classroom" }))];
  const page = put("page-screen", "/screen/abc");
  await settle();
  return { page, preview: shown };
}
const classroom = person("me", { role: "classroom", on_stage: true });

test("the classroom screen says that it is recorded, what was refused and which device is missing", async () => {
  const { page } = await screenOf();
  await enter(classroom);
  expect(page.querySelector("[data-fact=recording]")?.getAttribute("data-state")).toBe("on");
  socket().say({ type: "refused", req: null, code: "stage_full", detail: "" });
  await settle();
  expect(page.querySelector("[role=alert]")?.textContent).toContain(en.refusals.stage_full.what);
  socket().drop();
  await settle();
  expect(page.querySelector("[data-banner=link]")?.textContent).toContain(en.room.reconnecting);
  expect(page.querySelector("[data-fact=recording]")?.getAttribute("data-state")).toBe("unknown");
});

test("a classroom that the teacher muted can be heard again by a press in the classroom", async () => {
  const { page } = await screenOf();
  await enter(classroom);
  socket().say({ type: "please_mute", source: "microphone" });
  await settle();
  const button = page.querySelector<HTMLButtonElement>("[data-control=microphone]");
  expect(button?.getAttribute("aria-label")).toBe(en.room.muteOff);
  button?.click();
  await settle();
  expect(page.querySelector("[data-control=microphone]")?.getAttribute("aria-label")).toBe(en.room.muteOn);
});

test.each(["removed", "refused"] as CloseReason[])("a screen that was %s says so, stays out of this lesson and comes to the next", async (reason) => {
  const { page, preview } = await screenOf();
  await enter(classroom);
  socket().say({ type: "closed", reason });
  await settle(60_000);
  expect(FakeSocket.all).toHaveLength(1);
  expect(page.querySelector("[role=alert]")?.textContent).toContain(en.closeReasons[reason].what);
  const next = { ...preview, starts: Date.now() + 60_000, grant: "g", resume: "r", role: "classroom" };
  browser.joins = [() => new Response(JSON.stringify(next))];
  for (let i = 0; i < 20 && FakeSocket.all.length === 1; i++) await settle(500);
  expect(FakeSocket.all).toHaveLength(2);
  expect(page.querySelector("[role=alert]")).toBeNull();
});

test("the screen keeps awake between lessons, too", async () => {
  const request = vi.fn(async () => Object.assign(new EventTarget(), { release: async () => undefined }));
  Object.defineProperty(navigator, "wakeLock", { value: { request }, configurable: true });
  await screenOf({ state: "over" });
  expect(FakeSocket.all).toHaveLength(0);
  expect(request).toHaveBeenCalledTimes(1);
  Reflect.deleteProperty(navigator, "wakeLock");
});
