/** What stands around every page: who may see it, where the focus goes, what a dialog keeps, what is said aloud. */
import { beforeEach, expect, test, vi } from "vitest";
import { html } from "lit";
import type { Account, Class, LessonItem, RecordingItem, RecordingPage } from "../src/protocol/generated/index";
import { en } from "../src/i18n/en";
import { setDictionary } from "../src/i18n/index";
import { useZone } from "../src/i18n/zone";
import { loadSession, session } from "../src/state/session";
import { announce, notify } from "../src/ui/announce";
import { editClass } from "../src/ui/class-form";
import { openDialog } from "../src/ui/dialog";
import { deviceAccess } from "../src/ui/device-access";
import { showAttendance } from "../src/ui/attendance";
import { editPassword } from "../src/ui/password";
import { cannotLoad, loaded } from "../src/ui/load";
import { installRouter, go } from "../src/ui/router";
import { appended, refreshed } from "../src/ui/pages/library-pages";
import type { View } from "../src/ui/view";
import "../src/ui/pages/library";
import "../src/ui/pages/people";
import "../src/ui/pages/places";
import "../src/ui/pages/classes";
import "../src/ui/pages/player";
import "../src/ui/pages/today";

setDictionary(en, "en");
const outlet = document.createElement("div");
installRouter(outlet);

test("what could not be loaded starts the page anew, a few times, and then says so in both languages", async () => {
  vi.useFakeTimers();
  const reload = vi.spyOn(location, "reload").mockImplementation(() => undefined);
  try {
    for (const starts of [1, 2, 3]) {
      void loaded(Promise.reject(new TypeError("network changed")));
      await vi.advanceTimersByTimeAsync(2_000);
      expect(reload).toHaveBeenCalledTimes(starts);
    }
    await expect(loaded(Promise.reject(new TypeError("network changed")))).rejects.toThrow();
    cannotLoad(outlet);
    expect(outlet.textContent).toMatch(/重新加载.*Reload/);
    outlet.querySelector("button")?.click();
    expect(reload).toHaveBeenCalledTimes(4);
    // Started by hand it is tried as often again.
    void loaded(Promise.reject(new TypeError("network changed")));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(reload).toHaveBeenCalledTimes(5);
    expect(await loaded(Promise.resolve(7))).toBe(7);
  } finally {
    sessionStorage.clear();
    reload.mockRestore();
    vi.useRealTimers();
  }
});

const account: Account = { id: "a", login: "li", name: "Li", roles: [{ role: "administrator", place: "p" }], disabled: false, invited: false } as Account;
const problem = (code: string, status: number) => new Response(JSON.stringify({ type: "about:blank", title: "", status, code, detail: "", request_id: "r", field: null }), { status });
const json = (body: unknown) => new Response(JSON.stringify(body), { status: 200 });

/** Answers by path; what is not listed is an empty list. */
function serve(answers: Record<string, unknown>): string[] {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    asked.push(`${init.method} ${path}`);
    for (const [start, answer] of Object.entries(answers)) {
      if (`${init.method} ${path}`.startsWith(start)) return answer instanceof Response ? answer.clone() : answer instanceof Error ? Promise.reject(answer) : json(answer);
    }
    return json([]);
  });
  return asked;
}
const me = { account, csrf: "c", server_time: 0 };

beforeEach(async () => {
  // What the page of the last test still asks for is answered before it goes.
  serve({ "GET /api/v1/me": me });
  await loadSession();
  document.body.replaceChildren(outlet);
  outlet.replaceChildren();
  session.commit({ phase: "unknown", account: null });
  history.replaceState(null, "", "/library");
});

async function put(tag: string): Promise<View> {
  const page = document.createElement(tag) as View;
  outlet.append(page);
  await page.updateComplete;
  return page;
}

const PAGES = ["page-today", "page-library", "page-player", "page-people", "page-places", "page-classes"];

test.each(PAGES)("%s says when the server can't be reached, and loads once it can", async (tag) => {
  serve({ GET: new TypeError("no route") });
  const page = await put(tag);
  await vi.waitFor(() => expect(page.querySelector("[role=alert]")?.textContent).toContain(en.problems["offline"]?.what));
  const asked = serve({ "GET /api/v1/me": me, "GET /api/v1/recordings/": problem("not_found", 404), "GET /api/v1/recordings": { items: [], next: null, total: 0 } });
  page.querySelector<HTMLButtonElement>("[role=alert] button")?.click();
  await vi.waitFor(() => expect(asked.length, "asked for itself, and for its content").toBeGreaterThan(1));
  await vi.waitFor(() => expect(page.querySelector("[role=alert]")?.textContent ?? "").not.toContain(en.problems["offline"]?.what));
});

