/** Which recorded tracks matter at a moment, and which picture is large. Pure. */
import type { Chapter, RecordedGap, RecordedTrack } from "../../protocol/generated/index";

export const isVideo = (track: RecordedTrack): boolean => track.source === "camera" || track.source === "screen";

export const runs = (track: RecordedTrack, at: number): boolean => at >= track.from_ms && at < track.to_ms;

/** The pictures of a moment: the preferred first, then screens, the teacher, the rest in the order in which they began. */
export function picturesAt(tracks: readonly RecordedTrack[], at: number, preferred: string | null): RecordedTrack[] {
  const key = (t: RecordedTrack): number => (pictureKey(t) === preferred ? 0 : t.source === "screen" ? 1 : t.teacher ? 2 : 3);
  return tracks.filter((t) => isVideo(t) && runs(t, at)).sort((a, b) => key(a) - key(b) || a.from_ms - b.from_ms);
}

/** How long after the start a first picture may come and still stand for the beginning. */
const LEAD_IN_MS = 60_000;
/** So short a wait for the first picture is filled with it even while sound plays. */
const SHORT_MS = 3_000;

/**
 * What to show before the first picture was recorded: that picture, standing still, rather than black. Connecting takes the
 * teacher's camera half a second. Where it comes much later, it shows only until the lesson is played: the voice is not its.
 */
export function leadIn(tracks: readonly RecordedTrack[], at: number, playing: boolean): RecordedTrack | null {
  const first = tracks.filter(isVideo).reduce<RecordedTrack | null>((best, t) => (best === null || t.from_ms < best.from_ms ? t : best), null);
  if (first === null || at >= first.from_ms || first.from_ms > LEAD_IN_MS) return null;
  return !playing || first.from_ms - at <= SHORT_MS ? first : null;
}

/** What can be taken away: the server puts the teacher's camera or screen and her voice into one file, WebM if the picture is VP8. */
export function downloads(tracks: readonly RecordedTrack[]): { source: "camera" | "screen"; track: RecordedTrack; format: "MP4" | "WebM" }[] {
  const of = (source: "camera" | "screen"): RecordedTrack | undefined => {
    const own = tracks.filter((t) => t.teacher && t.source === source);
    return own.find((t) => t.playlist) ?? own.sort((a, b) => b.to_ms - b.from_ms - (a.to_ms - a.from_ms))[0];
  };
  return (["camera", "screen"] as const).flatMap((source) => {
    const track = of(source);
    return track && (track.playlist || track.webm) ? [{ source, track, format: track.playlist ? "MP4" as const : "WebM" as const }] : [];
  });
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
