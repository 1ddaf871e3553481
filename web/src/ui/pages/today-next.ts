/** Which class of the day gets the large button, and which rows there are. Pure. */
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

/** A lesson can be taken up again for this long after its planned end (the server's rule). */
const AGAIN_MS = 30 * 60_000;

/**
 * The server offers a teacher who ended her class before its time to take it up again, as a planned lesson of its own. That
 * is no class of the day: it belongs to the row of the one that is over.
 */
export function foldAgain(items: readonly LessonItem[]): { rows: LessonItem[]; again: ReadonlySet<string> } {
  const again = new Set<string>();
  const rows = items.filter((item) => {
    if (item.state !== "scheduled") return true;
    const before = items
      .filter((o) => o.state === "over" && o.class === item.class && o.starts <= item.starts && item.starts < o.starts + o.duration_min * 60_000 + AGAIN_MS)
      .at(-1);
    if (before) again.add(before.id);
    return !before;
  });
  return { rows, again };
}