test("a session that ends while a page is open leads to the sign-in and back", async () => {
  serve({ "GET /api/v1/me": me, "GET /api/v1/recordings": { items: [], next: null, total: 0 } });
  history.replaceState(null, "", "/manage/places");
  await put("page-places");
  await vi.waitFor(() => expect(session.get().phase).toBe("in"));
  serve({ GET: problem("not_signed_in", 401) });
  await (outlet.firstElementChild as unknown as { load(): Promise<void> }).load();
  await vi.waitFor(() => expect(location.pathname + location.search).toBe("/signin?next=%2Fmanage%2Fplaces"));
});

test("a new page takes the focus and is announced", async () => {
  serve({ GET: problem("not_signed_in", 401) });
  go("/no/such/page");
  await vi.waitFor(() => expect(outlet.contains(document.activeElement)).toBe(true));
  expect(document.activeElement?.tagName).toBe("H1");
  expect(document.querySelector("[data-role=announcer]")?.textContent).toContain(document.title);
});

test("“skip to content” moves the focus and leaves the page alone", async () => {
  serve({ "GET /api/v1/me": me });
  history.replaceState(null, "", "/manage/places");
  const page = await put("page-places");
  page.querySelector<HTMLAnchorElement>("a.skip")?.click();
  expect(document.activeElement?.id).toBe("content");
  expect(outlet.firstElementChild).toBe(page);
});

// --- Dialogs ---

const pressed = (target: Element, released: Element = target): void => {
  target.dispatchEvent(new Event("pointerdown", { bubbles: true }));
  released.dispatchEvent(new Event("click", { bubbles: true }));
};

test("a dialog closes by a click beside it, not by letting go there, and asks before typed text is lost", async () => {
  const done = openDialog<string>(() => html`<form class="dialog-body"><h2>Edit</h2><input name="x" /></form>`);
  const dialog = document.querySelector("dialog") as HTMLDialogElement;
  const field = dialog.querySelector("input") as HTMLInputElement;
  pressed(field, dialog);
  expect(dialog.open, "text was selected, and the pointer left").toBe(true);
  field.value = "typed";
  field.dispatchEvent(new Event("input", { bubbles: true }));
  pressed(dialog);
  await Promise.resolve();
  expect(dialog.open).toBe(true);
  const ask = [...document.querySelectorAll("dialog")].at(-1) as HTMLDialogElement;
  expect(ask.textContent).toContain(en.common.unsavedLeave);
  ask.querySelector<HTMLButtonElement>("button.danger")?.click();
  expect(await done).toBeNull();
});

test("an untouched dialog closes by a click beside it at once", async () => {
  const done = openDialog<string>(() => html`<div class="dialog-body"><h2>Look</h2></div>`);
  pressed(document.querySelector("dialog") as HTMLDialogElement);
  expect(await done).toBeNull();
});

test("a notice is said aloud, also from within a dialog, and outlives it", async () => {
  notify({ text: "Copied" });
  expect(document.querySelector("[data-role=announcer]")?.textContent).toContain("Copied");
  let close: (v: null) => void = () => undefined;
  const done = openDialog<null>((c) => {
    close = c;
    return html`<div class="dialog-body"><h2>Copy</h2></div>`;
  });
  notify({ text: "Saved" });
  const dialog = document.querySelector("dialog") as HTMLDialogElement;
  expect(dialog.querySelector("[data-role=announcer]")?.textContent, "outside of it everything is inert").toContain("Saved");
  close(null);
  await done;
  expect(document.querySelector(".notices")?.textContent).toContain("Saved");
  announce("later");
  expect(document.querySelector("[data-role=announcer]")?.textContent).toContain("later");
});

const planned: Class = { id: "k", code: "c", title: "Lotus", subject: "", grade: "", teacher: "t-elsewhere", teacher_name: "Wang", place: "p-elsewhere", school: "East", mode: "dedicated", starts: 0, duration_min: 40, repeat: "once", until: null, waiting_room: false, record: true } as unknown as Class;

test("changing a class keeps its teacher and school, though the lists lack them", async () => {
  session.commit({ phase: "in", account });
  serve({ "GET /api/v1/places": [{ id: "p", parent: null, level: "school", name: "West" }], "GET /api/v1/accounts": [account] });
  const done = editClass(planned, "2026-11-21");
  await vi.waitFor(() => expect(document.querySelector("dialog select")).not.toBeNull());
  expect(document.querySelector<HTMLSelectElement>("#f-teacher")?.value).toBe("t-elsewhere");
  expect(document.querySelector<HTMLSelectElement>("#f-place")?.value).toBe("p-elsewhere");
  document.querySelector<HTMLButtonElement>("dialog button[type=button]")?.click();
  expect(await done).toBeNull();
});

