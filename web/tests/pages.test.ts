import { expect, test } from "vitest";
import type { LessonItem, Place } from "../src/protocol/generated/index";
import { createStore } from "../src/state/store";
import { grow, levelsUnder } from "../src/ui/admin/tree";
import { keyFor } from "../src/ui/class/keys";
import { lastDay } from "../src/ui/pages/last-day";
import { pickNext } from "../src/ui/pages/today-next";
import { matchRoute } from "../src/ui/router";
import { resolveTheme } from "../src/ui/theme";

test("addresses lead to their pages", () => {
  for (const [path, page] of [["/", "page-today"], ["/signin", "page-sign-in"], ["/welcome", "page-welcome"], ["/c/k7wq2mzp4", "page-class"], ["/screen/k7wq2mzp4/", "page-screen"], ["/library", "page-library"], ["/watch/01J", "page-player"], ["/manage/people", "page-people"]] as const) {
    expect(matchRoute(path)?.page, path).toBe(page);
  }
  expect(matchRoute("/c/a%20b")?.params).toEqual({ code: "a b" });
  expect(matchRoute("/c/%E0%A4%A")).toBeNull();
  expect(matchRoute("/nowhere")).toBeNull();
});

test("the class is dark by itself, everything else follows the system, a choice beats both", () => {
  expect(resolveTheme("system", "class", false)).toBe("dark");
  expect(resolveTheme("system", "page", false)).toBe("light");
  expect(resolveTheme("system", "page", true)).toBe("dark");
  expect(resolveTheme("light", "class", true)).toBe("light");
});

const lesson = (id: string, part: Partial<LessonItem>): LessonItem => ({ id, class: id, code: id, title: id, subject: "", grade: "", teacher: "", school: "", starts: 0, duration_min: 40, state: "scheduled", mine: false, again: false, recording: null, participants: 0, ...part });
const MIN = 60_000;

test("the large button: my running class > a running class > the next that is not past", () => {
  const early = lesson("early", { starts: 10 * MIN });
  const late = lesson("late", { starts: 50 * MIN });
  const over = lesson("over", { starts: 0, state: "over" });
  const live = lesson("live", { starts: 60 * MIN, state: "live" });
  const mine = lesson("mine", { starts: 61 * MIN, state: "live", mine: true });
  expect(pickNext([over, late, early], 5 * MIN)?.id).toBe("early");
  expect(pickNext([late, early], 30 * MIN)?.id, "a late teacher still finds the class").toBe("early");
  expect(pickNext([late, early], 51 * MIN)?.id).toBe("late");
  expect(pickNext([early, live, mine], 0)?.id).toBe("mine");
  expect(pickNext([early, live], 0)?.id).toBe("live");
  expect(pickNext([over], 0)).toBeNull();
});

test("the day on which a class was last due", () => {
  const at = (text: string): number => new Date(text).getTime();
  const starts = at("2026-11-02T08:00");
  const due = (repeat: "once" | "weekly", until: string | null, now: string): number => lastDay({ starts, repeat, until: until ? at(until) : null }, at(now));
  expect(due("once", null, "2026-12-24T12:00")).toBe(starts);
  expect(due("weekly", null, "2026-11-01T12:00")).toBe(starts);
  expect(due("weekly", null, "2026-11-16T07:59")).toBe(at("2026-11-09T08:00"));
  expect(due("weekly", null, "2026-11-16T08:00")).toBe(at("2026-11-16T08:00"));
  expect(due("weekly", "2026-11-10T23:59", "2026-12-24T12:00")).toBe(at("2026-11-09T08:00"));
});

test("keys mean what the help says, and Space belongs to a focused button", () => {
  expect(keyFor(" ", true, false)).toBe("call");
  expect(keyFor(" ", true, true)).toBeNull();
  expect(keyFor(" ", false, false)).toBeNull();
  expect(keyFor("M", true, false)).toBe("muteAll");
  expect(keyFor("m", false, false)).toBe("mute");
  expect(keyFor("h", true, false)).toBeNull();
  expect(keyFor("h", false, false)).toBe("hand");
  expect(keyFor("Enter", true, false)).toBeNull();
});

test("places grow into a tree; what one may not see is left out without losing the rest", () => {
  const p = (id: string, parent: string | null, level: Place["level"]): Place => ({ id, parent, level, name: id });
  const [root] = grow([p("b", "a", "school"), p("a", "unseen", "district"), p("c", "b", "class")]);
  expect(root?.place.id).toBe("a");
  expect(root?.children[0]?.children[0]?.place.id).toBe("c");
  expect(levelsUnder("school")).toEqual(["class"]);
  expect(levelsUnder("district")).toEqual(["school", "exam_site"]);
  expect(levelsUnder("class")).toEqual([]);
});

test("the store tells once for several commits, and not for none", async () => {
  const store = createStore({ a: 1, b: 1 });
  let told = 0;
  const stop = store.subscribe(() => told++);
  store.commit({ a: 2 });
  store.commit({ b: 2 });
  await Promise.resolve();
  expect(told).toBe(1);
  store.commit({ a: 2 });
  await Promise.resolve();
  expect(told).toBe(1);
  stop();
  store.commit({ a: 3 });
  await Promise.resolve();
  expect(told).toBe(1);
});
