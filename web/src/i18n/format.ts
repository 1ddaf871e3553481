/** Dates, clocks, lengths and sizes, the same way everywhere: 2026-11-21 周六, 24-hour clock, numbers with units. Times are those of
 *  the service's zone (`zone.ts`). */
import { t } from "./index";
import { isoDay, offsetWords, wallOf, zoneDiffers, zoneName } from "./zone";

const two = (n: number): string => String(n).padStart(2, "0");

export function day(ms: number): string {
  return `${isoDay(ms)} ${t.weekdays[wallOf(ms).weekday]}`;
}

export function clock(ms: number): string {
  const { hour, minute } = wallOf(ms);
  return `${two(hour)}:${two(minute)}`;
}

/** 10:02:11 */
export function clockS(ms: number): string {
  return `${clock(ms)}:${two(wallOf(ms).second)}`;
}

/** In which zone the times are, where somebody could take them for another; else nothing. */
export function zoneWords(now: number): string | null {
  return zoneDiffers(now) ? t.common.zone(zoneName(), offsetWords(now)) : null;
}

/** 0:42, 12:05, 1:02:33 */
export function span(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const h = Math.floor(s / 3600);
  const m = Math.floor(s / 60) % 60;
  return h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

export function size(bytes: number): string {
  if (bytes < 1_000) return `${Math.max(0, Math.round(bytes))} B`;
  if (bytes < 999_500) return `${Math.round(bytes / 1_000)} kB`;
  if (bytes < 999_500_000) return `${Math.round(bytes / 1_000_000)} MB`;
  if (bytes < 1_000_000_000_000) return `${(bytes / 1_000_000_000).toFixed(1)} GB`;
  return `${(bytes / 1_000_000_000_000).toFixed(1)} TB`;
}
