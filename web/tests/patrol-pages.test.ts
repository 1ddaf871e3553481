/** Pages of exam patrol against a server that answers by path: failures in words, the second factor, forms as they are sent. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { en } from "../src/i18n/en";
import { useZone } from "../src/i18n/zone";
import { setDictionary } from "../src/i18n/index";
import { setPatrolWords } from "../src/i18n/patrol";
import { patrolEn } from "../src/i18n/patrol-en";
import type { Account, Camera, Place } from "../src/protocol/generated/index";
import { onFactorNeeded } from "../src/protocol/http";
import * as patrol from "../src/protocol/patrol";
import { growCatalogue } from "../src/state/patrol/catalogue";
import { session } from "../src/state/session";
import { readRule } from "../src/ui/admin/look-rules";
import { readForm } from "../src/ui/patrol/camera-form";
import "../src/ui/patrol/camera-tree";
import type { LecCameraTree } from "../src/ui/patrol/camera-tree";
import { takeSnapshot } from "../src/ui/patrol/snapshot";
import { readThresholds } from "../src/ui/patrol/thresholds";
import { markImage } from "../src/ui/patrol/watermark";
import { installRouter } from "../src/ui/router";
import type { View } from "../src/ui/view";
import "../src/ui/pages/patrol/alarms";
import "../src/ui/pages/patrol/audit";
import "../src/ui/pages/patrol/cameras";
import "../src/ui/pages/patrol/check";
import "../src/ui/pages/patrol/exports";
import "../src/ui/pages/patrol/retention";

setDictionary(en, "en");
setPatrolWords(patrolEn);
const outlet = document.createElement("div");
installRouter(outlet);

const account = { id: "a", login: "li", name: "Li", roles: [{ role: "administrator", place: "p" }], disabled: false, invited: false } as unknown as Account;
const me = { account, csrf: "c", patrol: true, factor: { totp: true, keys: [], recovery_left: 3, shown_until: null, needed: true } };
const place: Place = { id: "p", parent: null, level: "exam_site", name: "First site" } as Place;
const may = { live: true, listen: true, play: true, export: true, manage: true };
const camera = (id: string, name: string): Camera => ({ id, place: "p", place_name: "First site", name, group: "exam_room", code: null, enabled: true, record: true, status: { state: "live", since: 0, streams: [], clock_offset_ms: null, recording: true, durable: null }, source: { main_url: "rtsp://a/1", sub_url: null, transport: "tcp", username: "u", has_password: true, kbps_max: 4_000 }, may }) as Camera;
const json = (body: unknown, status = 200): Response => new Response(JSON.stringify(body), { status });
const problem = (code: string, status: number): Response => json({ code, status, title: "", detail: "", request_id: "r", field: null }, status);

const GOOD: Record<string, unknown> = {
  "GET /api/v1/me": me,
  "GET /api/v1/places": [place],
  "GET /api/v1/patrol/places/p/cameras": { cameras: [camera("c1", "Room 1")], needs_second_factor: false },
  "GET /api/v1/patrol/alarms": { items: [], next: null, open: 0 },
  "GET /api/v1/patrol/audit": { items: [], next: null, head: "ff", entries: 7 },
  "GET /api/v1/patrol/places/p/audit/sum": [],
  "GET /api/v1/patrol/places/p/retention": { rules: [], default_days: 30, used_bytes: 1, free_bytes: 9, full_in_days: null },
  "GET /api/v1/patrol/places/p/holds": [],
  "GET /api/v1/patrol/exports": [],
};

function serve(answers: Record<string, unknown>): string[] {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit = {}) => {
    const line = `${init.method ?? "GET"} ${path}`;
    asked.push(line);
    const found = Object.entries(answers).sort((a, b) => b[0].length - a[0].length).find(([start]) => line.startsWith(start));
    if (!found) return json([]);
    const answer = typeof found[1] === "function" ? (found[1] as () => unknown)() : found[1];
    if (answer instanceof Error) throw answer;
    return answer instanceof Response ? answer.clone() : json(answer);
  });
  return asked;
}

beforeEach(() => {
  document.body.replaceChildren(outlet);
  outlet.replaceChildren();
  session.commit({ phase: "in", account, patrol: true, factor: null });
});
afterEach(() => {
  outlet.replaceChildren();
  vi.unstubAllGlobals();
});

async function put(tag: string): Promise<View> {
  const page = document.createElement(tag) as View;
  outlet.append(page);
  await page.updateComplete;
  return page;
}

test.each(["page-cameras", "page-alarms", "page-audit", "page-check", "page-exports", "page-retention"])("%s says in words that the server is busy, and loads at “try again”", async (tag) => {
  serve({ ...GOOD, "GET /api/v1/places": problem("busy", 503), "GET /api/v1/patrol": problem("busy", 503), "GET /api/v1/patrol/alarms": problem("busy", 503), "GET /api/v1/patrol/exports": problem("busy", 503), "GET /api/v1/patrol/audit": problem("busy", 503) });
  const page = await put(tag);
  await vi.waitFor(() => expect(page.querySelector("[role=alert]")?.textContent).toContain(en.problems["busy"]?.what));
  serve(GOOD);
  page.querySelector<HTMLButtonElement>("[role=alert] button")?.click();
  await vi.waitFor(() => expect(page.querySelector("[role=alert]")).toBeNull());
  await vi.waitFor(() => expect(page.querySelector(".skeleton")).toBeNull());
  expect(page.querySelector("h1")?.textContent?.trim().length).toBeGreaterThan(0);
});

test("what needs the second factor asks for it once, and is then done", async () => {
  let shown = false;
  const prove = vi.fn(async () => (shown = true));
  onFactorNeeded(prove);
  const asked = serve({ "GET /api/v1/patrol/exports": () => (shown ? [] : problem("needs_second_factor", 403)) });
  expect(await patrol.exports()).toEqual([]);
  expect(prove).toHaveBeenCalledOnce();
  expect(asked).toHaveLength(2);
});

test("who does not show it gets the refusal in words, and is not asked in a circle", async () => {
  const prove = vi.fn(async () => false);
  onFactorNeeded(prove);
  serve({ "GET /api/v1/patrol/exports": problem("needs_second_factor", 403), "POST /api/v1/session/factor": problem("needs_second_factor", 403) });
  await expect(patrol.exports()).rejects.toMatchObject({ code: "needs_second_factor" });
  await expect(patrol.showCode("123456")).rejects.toMatchObject({ code: "needs_second_factor" });
  expect(prove).toHaveBeenCalledOnce();
});

const form = (values: Record<string, string>): FormData => {
  const data = new FormData();
  for (const [k, v] of Object.entries(values)) data.set(k, v);
  return data;
};

test("a camera's form: no password typed keeps the kept one; a new camera has an empty one", () => {
  const fields = { place: "p", name: " Room 1 ", group: "gate", code: "", main_url: "rtsp://a/1", sub_url: "", transport: "udp", username: "u", password: "", kbps_max: "4000", record: "on" };
  expect(readForm(form(fields), camera("c1", "Room 1"))).toEqual({ place: "p", name: "Room 1", group: "gate", code: null, main_url: "rtsp://a/1", sub_url: null, transport: "udp", username: "u", password: null, kbps_max: 4_000, record: true });
  expect(readForm(form(fields), null).password).toBe("");
  expect(readForm(form({ ...fields, password: " p w " }), camera("c1", "Room 1")).password, "blanks are part of it").toBe(" p w ");
});

test("a rule of looking: of a place or a camera, always or within a window", () => {
  expect(readRule(form({ scope: "c:k", effect: "limit", "deed-live": "on", from: "2026-11-21T08:00", to: "2026-11-21T12:00" }))).toEqual({ place: null, camera: "k", effect: "limit", deeds: ["live"], windows: [{ from: new Date("2026-11-21T08:00").getTime(), to: new Date("2026-11-21T12:00").getTime() }] });
  useZone("Asia/Shanghai");
  expect(readRule(form({ scope: "c:k", effect: "limit", from: "2026-11-21T08:00", to: "2026-11-22T00:00" })).windows, "in the service's time").toEqual([{ from: Date.parse("2026-11-21T00:00:00Z"), to: Date.parse("2026-11-21T16:00:00Z") }]);
  useZone(null);
  expect(readRule(form({ scope: "p:s", effect: "deny", from: "", to: "" }))).toMatchObject({ place: "s", camera: null, deeds: [], windows: [] });
});

test("thresholds: what is not ticked is not watched", () => {
  const before = { group: "gate", watched: ["black"], silent_s: 3, sharpness_percent: 40, moved_percent: 8, clock_ms: 1_000, rate_percent: 50, tone: true } as const;
  expect(readThresholds(form({ "watch-frozen": "on", silent_s: "5", sharpness_percent: "40", moved_percent: "8", clock_ms: "900", rate_percent: "50" }), { ...before, watched: ["black"] })).toEqual({ ...before, watched: ["frozen"], silent_s: 5, clock_ms: 900, tone: false });
});

test("the watermark names the viewer, and no name breaks out of it", () => {
  const image = decodeURIComponent(markImage('<script>"', 0));
  expect(image).not.toContain("<script>");
  expect(image).toContain("&#60;script&#62;");
});

test("a snapshot that the server does not write down is not saved", async () => {
  const saved = vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(() => undefined);
  const context = { drawImage: vi.fn(), fillText: vi.fn(), strokeText: vi.fn(), fillRect: vi.fn(), measureText: () => ({ width: 100 }), save: vi.fn(), restore: vi.fn(), translate: vi.fn(), rotate: vi.fn(), canvas: { width: 640, height: 360 } };
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(context as never);
  vi.spyOn(HTMLCanvasElement.prototype, "toBlob").mockImplementation((done) => done(new Blob(["x"])));
  vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: () => "blob:x", revokeObjectURL: () => undefined }));
  const video = { videoWidth: 640, videoHeight: 360 } as HTMLVideoElement;
  const shot = { camera: "c1", name: "Room 1", at: 1_000, live: true, viewer: "Li li" };
  serve({ "POST /api/v1/patrol/cameras/c1/grants": { token: "T", expires: 0 }, "GET /api/v1/patrol/media/T/snapshot.mp4": problem("not_now", 403) });
  await takeSnapshot(video, shot);
  expect(saved).not.toHaveBeenCalled();
  expect(document.querySelector(".notices")?.textContent).toContain(en.problems["not_now"]?.what);
  serve({ "POST /api/v1/patrol/cameras/c1/grants": { token: "T", expires: 0 }, "GET /api/v1/patrol/media/T/snapshot.mp4": new Response("mp4") });
  await takeSnapshot(video, shot);
  expect(saved).toHaveBeenCalledOnce();
  expect(context.fillText.mock.calls.some(([text]) => String(text).includes("Li li"))).toBe(true);
  vi.restoreAllMocks();
});

test("the tree: typing finds, Enter takes all that was found, arrows walk", async () => {
  const tree = document.createElement("lec-camera-tree") as LecCameraTree;
  const picked: string[][] = [];
  Object.assign(tree, { nodes: growCatalogue([place], [camera("c1", "Room 1"), camera("c2", "Room 2"), camera("g", "Gate")]), states: new Map(), shown: new Set(["c1"]), pick: (x: { cameras: string[] }) => picked.push(x.cameras), overview: null });
  document.body.append(tree);
  await tree.updateComplete;
  expect(tree.querySelectorAll("[role=treeitem]")).toHaveLength(4);
  const input = tree.querySelector("input") as HTMLInputElement;
  input.value = "room";
  input.dispatchEvent(new Event("input"));
  await tree.updateComplete;
  expect(tree.querySelectorAll("[data-camera]")).toHaveLength(2);
  input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
  expect(picked).toEqual([["c1", "c2"]]);
  tree.querySelector<HTMLElement>("[data-camera=c2]")?.click();
  expect(picked.at(-1)).toEqual(["c2"]);
  expect(tree.querySelector("[data-camera=c1]")?.getAttribute("aria-label")).toContain(patrolEn.state.live);
});

const hold = { id: "h", camera: "c1", from: 0, to: 60_000, why: "review", by: "Li", at: 0, release_asked_by: null as string | null, release_failed: null as { at: number; why: string } | null, may_release: false };

test.each([
  ["ask", hold, { ...hold, release_asked_by: "Wang", may_release: true }, patrolEn.retention.ask, patrolEn.retention.agree],
  ["agree", { ...hold, release_asked_by: "Wang", may_release: true }, hold, patrolEn.retention.agree, patrolEn.retention.ask],
])("who means to %s and whose page is old does nothing, is told, and sees the hold as it is", async (intent, before, after, pressed, then) => {
  const sent: unknown[] = [];
  let holds = [before];
  serve({ ...GOOD, "GET /api/v1/patrol/places/p/holds": () => holds, "POST /api/v1/patrol/holds/h/release": () => problem("hold_changed", 409) });
  const plain = globalThis.fetch;
  vi.stubGlobal("fetch", async (path: string, init: RequestInit = {}) => {
    if (init.method === "POST") sent.push(JSON.parse(String(init.body)));
    return plain(path, init);
  });
  const page = await put("page-retention");
  const button = (name: string): HTMLButtonElement | undefined => [...page.querySelectorAll<HTMLButtonElement>("[data-hold=h] button")].find((one) => one.textContent?.trim() === name);
  await vi.waitFor(() => expect(button(pressed)).toBeDefined());
  holds = [after];
  button(pressed)?.click();
  await vi.waitFor(() => expect([...document.querySelectorAll("dialog button")].some((one) => one.textContent?.trim() === pressed)).toBe(true));
  [...document.querySelectorAll<HTMLButtonElement>("dialog button")].find((one) => one.textContent?.trim() === pressed)?.click();
  await vi.waitFor(() => expect(sent).toEqual([{ intent }]));
  await vi.waitFor(() => expect(button(then)).toBeDefined());
  expect(document.body.textContent).toContain(patrolEn.problems["hold_changed"]?.what);
});

test("a release that the recorder refused is said at the hold, which can be agreed to again", async () => {
  const asked = { ...hold, release_asked_by: "Wang", may_release: true };
  let holds = [asked];
  serve({ ...GOOD, "GET /api/v1/patrol/places/p/holds": () => holds, "POST /api/v1/patrol/holds/h/release": () => problem("release_failed", 409) });
  const page = await put("page-retention");
  const button = (root: ParentNode): HTMLButtonElement | undefined => [...root.querySelectorAll("button")].find((one) => one.textContent?.trim() === patrolEn.retention.agree);
  await vi.waitFor(() => expect(button(page)).toBeDefined());
  holds = [{ ...asked, release_failed: { at: 0, why: "the disk is read-only" } }];
  button(page)?.click();
  await vi.waitFor(() => expect(document.querySelector("dialog") && button(document.querySelector("dialog") as HTMLElement)).toBeTruthy());
  button(document.querySelector("dialog") as HTMLElement)?.click();
  await vi.waitFor(() => expect(page.querySelector("[data-release=failed]")?.textContent).toContain("the disk is read-only"));
  expect(document.body.textContent).toContain(patrolEn.problems["release_failed"]?.what);
  expect(button(page), "it can be tried again").toBeDefined();
});

test.each([
  ["page-retention", true], ["page-retention", false], ["page-cameras", true], ["page-cameras", false],
])("%s says what a clock that is not believed stops, and who may confirm it (%s)", async (name, may) => {
  const doubt = { ahead_ms: 3_650 * 86_400_000, counted: 0, since: 0, left_ms: null, alarm: true };
  const sent: unknown[] = [];
  let clock = { now: 1_000, doubt: doubt as typeof doubt | null, may_confirm: may };
  serve({ ...GOOD, "GET /api/v1/patrol/clock": () => clock, "POST /api/v1/patrol/clock": () => (clock = { ...clock, doubt: null }) });
  const plain = globalThis.fetch;
  vi.stubGlobal("fetch", async (path: string, init: RequestInit = {}) => {
    if (init.method === "POST") sent.push(JSON.parse(String(init.body)));
    return plain(path, init);
  });
  const page = await put(name);
  await vi.waitFor(() => expect(page.querySelector("[data-clock=alarm]")).not.toBeNull());
  const note = page.querySelector("[data-clock=alarm]") as HTMLElement;
  expect(note.textContent).toContain(patrolEn.clock.never);
  expect(note.textContent).toContain("lectern recorder confirm-clock");
  const button = note.querySelector("button");
  expect(button !== null).toBe(may);
  if (!button) return;
  button.click();
  const yes = (): HTMLButtonElement | undefined => [...document.querySelectorAll<HTMLButtonElement>("dialog button")].find((one) => one.textContent?.trim() === patrolEn.clock.yes);
  await vi.waitFor(() => expect(yes()).toBeDefined());
  expect(sent, "nothing before the question is answered").toEqual([]);
  yes()?.click();
  await vi.waitFor(() => expect(sent).toEqual([{ now: 1_000 }]));
  await vi.waitFor(() => expect(page.querySelector("[data-clock]")).toBeNull());
});

test("after a week-end without power only the retention page says that days are counted otherwise", async () => {
  const clock = { now: 1_000, doubt: { ahead_ms: 5 * 86_400_000, counted: 0, since: 0, left_ms: 3_600_000, alarm: false }, may_confirm: false };
  serve({ ...GOOD, "GET /api/v1/patrol/clock": clock });
  const page = await put("page-retention");
  await vi.waitFor(() => expect(page.querySelector("[data-clock=quiet]")?.textContent).toContain(patrolEn.clock.byItself("1 h")));
});
