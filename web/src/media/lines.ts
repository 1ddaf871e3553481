/**
 * Which receiving line carries which track. Pure.
 *
 * Lines come in seats: the i-th sound line and the i-th picture line belong together, and the browser keeps what they
 * carry in step (`pairStreams`). It does so by the senders' clocks, so a seat only ever holds one person's camera and
 * microphone, or one person's screen and its sound; two people on one seat would couple strangers' clocks.
 * Whoever has a seat keeps it, newcomers get one that nobody has used, and when there are too few, what matters most sits.
 */
import type { LineAssignment, LinePriority, TrackSource } from "../protocol/generated/index";

export interface Want {
  track: string;
  participant: string;
  source: TrackSource;
  /** Device pixels; 0 = not to be seen now. */
  height: number;
  priority: LinePriority;
}

export interface Lines {
  audio: readonly string[];
  video: readonly string[];
}

export interface Placement {
  /** Who sits, or sat last, on each seat. */
  seats: readonly (string | null)[];
  /** What each line carries. */
  lines: ReadonlyMap<string, Want>;
}

export const NOTHING_PLACED: Placement = { seats: [], lines: new Map() };

const ORDER: Record<LinePriority, number> = { screen: 0, pinned: 1, speaker: 2, rest: 3 };
const isSound = (source: TrackSource): boolean => source === "microphone" || source === "screen_audio";
const isScreen = (source: TrackSource): boolean => source === "screen" || source === "screen_audio";

/** Heights are told in steps, so that dragging a window edge does not send a message per pixel. */
export function stepHeight(px: number): number {
  if (px <= 0) return 0;
  for (const step of [90, 180, 270, 360, 540, 720, 1080]) if (px <= step) return step;
  return 2160;
}

/** What one seat would carry: a person with face and voice, or a screen with its sound. */
interface Group {
  key: string;
  sound: Want | null;
  picture: Want | null;
  rank: number;
}

function groupsOf(wants: readonly Want[]): Group[] {
  const groups = new Map<string, Group>();
  wants.forEach((want, i) => {
    const key = `${want.participant}/${isScreen(want.source) ? "screen" : "person"}`;
    const group = groups.get(key) ?? { key, sound: null, picture: null, rank: Number.POSITIVE_INFINITY };
    if (isSound(want.source)) group.sound = want;
    else group.picture = want;
    // Equals keep their order.
    group.rank = Math.min(group.rank, ORDER[want.priority] + i / 1_000);
    groups.set(key, group);
  });
  // Among equals a picture that is hidden now comes after one that is seen.
  const rank = (g: Group): number => g.rank + (g.picture?.height === 0 ? 0.5 : 0);
  return [...groups.values()].sort((a, b) => rank(a) - rank(b));
}

export function placeTracks(lines: Lines, before: Placement, wants: readonly Want[]): Placement {
  const count = Math.max(lines.audio.length, lines.video.length);
  const last = Array.from({ length: count }, (_, i) => before.seats[i] ?? null);
  const seated: (Group | null)[] = last.map(() => null);
  const left = groupsOf(wants);
  const fits = (seat: number, group: Group): boolean => (group.picture === null || seat < lines.video.length) && (group.sound === null || seat < lines.audio.length);

  // Pictures first: they have fewer seats than voices.
  for (const wave of [left.filter((g) => g.picture !== null), left.filter((g) => g.picture === null)]) {
    const standing: Group[] = [];
    const room = seated.filter((g) => g === null).length;
    for (const group of wave.slice(0, room)) {
      const kept = last.indexOf(group.key);
      if (kept >= 0 && seated[kept] === null && fits(kept, group)) seated[kept] = group;
      else standing.push(group);
    }
    const claimed = new Set(left.map((g) => g.key));
    for (const group of standing) {
      const free = last.map((_, i) => i).filter((i) => seated[i] === null && fits(i, group));
      const best =
        // A voice alone leaves the seats with a picture line to those who have one.
        (group.picture === null ? free.find((i) => last[i] === null && i >= lines.video.length) : undefined) ??
        free.find((i) => last[i] === null) ??
        free.find((i) => !claimed.has(last[i] as string)) ??
        free[0];
      if (best !== undefined) seated[best] = group;
      else if (group.picture !== null && group.sound !== null) {
        // No place for the picture: the voice is heard all the same.
        const place = last.findIndex((_, i) => seated[i] === null && i < lines.audio.length);
        if (place >= 0) seated[place] = { ...group, picture: null };
      }
    }
  }
  const carried = new Map<string, Want>();
  seated.forEach((group, i) => {
    const audio = lines.audio[i];
    const video = lines.video[i];
    if (group?.sound && audio !== undefined) carried.set(audio, group.sound);
    if (group?.picture && video !== undefined) carried.set(video, group.picture);
  });
  return { seats: seated.map((group, i) => group?.key ?? last[i] ?? null), lines: carried };
}

export function toAssignments(placed: ReadonlyMap<string, Want>): LineAssignment[] {
  return [...placed]
    .map(([mid, want]) => ({ mid, track: want.track, height_px: isSound(want.source) ? 1 : stepHeight(want.height), priority: want.priority }))
    .sort((a, b) => a.mid.localeCompare(b.mid, "en", { numeric: true }));
}

/**
 * Puts the two lines of a seat into one stream (RFC 8830), which makes browsers play them in step by their sender reports
 * (RFC 3550 §6.4.1). The server's answer has a stream per line, because only the client knows its seats.
 */
export function pairStreams(sdp: string, lines: Lines): string {
  const stream = new Map<string, string>();
  for (let i = 0; i < Math.min(lines.audio.length, lines.video.length); i++) {
    stream.set(lines.audio[i] as string, `seat-${i}`);
    stream.set(lines.video[i] as string, `seat-${i}`);
  }
  return sdp
    .split(/(?=^m=)/m)
    .map((section) => {
      const mid = /^a=mid:(\S+)/m.exec(section)?.[1];
      const name = mid === undefined ? undefined : stream.get(mid);
      return name === undefined ? section : section.replace(/^(a=msid:)\S+/m, `$1${name}`);
    })
    .join("");
}
