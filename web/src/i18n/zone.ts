/** The service's time zone: every day and every clock on the pages is in it, wherever the browser thinks it is. The server
 *  computes days in it, and a school PC with a wrong zone must neither ask for another day nor show another time. No DOM; how
 *  dates are written is `format.ts`. */

/** What clock and calendar of the zone show at an instant. `month` counts from 1, `weekday` from Sunday as 0. */
export interface Wall {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  weekday: number;
}

const DAY_MS = 86_400_000;
/** No zone changes its clocks twice within a block, so a block is one offset, or two and the moment between them. */
const BLOCK_MS = DAY_MS;
/** Five years of days: more than anybody goes through in a sitting. */
const BLOCKS_MAX = 2_048;

interface Block {
  before: number;
  /** From here it is `after`; the block's end if nothing changes. */
  change: number;
  after: number;
}

interface Zone {
  /** IANA name. */
  name: string;
  format: Intl.DateTimeFormat;
  /** It was not the one asked for, which this browser does not know. */
  instead: boolean;
}

let asked: string | null = null;
let zone: Zone | null = null;
const blocks = new Map<number, Block>();

/** From now on everything is in this zone (IANA name). One that the browser does not know, or none, is the browser's own. */
export function useZone(name: string | null): void {
  if (name === asked) return;
  asked = name;
  zone = null;
  blocks.clear();
}

function inForce(): Zone {
  return (zone ??= open());
}

function open(): Zone {
  const format = (timeZone?: string): Intl.DateTimeFormat =>
    new Intl.DateTimeFormat("en-US", { timeZone, hourCycle: "h23", calendar: "gregory", numberingSystem: "latn", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" });
  if (asked) {
    try {
      return { name: asked, format: format(asked), instead: false };
    } catch {
      // An old browser, or a new zone: its own clock is the next best, and the pages say which that is.
    }
  }
  const own = format();
  return { name: own.resolvedOptions().timeZone, format: own, instead: asked !== null };
}

/** The zone in force, as its IANA name. */
export const zoneName = (): string => inForce().name;

/** Whether a reader must be told which zone it is: the computer's own clock shows another time, or the service's zone is not known here. */
export const zoneDiffers = (now: number): boolean => inForce().instead || offsetAt(now) !== -new Date(now).getTimezoneOffset() * 60_000;

/** UTC+8, UTC−3:30, UTC. */
export function offsetWords(now: number): string {
  const minutes = Math.round(offsetAt(now) / 60_000);
  if (minutes === 0) return "UTC";
  const [h, m] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `UTC${minutes < 0 ? "−" : "+"}${h}${m === 0 ? "" : `:${two(m)}`}`;
}

/** How far the zone's clock is ahead of UTC at an instant, in milliseconds; NaN for what is no instant. */
export function offsetAt(at: number): number {
  if (Number.isNaN(new Date(at).getTime())) return NaN;
  const n = Math.floor(at / BLOCK_MS);
  let block = blocks.get(n);
  if (!block) {
    if (blocks.size >= BLOCKS_MAX) blocks.clear();
    blocks.set(n, (block = measure(n)));
  }
  return at < block.change ? block.before : block.after;
}

function measure(n: number): Block {
  const [from, to] = [n * BLOCK_MS, (n + 1) * BLOCK_MS];
  const before = ask(from);
  const after = ask(to);
  if (before === after) return { before, change: to, after };
  // Clocks change on a whole second.
  let [low, high] = [from / 1_000, to / 1_000];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (ask(middle * 1_000) === before) low = middle;
    else high = middle;
  }
  return { before, change: high * 1_000, after };
}

/** The offset at a whole second, from the browser: slow, so once per block. */
function ask(at: number): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of inForce().format.formatToParts(at)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) - at;
}

export function wallOf(at: number): Wall {
  const d = new Date(at + offsetAt(at));
  return { year: d.getUTCFullYear(), month: d.getUTCMonth() + 1, day: d.getUTCDate(), hour: d.getUTCHours(), minute: d.getUTCMinutes(), second: d.getUTCSeconds(), weekday: d.getUTCDay() };
}

const two = (n: number): string => String(n).padStart(2, "0");

/** The day of an instant: `2026-11-21`. */
export function isoDay(at: number): string {
  const { year, month, day } = wallOf(at);
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`;
}

export const today = (): string => isoDay(Date.now());

/** A date and a time of day as if they were UTC; NaN for what no calendar has. */
function civil(date: string, time: string): number {
  const [, y, mo, d] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(date) ?? [];
  const [, h, mi, s] = /^(\d{2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?$/.exec(time) ?? [];
  if (y === undefined || h === undefined) return NaN;
  const [month, day, hour, minute, second] = [Number(mo), Number(d), Number(h), Number(mi), Number(s ?? 0)];
  const ms = Date.UTC(Number(y), month - 1, day, hour, minute, second);
  const real = new Date(ms).getUTCDate() === day && new Date(ms).getUTCMonth() === month - 1 && hour < 24 && minute < 60 && second < 60;
  return real ? ms : NaN;
}

/** The instant at which calendar and clock of the zone show this, as forms write it (`2026-11-21`, `08:00`). As the server does:
 *  of a time that comes twice the first, and a time that clocks leap over lies as far behind the leap as it says. NaN for what is
 *  no date or no time. */
export function instant(date: string, time = "00:00"): number {
  const local = civil(date, time);
  if (Number.isNaN(local)) return NaN;
  // No zone is a whole day from UTC: a change of clocks near this time lies between these two.
  const [before, after] = [offsetAt(local - DAY_MS), offsetAt(local + DAY_MS)];
  const first = local - before;
  if (before === after || offsetAt(first) === before) return first;
  const second = local - after;
  return offsetAt(second) === after ? second : first;
}

/** What a `datetime-local` field holds (`2026-11-21T08:00`). NaN if it is empty. */
export function instantOf(field: string): number {
  const [date = "", time = ""] = field.split("T");
  return instant(date, time);
}

/** From a day's first moment to the next day's: 23, 24 or 25 hours. */
export const spanOfDay = (date: string): { from: number; to: number } => ({ from: instant(date), to: instant(addDays(date, 1)) });

/** So many days on, on the calendar: `2026-03-08` + 1 is `2026-03-09` however long the day is. */
export function addDays(date: string, days: number): string {
  const d = new Date(civil(date, "00:00") + days * DAY_MS);
  return `${String(d.getUTCFullYear()).padStart(4, "0")}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`;
}
