/**
 * Which receiving line carries which track. Pure. A track keeps its line as long as it is wanted, so that pictures do
 * not swap places; when there are more tracks than lines, what matters most gets one.
 */
import type { LineAssignment, LinePriority, TrackSource } from "../protocol/generated/index";

export interface Want {
  track: string;
  kind: "audio" | "video";
  source: TrackSource;
  /** Device pixels; 0 = not to be seen now. */
  height: number;
  priority: LinePriority;
}

const ORDER: Record<LinePriority, number> = { screen: 0, pinned: 1, speaker: 2, rest: 3 };

/** Heights are told in steps, so that dragging a window edge does not send a message per pixel. */
export function stepHeight(px: number): number {
  if (px <= 0) return 0;
  for (const step of [90, 180, 270, 360, 540, 720, 1080]) if (px <= step) return step;
  return 2160;
}

/** `lines`: mids by kind. `before`: track by mid. Returns track by mid. */
export function placeTracks(
  lines: { audio: readonly string[]; video: readonly string[] },
  before: ReadonlyMap<string, string>,
  wants: readonly Want[],
): Map<string, Want> {
  const placed = new Map<string, Want>();
  for (const kind of ["audio", "video"] as const) {
    const mids = lines[kind];
    const chosen = wants
      .filter((w) => w.kind === kind)
      .map((want, i) => ({ want, i }))
      .sort((a, b) => Number(a.want.height === 0 && kind === "video") - Number(b.want.height === 0 && kind === "video") || ORDER[a.want.priority] - ORDER[b.want.priority] || a.i - b.i)
      .slice(0, mids.length)
      .map((c) => c.want);
    const left = new Map(chosen.map((w) => [w.track, w]));
    for (const mid of mids) {
      const kept = before.get(mid);
      const want = kept === undefined ? undefined : left.get(kept);
      if (want) {
        placed.set(mid, want);
        left.delete(want.track);
      }
    }
    for (const want of left.values()) {
      // Prefer a line that carried nothing: its decoder has no other person's last frame to show.
      const free = mids.find((mid) => !placed.has(mid) && !before.has(mid)) ?? mids.find((mid) => !placed.has(mid));
      if (free !== undefined) placed.set(free, want);
    }
  }
  return placed;
}

export function toAssignments(placed: ReadonlyMap<string, Want>): LineAssignment[] {
  return [...placed]
    .map(([mid, want]) => ({ mid, track: want.track, height_px: want.kind === "audio" ? 1 : stepHeight(want.height), priority: want.priority }))
    .sort((a, b) => a.mid.localeCompare(b.mid, "en", { numeric: true }));
}
