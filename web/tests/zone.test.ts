import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { clock, day, zoneWords } from "../src/i18n/format";
import { setDictionary } from "../src/i18n";
import { en } from "../src/i18n/en";
import { zh } from "../src/i18n/zh";
import { addDays, instant, instantOf, isoDay, offsetAt, offsetWords, spanOfDay, today, useZone, wallOf, zoneDiffers, zoneName } from "../src/i18n/zone";
import { lastDay } from "../src/ui/pages/last-day";

const H = 3_600_000;
const utc = (text: string): number => Date.parse(`${text}Z`);
const own = new Intl.DateTimeFormat().resolvedOptions().timeZone;

afterEach(() => {
  useZone(null);
  vi.restoreAllMocks();
});

test("an instant has the day and the time of the zone asked for", () => {
  for (const [zone, at, shown] of [
    ["Asia/Shanghai", "2026-11-21T15:59:59", "2026-11-21 23:59:59 6"],
    ["Asia/Shanghai", "2026-11-21T16:00:00", "2026-11-22 00:00:00 0"],
    ["UTC", "2026-11-21T16:00:00", "2026-11-21 16:00:00 6"],
    ["America/New_York", "2026-03-08T06:59:59", "2026-03-08 01:59:59 0"],
    ["America/New_York", "2026-03-08T07:00:00", "2026-03-08 03:00:00 0"],
    ["America/New_York", "2026-11-01T05:59:59", "2026-11-01 01:59:59 0"],
    ["America/New_York", "2026-11-01T06:00:00", "2026-11-01 01:00:00 0"],
    ["Asia/Kathmandu", "1985-12-31T18:29:59", "1985-12-31 23:59:59 2"],
    ["Asia/Kathmandu", "1985-12-31T18:30:00", "1986-01-01 00:15:00 3"],
    ["Pacific/Kiritimati", "2026-11-21T10:00:00", "2026-11-22 00:00:00 0"],
    ["Pacific/Pago_Pago", "2026-11-21T10:59:00", "2026-11-20 23:59:00 5"],
  ] as const) {
    useZone(zone);
    const { hour, minute, second, weekday } = wallOf(utc(at));
    const two = (n: number): string => String(n).padStart(2, "0");
    expect(`${isoDay(utc(at))} ${two(hour)}:${two(minute)}:${two(second)} ${weekday}`, `${zone} at ${at}`).toBe(shown);
  }
});

test("a date and a time are the instant at which the zone's clock shows them", () => {
  for (const [zone, date, time, at] of [
    ["Asia/Shanghai", "2026-11-22", "00:00", "2026-11-21T16:00:00"],
    ["Asia/Shanghai", "2026-11-22", "08:15", "2026-11-22T00:15:00"],
    ["UTC", "2026-11-21", "23:59:59", "2026-11-21T23:59:59"],
    ["America/New_York", "2026-03-08", "01:59", "2026-03-08T06:59:00"],
    ["America/New_York", "2026-03-08", "03:00", "2026-03-08T07:00:00"],
    // Leapt over: as far behind the leap as it says.
    ["America/New_York", "2026-03-08", "02:30", "2026-03-08T07:30:00"],
    // Comes twice: the first.
    ["America/New_York", "2026-11-01", "01:30", "2026-11-01T05:30:00"],
    ["America/New_York", "2026-11-01", "02:00", "2026-11-01T07:00:00"],
    // A day that begins at one o'clock, and one whose midnight comes twice.
    ["Africa/Cairo", "2024-04-26", "00:00", "2024-04-25T22:00:00"],
    ["America/Havana", "2024-11-03", "00:00", "2024-11-03T04:00:00"],
    // A day that a whole country left out.
    ["Pacific/Apia", "2011-12-31", "00:00", "2011-12-30T10:00:00"],
  ] as const) {
    useZone(zone);
    expect(instant(date, time), `${zone} ${date} ${time}`).toBe(utc(at));
    expect(instantOf(`${date}T${time}`)).toBe(utc(at));
  }
  for (const wrong of ["", "2026-11-21", "T08:00", "2026-02-30T08:00", "2026-11-21T24:00", "2026-11-21T8:00", "heute"]) expect(instantOf(wrong), wrong).toBeNaN();
});

test("days are as long as they are", () => {
  for (const [zone, date, hours] of [["Asia/Shanghai", "2026-11-21", 24], ["UTC", "2026-11-21", 24], ["America/New_York", "2026-03-08", 23], ["America/New_York", "2026-11-01", 25], ["Australia/Lord_Howe", "2026-04-05", 24.5], ["Africa/Cairo", "2024-04-26", 23]] as const) {
    useZone(zone);
    const { from, to } = spanOfDay(date);
    expect((to - from) / H, `${zone} ${date}`).toBe(hours);
    expect([isoDay(from - 1), isoDay(from), isoDay(to - 1), isoDay(to)], `${zone} ${date}`).toEqual([addDays(date, -1), date, date, addDays(date, 1)]);
  }
});

