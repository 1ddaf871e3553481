/** Which class of the day gets the large button. Pure. */
import type { LessonItem } from "../../protocol/generated/index";

/** A class that is running (one's own first), else the one that starts next; one that should have begun counts until
 *  its planned end. */
export function pickNext(items: readonly LessonItem[], now: number): LessonItem | null {
  const live = items.filter((i) => i.state === "live");
  const mine = live.find((i) => i.mine);
  if (mine ?? live[0]) return mine ?? live[0] ?? null;
  const open = items
    .filter((i) => i.state === "scheduled" && i.starts + i.duration_min * 60_000 > now)
    .sort((a, b) => a.starts - b.starts || Number(b.mine) - Number(a.mine));
  return open[0] ?? null;
}
