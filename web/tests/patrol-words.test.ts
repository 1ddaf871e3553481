/** The words of exam patrol: complete, in their language, and each said somewhere. */
import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { beforeEach, expect, test } from "vitest";
import type { CameraDay, CameraGap } from "../src/protocol/generated/index";
import { en } from "../src/i18n/en";
import { setDictionary } from "../src/i18n/index";
import { setPatrolWords } from "../src/i18n/patrol";
import { patrolEn } from "../src/i18n/patrol-en";
import { patrolZh } from "../src/i18n/patrol-zh";
import { zh } from "../src/i18n/zh";
import { patrolHome } from "../src/ui/shell";
import { chooseVariant } from "../src/ui/patrol/step-tile";
import { tabsFor } from "../src/ui/patrol/tabs";
import { timelineKey } from "../src/ui/patrol/timeline-keys";
import { toneDue } from "../src/ui/patrol/tone";
import { wallKey } from "../src/ui/patrol/wall-keys";
import { clockWords, findingWords, gapWords, lasting, stateSince } from "../src/ui/patrol/words-of";
import { leaves, said } from "./dictionary";

beforeEach(() => {
  setDictionary(zh, "zh-CN");
  setPatrolWords(patrolZh);
});

test("Chinese has every word of English, of the same kind, and none is empty", () => {
  const kinds = (d: unknown) => new Map(leaves(d).map(([path, v]) => [path, typeof v]));
  expect(kinds(patrolZh)).toEqual(kinds(patrolEn));
  for (const [name, dictionary] of [["en", patrolEn], ["zh", patrolZh]] as const) {
    for (const [path, value] of leaves(dictionary)) {
      for (const text of said(value)) {
        expect(text.trim().length, `${name} ${path}`).toBeGreaterThan(0);
        expect(text, `${name} ${path}`).not.toMatch(/TODO|undefined|NaN|\[object|lorem/i);
      }
    }
  }
});

test("Chinese words are Chinese, English ones are not", () => {
  const han = /[\u4e00-\u9fff]/;
  // Only what is given, and signs.
  const plain = new Set(["timeline.gapOf", "state.since", "retention.usedFree"]);
  for (const [path, value] of leaves(patrolZh)) {
    for (const text of said(value)) if (!plain.has(path)) expect(han.test(text.replaceAll(/[甲乙丙]/g, "")), `${path}: ${text}`).toBe(true);
  }
  for (const [path, value] of leaves(patrolEn)) {
    for (const text of said(value)) expect(han.test(text.replaceAll(/[甲乙丙]/g, "")), `${path}: ${text}`).toBe(false);
  }
});

test("every word is said somewhere", () => {
  const sources = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts") && !/^(i18n|protocol)/.test(file.replaceAll("\\", "/")));
  const code = sources.map((file) => readFileSync(resolve("src", file), "utf8")).join("\n");
  // Looked up by what the server says.
  const byCode = new Set(["state", "streams", "groups", "faults", "faultAdvice", "checkItems", "checkAdvice", "probe", "refusals", "closed", "importErrors", "auditActions", "auditDetails", "problems", "nav"]);
  const dead = Object.entries(patrolEn).flatMap(([group, words]) => (byCode.has(group) ? [] : Object.keys(words).filter((word) => !new RegExp(`\\.${group}\\.${word}\\b`).test(code)).map((word) => `${group}.${word}`)));
  // The form looks its three offices up by their names.
  expect(dead.filter((word) => !/^separation\.(system|security|audit)$/.test(word))).toEqual([]);
});

test("a failure says what happened, what still works and what to do now", () => {
  for (const dictionary of [patrolEn, patrolZh]) {
    for (const group of [dictionary.closed, dictionary.problems]) {
      for (const [code, words] of Object.entries(group)) for (const part of ["what", "works", "next"] as const) expect(words[part].length, `${code}.${part}`).toBeGreaterThan(3);
    }
  }
});

test("a clock is said as people say it", () => {
  const cases = [
    [0, "准", "on time"], [350, "快 350 毫秒", "350 ms ahead"], [-999, "慢 999 毫秒", "999 ms behind"], [7_000, "快 7.0 秒", "7.0 s ahead"], [-12_340, "慢 12.3 秒", "12.3 s behind"],
    [59_980, "快 1 分钟", "1 min ahead"], [-28_800_000, "慢 8 小时", "8 h behind"],
  ] as const;
  for (const [ms, zhWords, enWords] of cases) {
    setPatrolWords(patrolZh);
    expect(clockWords(ms)).toBe(zhWords);
    setPatrolWords(patrolEn);
    expect(clockWords(ms)).toBe(enWords);
  }
  setPatrolWords(patrolZh);
});

test("gaps, states and findings in words", () => {
  const at = (time: string): number => new Date(`2026-11-21T${time}`).getTime();
  const sub = { main: [], sub: [{ from: at("10:00:00"), to: at("11:00:00") }], sound: [] } as unknown as CameraDay;
  const none = { main: [], sub: [], sound: [] } as unknown as CameraDay;
  const gap = (stream: CameraGap["stream"], cause: CameraGap["cause"]): CameraGap => ({ from: at("10:02:11"), to: at("10:02:40"), stream, cause });
  expect(gapWords(gap(null, "network"), sub)).toBe("无录像：网络中断 10:02:11–10:02:40");
  expect(gapWords(gap("sound", "camera_silent"), none)).toBe("无声音：摄像机无数据 10:02:11–10:02:40");
  expect(gapWords(gap("main", "network"), sub)).toBe("无主码流：网络中断 10:02:11–10:02:40");
  expect(gapWords(gap("main", "network"), none), "nothing else shows the picture").toBe("无录像：网络中断 10:02:11–10:02:40");
  expect(stateSince("unreachable", 0, 180_000)).toBe("离线，已 3 分钟");
  expect(findingWords({ item: "clock", fault: "wrong_clock", measure: 2_300 })).toBe("时钟不准 (快 2.3 秒)");
  for (const [ms, zhWords, enWords] of [[12_400, "12 秒", "12 s"], [3_700_000, "1 小时 1 分", "1 h 1 min"], [90_000_000, "1 天 1 小时", "1 d 1 h"]] as const) {
    setPatrolWords(patrolZh);
    expect(lasting(ms)).toBe(zhWords);
    setPatrolWords(patrolEn);
    setDictionary(en, "en");
    expect(lasting(ms)).toBe(enWords);
  }
});

test("keys of wall and timeline mean what the tables say, and Enter and Space belong to a focused button", () => {
  for (const [key, what] of [["ArrowLeft", "move"], ["4", "size"], ["8", "layout"], ["Enter", "enlarge"], [" ", "hold"], ["s", "snapshot"], ["M", "sound"], ["b", "back"], ["B", "back_all"], ["l", "live"], ["?", "help"], ["a", "acknowledge"], ["PageDown", "turn"]] as const) expect(wallKey(key, false)?.do, key).toBe(what);
  expect(wallKey("7", false)).toEqual({ do: "size", tiles: 64 });
  expect([wallKey("Enter", true), wallKey(" ", true), wallKey("x", false)]).toEqual([null, null, null]);
  for (const [key, shift, what] of [[" ", false, "play"], ["ArrowLeft", true, "seek"], [",", false, "frame"], ["n", false, "jump"], ["G", true, "jump"], ["i", false, "in"], ["e", false, "export"], ["]", false, "rate"]] as const) expect(timelineKey(key, shift, false)?.do, key).toBe(what);
  expect(timelineKey("G", true, false)).toEqual({ do: "jump", to: "gap", by: -1 });
  expect(timelineKey(" ", false, true)).toBeNull();
});

test("the tone sounds for what is new, again after half a minute, and not while muted", () => {
  expect(toneDue(0, [], new Set(), 0, 0)).toBe(false);
  expect(toneDue(1_000, ["a"], new Set(), 0, 0)).toBe(true);
  expect(toneDue(2_000, ["a"], new Set(["a"]), 1_000, 0)).toBe(false);
  expect(toneDue(31_000, ["a"], new Set(["a"]), 1_000, 0)).toBe(true);
  expect(toneDue(31_000, ["a", "b"], new Set(["a"]), 1_000, 60_000)).toBe(false);
});

test("which stream is played: keyframes when fast, the substream when H.265 does not play or many do", () => {
  const span = [{ from: 0, to: 1 }];
  const day = { main: span, sub: span, main_codec: "hvc1.1.6.L93" };
  const no = (): boolean => false;
  const yes = (): boolean => true;
  expect(chooseVariant(day, 8, 1, false, yes).variant).toBe("keyframes");
  expect(chooseVariant(day, 1, 1, false, no)).toEqual({ variant: "sub", notPlayable: true });
  expect(chooseVariant(day, 1, 4, false, yes).variant).toBe("main");
  expect(chooseVariant(day, 1, 9, false, yes).variant).toBe("sub");
  expect(chooseVariant(day, 1, 9, true, yes).variant).toBe("main");
  expect(chooseVariant({ ...day, sub: [] }, 1, 9, false, yes).variant).toBe("main");
  expect(chooseVariant({ ...day, main: [] }, 1, 1, false, yes).variant).toBe("sub");
});

test("each finds what they answer for", () => {
  const home = (patrol: boolean, ...roles: string[]) => patrolHome({ patrol, account: { roles: roles.map((role) => ({ role, place: "p" })) } as never });
  expect(home(false, "teacher")).toBeNull();
  expect(home(true, "teacher")).toBe("/wall");
  expect(home(false, "patrol_officer")).toBe("/wall");
  expect(home(false, "system_administrator")).toBe("/patrol/cameras");
  expect(home(false, "audit_administrator")).toBe("/patrol/audit");
  expect(tabsFor(["audit_administrator"])).toEqual(["audit"]);
  expect(tabsFor(["system_administrator"])).not.toContain("wall");
  expect(tabsFor(["patrol_officer"])[0]).toBe("wall");
  expect(tabsFor(["patrol_officer"]), "the log is for those who answer for a site").not.toContain("audit");
  expect(tabsFor(["site_administrator"])).toContain("audit");
  expect(home(true, "security_administrator")).toBeNull();
});
