/** Which recorded tracks matter at a moment, and which picture is large. Pure. */
import type { Chapter, RecordedGap, RecordedTrack } from "../../protocol/generated/index";

export const isVideo = (track: RecordedTrack): boolean => track.source === "camera" || track.source === "screen";

export const runs = (track: RecordedTrack, at: number): boolean => at >= track.from_ms && at < track.to_ms;

/** The pictures of a moment: the preferred first, then screens, the teacher, the rest in the order in which they began. */
export function picturesAt(tracks: readonly RecordedTrack[], at: number, preferred: string | null): RecordedTrack[] {
  const key = (t: RecordedTrack): number => (pictureKey(t) === preferred ? 0 : t.source === "screen" ? 1 : t.teacher ? 2 : 3);
  return tracks.filter((t) => isVideo(t) && runs(t, at)).sort((a, b) => key(a) - key(b) || a.from_ms - b.from_ms);
}

/** The same person's same source keeps its place through a reconnect, although it is another track then. */
export const pictureKey = (track: RecordedTrack): string => `${track.name}/${track.source}`;

/** A stretch in which nothing at all was recorded and that `at` lies in. */
export function wholeGapAt(gaps: readonly RecordedGap[], at: number): RecordedGap | null {
  return gaps.find((g) => g.track === null && at >= g.from_ms && at < g.to_ms) ?? null;
}

/** Gaps worth a mark on the bar: those of the whole recording, and longer ones of the teacher's tracks. */
export function barGaps(gaps: readonly RecordedGap[], tracks: readonly RecordedTrack[]): RecordedGap[] {
  const teacher = new Set(tracks.filter((t) => t.teacher).map((t) => t.track));
  return gaps.filter((g) => g.cause !== "muted" && (g.track === null || (teacher.has(g.track) && g.to_ms - g.from_ms >= 1_000)));
}

export function chapterAt(chapters: readonly Chapter[], at: number): number {
  let found = -1;
  chapters.forEach((c, i) => {
    if (c.at_ms <= at + 250) found = i;
  });
  return found;
}
