/** When a class was last due. Pure. */
import type { Class } from "../../protocol/generated/index";

/** The latest planned beginning that is not after `now`; the first one if none has come yet. Same clock time each week. */
export function lastDay({ starts, repeat, until }: Pick<Class, "starts" | "repeat" | "until">, now: number): number {
  if (repeat === "once") return starts;
  const end = until === null ? now : Math.min(now, until);
  const at = new Date(starts);
  let last = starts;
  for (;;) {
    at.setDate(at.getDate() + 7); // not a number of milliseconds: clocks may be changed in between
    if (at.getTime() > end) return last;
    last = at.getTime();
  }
}
