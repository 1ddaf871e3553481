/** Pages of results put together. Pure. */
import type { RecordingPage } from "../../protocol/generated/index";

/** The next page after what is shown. Something may have moved from one to the other meanwhile: no row stands twice. */
export function appended(shown: RecordingPage, next: RecordingPage): RecordingPage {
  const known = new Set(shown.items.map((i) => i.id));
  return { ...next, items: [...shown.items, ...next.items.filter((i) => !known.has(i.id))] };
}

/** A fresh first page over what is shown: running lessons grow and new ones appear, further pages stay open. */
export function refreshed(shown: RecordingPage | null, first: RecordingPage): RecordingPage {
  if (!shown || shown.items.length <= first.items.length || first.total < shown.total) return first;
  const fresh = new Set(first.items.map((i) => i.id));
  return { items: [...first.items, ...shown.items.filter((i) => !fresh.has(i.id))], next: shown.next, total: first.total };
}