test("a device gets its address and its token, and both can be taken back", async () => {
  const asked = serve({
    "POST /api/v1/classes/k/device-token": { token: "secret-token", purpose: "publish", whip: "/whip/R", whep: "/whep/R", expires: Date.now() + 3_600_000 },
    "DELETE /api/v1/classes/k/device-token": new Response(null, { status: 204 }),
  });
  void deviceAccess({ id: "k", title: "Lotus" }, true);
  const dialog = document.querySelector("dialog") as HTMLDialogElement;
  dialog.querySelector<HTMLButtonElement>("button.primary")?.click();
  await vi.waitFor(() => expect(dialog.querySelector<HTMLInputElement>("#d-token")?.value).toBe("secret-token"));
  expect(dialog.querySelector<HTMLInputElement>("#d-address")?.value).toBe(`${location.origin}/whip/R`);
  [...dialog.querySelectorAll("button")].find((b) => b.textContent === en.devices.revoke)?.click();
  [...document.querySelectorAll("dialog")].at(-1)?.querySelector<HTMLButtonElement>("button.danger")?.click();
  await vi.waitFor(() => expect(dialog.querySelector("#d-token")).toBeNull());
  expect(asked.at(-1)).toBe("DELETE /api/v1/classes/k/device-token");
});

test("who may only watch gets a token to watch", () => {
  void deviceAccess({ id: "k", title: "Lotus" }, false);
  const dialog = document.querySelector("dialog") as HTMLDialogElement;
  expect(dialog.querySelector("input[type=radio]")).toBeNull();
  expect(dialog.textContent).not.toContain(en.devices.revoke);
  expect(dialog.textContent).toContain(en.devices.leads.watch);
});

test("a wrong old password is told in words of its own", async () => {
  serve({ "POST /api/v1/password/change": new Response(JSON.stringify({ type: "about:blank", title: "", status: 403, code: "forbidden", detail: "", request_id: "r", field: "old" }), { status: 403 }) });
  void editPassword("li");
  const dialog = document.querySelector("dialog") as HTMLDialogElement;
  for (const [name, value] of [["old", "x"], ["new", "long enough to be one"], ["repeat", "long enough to be one"]] as const) (dialog.querySelector(`[name=${name}]`) as HTMLInputElement).value = value;
  dialog.querySelector("form")?.dispatchEvent(new Event("submit", { cancelable: true }));
  await vi.waitFor(() => expect(dialog.querySelector("[role=alert]")?.textContent).toContain(en.password.wrong.what));
});

test("attendance is a list, and a failure is told rather than a shorter list", async () => {
  serve({ "GET /api/v1/lessons/l/attendance": problem("internal", 500) });
  void showAttendance({ id: "l", title: "Lotus" });
  const dialog = document.querySelector("dialog") as HTMLDialogElement;
  await vi.waitFor(() => expect(dialog.querySelector("[role=alert]")).not.toBeNull());
  expect(dialog.querySelector("a[download]")).toBeNull();
  serve({ "GET /api/v1/lessons/l/attendance": [{ participant: "x", name: "Anna", role: "student", from: 0, to: 60_000 }] });
  dialog.querySelector<HTMLButtonElement>("[role=alert] button")?.click();
  await vi.waitFor(() => expect(dialog.querySelector("td")?.textContent).toBe("Anna"));
  expect(dialog.querySelector("a[download]")?.getAttribute("href")).toContain("/lessons/l/attendance.csv");
});

// --- Lists ---

const item = (id: string): RecordingItem => ({ id }) as RecordingItem;
const pageOf = (ids: string, next: string | null, total: number): RecordingPage => ({ items: [...ids].map(item), next, total });
const ids = (page: RecordingPage): string => page.items.map((i) => i.id).join("");

test("pages of results: no row twice, further pages stay open, fewer results start anew", () => {
  expect(ids(appended(pageOf("abc", "n", 5), pageOf("cde", null, 5)))).toBe("abcde");
  const open = refreshed(pageOf("abcd", "n2", 6), pageOf("xab", "n1", 7));
  expect([ids(open), open.next, open.total]).toEqual(["xabcd", "n2", 7]);
  expect(ids(refreshed(pageOf("abcd", null, 4), pageOf("ab", null, 2)))).toBe("ab");
  expect(ids(refreshed(null, pageOf("a", null, 1)))).toBe("a");
});

test("on a slow line the library waits for the answer instead of asking anew", async () => {
  vi.useFakeTimers();
  let asked = 0;
  vi.stubGlobal("fetch", (path: string) => {
    if (path.startsWith("/api/v1/me")) return Promise.resolve(json(me));
    asked += 1;
    return new Promise(() => undefined);
  });
  await put("page-library");
  await vi.advanceTimersByTimeAsync(9_000);
  expect(asked).toBe(1);
  vi.useRealTimers();
});

