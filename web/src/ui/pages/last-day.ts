/** When a class was last due. Pure. */
import { clockS } from "../../i18n/format";
import { addDays, instant, isoDay } from "../../i18n/zone";
import type { Class } from "../../protocol/generated/index";

/** The latest planned beginning that is not after `now`; the first one if none has come yet. Same clock time each week. */
export function lastDay({ starts, repeat, until }: Pick<Class, "starts" | "repeat" | "until">, now: number): number {
  if (repeat === "once") return starts;
  const end = until === null ? now : Math.min(now, until);
  let [date, last] = [isoDay(starts), starts];
  for (;;) {
    date = addDays(date, 7); // not a number of milliseconds: clocks may be changed in between
    const at = instant(date, clockS(starts));
    if (!(at <= end)) return last;
    last = at;
  }
}