test("days are counted on the calendar, not in hours", () => {
  useZone("America/New_York");
  for (const [from, by, to] of [["2026-03-07", 1, "2026-03-08"], ["2026-03-08", 1, "2026-03-09"], ["2026-11-01", 1, "2026-11-02"], ["2026-11-02", -1, "2026-11-01"], ["2028-02-28", 1, "2028-02-29"], ["2026-12-31", 1, "2027-01-01"], ["2026-01-01", -1, "2025-12-31"]] as const) {
    expect(addDays(from, by), from).toBe(to);
  }
  // A weekly class keeps its hour over the change of clocks.
  const starts = instant("2026-10-26", "08:00");
  const last = lastDay({ starts, repeat: "weekly", until: null }, instant("2026-11-10", "12:00"));
  expect([isoDay(last), clock(last)]).toEqual(["2026-11-09", "08:00"]);
});

test("offsets agree with the browser at every hour of two years, and each day is asked for once", () => {
  useZone("America/New_York");
  const slow = new Intl.DateTimeFormat("en-US", { timeZone: "America/New_York", hourCycle: "h23", day: "numeric", hour: "numeric", minute: "numeric" });
  const asked = vi.spyOn(Intl.DateTimeFormat.prototype, "formatToParts");
  const start = utc("2026-01-01T00:30:00");
  const seen: string[] = [];
  for (let i = 0; i < 17_520; i++) seen.push(`${wallOf(start + i * H).day} ${wallOf(start + i * H).hour}:${wallOf(start + i * H).minute}`);
  // Two per day, and the search for the moment on the four days when clocks change.
  expect(asked.mock.calls.length).toBeLessThan(2 * 732 + 4 * 20);
  asked.mockRestore();
  seen.forEach((text, i) => {
    const parts = Object.fromEntries(slow.formatToParts(start + i * H).map((p) => [p.type, Number(p.value)]));
    if (text !== `${parts["day"]} ${parts["hour"]}:${parts["minute"]}`) expect.fail(`${i}: ${text}`);
  });
});

test("what is no instant has no time, and does no harm", () => {
  useZone("Asia/Shanghai");
  for (const at of [NaN, Infinity, 9e15]) {
    expect(offsetAt(at)).toBeNaN();
    expect(wallOf(at).hour).toBeNaN();
  }
});

test("a zone that the browser does not know is the browser's own, and pages say which that is", () => {
  useZone("Mars/Olympus_Mons");
  const now = Date.now();
  expect(zoneName()).toBe(own);
  expect(isoDay(now)).toBe(`${new Date(now).getFullYear()}-${String(new Date(now).getMonth() + 1).padStart(2, "0")}-${String(new Date(now).getDate()).padStart(2, "0")}`);
  expect(offsetAt(now)).toBe(0 - new Date(now).getTimezoneOffset() * 60_000);
  expect(zoneDiffers(now)).toBe(true);
  useZone(null);
  expect(zoneName()).toBe(own);
  expect(zoneDiffers(now)).toBe(false);
});

test("readers are told the zone where their own clock shows another time, and only there", () => {
  const now = utc("2026-11-21T12:00:00");
  const mine = -new Date(now).getTimezoneOffset();
  for (const [zone, minutes, offset] of [["Asia/Shanghai", 480, "UTC+8"], ["America/St_Johns", -210, "UTC−3:30"], ["Asia/Kathmandu", 345, "UTC+5:45"], ["Pacific/Pago_Pago", -660, "UTC−11"], ["UTC", 0, "UTC"]] as const) {
    useZone(zone);
    expect(offsetWords(now)).toBe(offset);
    expect(zoneDiffers(now), zone).toBe(minutes !== mine);
    if (minutes === mine) continue;
    setDictionary(zh, "zh-CN");
    expect(zoneWords(now)).toBe(`时间按 ${zone}（${offset}）显示`);
    setDictionary(en, "en");
    expect(zoneWords(now)).toBe(`Times are in ${zone} (${offset})`);
  }
  // Another name of one's own zone tells nobody anything.
  useZone(own);
  expect(zoneWords(now)).toBeNull();
});

test("words for days and clocks follow the zone", () => {
  setDictionary(zh, "zh-CN");
  const at = utc("2026-11-21T17:05:00");
  useZone("Asia/Shanghai");
  expect([day(at), clock(at)]).toEqual(["2026-11-22 周日", "01:05"]);
  useZone("Pacific/Pago_Pago");
  expect([day(at), clock(at)]).toEqual(["2026-11-21 周六", "06:05"]);
  vi.useFakeTimers({ now: at });
  expect(today()).toBe("2026-11-21");
  useZone("Asia/Shanghai");
  expect(today()).toBe("2026-11-22");
  vi.useRealTimers();
});

test("nothing but the zone's module asks the browser for days and times", () => {
  const root = join(__dirname, "../src");
  const local = /new Date\(|\.get(FullYear|Month|Date|Day|Hours|Minutes|Seconds|TimezoneOffset)\(|\.set(FullYear|Month|Hours|Minutes)\(|DateTimeFormat|toLocale(Date|Time)?String/;
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  expect(files.length).toBeGreaterThan(100);
  expect(files.filter((file) => local.test(readFileSync(join(root, file), "utf8")))).toEqual([join("i18n", "zone.ts")]);
});