test("a page left open overnight shows the new day", async () => {
  vi.useFakeTimers({ now: new Date("2026-11-21T23:59:50") });
  const asked = serve({ "GET /api/v1/me": me, "GET /api/v1/lessons": [] as LessonItem[] });
  await put("page-today");
  await vi.advanceTimersByTimeAsync(100);
  expect(asked.at(-1)).toContain("day=2026-11-21");
  await vi.advanceTimersByTimeAsync(30_000);
  expect(asked.at(-1)).toContain("day=2026-11-22");
  vi.useRealTimers();
});

test.each([
  ["Asia/Shanghai", "2026-11-21T16:30:00Z", "2026-11-22", "00:30"],
  ["Asia/Shanghai", "2026-11-21T15:30:00Z", "2026-11-21", "23:30"],
  ["Pacific/Pago_Pago", "2026-11-22T05:30:00Z", "2026-11-21", "18:30"],
  ["Pacific/Kiritimati", "2026-11-21T10:30:00Z", "2026-11-22", "00:30"],
  ["America/New_York", "2026-11-01T06:30:00Z", "2026-11-01", "01:30"],
])("today is the service's day: %s at %s", async (zone, now, date, time) => {
  vi.useFakeTimers({ now: new Date(now) });
  const starts = Date.now();
  const lesson = { id: "l", class: "k", code: "c", title: "Lotus", teacher: "Li", school: "", subject: "", grade: "", starts, duration_min: 40, state: "planned", mine: true, again: false, recording: null, participants: 0 } as unknown as LessonItem;
  const asked = serve({ "GET /api/v1/me": { ...me, zone }, "GET /api/v1/lessons": [lesson] });
  const page = await put("page-today");
  await vi.advanceTimersByTimeAsync(100);
  expect(asked.at(-1)).toContain(`day=${date}`);
  expect(page.querySelector(".page-head p")?.textContent).toMatch(new RegExp(`^${date} .*${time}$`));
  expect(page.querySelector(".lesson .time")?.textContent).toBe(time);
  page.querySelector<HTMLButtonElement>(`[aria-label="${en.today.nextDay}"]`)?.click();
  await vi.advanceTimersByTimeAsync(100);
  expect(asked.at(-1)).toContain(`day=${new Date(Date.parse(date) + 86_400_000).toISOString().slice(0, 10)}`);
  vi.useRealTimers();
  useZone(null);
});

test("a class is planned in the service's time, and the form says so where the computer's is another", async () => {
  useZone("Pacific/Kiritimati");
  session.commit({ phase: "in", account });
  const sent: unknown[] = [];
  serve({ "GET /api/v1/places": [{ id: "p", parent: null, level: "school", name: "West" }], "GET /api/v1/accounts": [account], "POST /api/v1/classes": planned });
  const answer = globalThis.fetch;
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => (init.body ? sent.push(JSON.parse(String(init.body))) : 0, answer(path, init)));
  const done = editClass(null, "2026-03-08");
  await vi.waitFor(() => expect(document.querySelector("dialog #f-title")).not.toBeNull());
  const field = (id: string): HTMLInputElement => document.querySelector(`dialog #${id}`) as HTMLInputElement;
  expect([field("f-date").value, field("f-time").value]).toEqual(["2026-03-08", "08:00"]);
  expect(document.querySelector("dialog [data-zone]")?.textContent).toBe("Times are in Pacific/Kiritimati (UTC+14)");
  field("f-title").value = "Lotus";
  document.querySelector("dialog form")?.dispatchEvent(new Event("submit", { cancelable: true }));
  expect(await done).not.toBeNull();
  expect(sent).toMatchObject([{ starts: Date.parse("2026-03-07T18:00:00Z") }]);
  useZone(null);
});

test("the form for a class offers the next quarter of an hour of today, also just before midnight", async () => {
  vi.useFakeTimers({ now: new Date("2026-11-21T15:52:00Z"), toFake: ["Date"] });
  useZone("Asia/Shanghai");
  session.commit({ phase: "in", account });
  serve({ "GET /api/v1/places": [{ id: "p", parent: null, level: "school", name: "West" }], "GET /api/v1/accounts": [account] });
  const done = editClass(null, "2026-11-21");
  await vi.waitFor(() => expect(document.querySelector("dialog #f-title")).not.toBeNull());
  const field = (id: string): string => (document.querySelector(`dialog #${id}`) as HTMLInputElement).value;
  expect([field("f-date"), field("f-time")]).toEqual(["2026-11-21", "23:45"]);
  document.querySelector<HTMLButtonElement>("dialog button[type=button]")?.click();
  await done;
  vi.useRealTimers();
  useZone(null);
});
