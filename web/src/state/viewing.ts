/**
 * What this page looks at: gathers which pictures are on screen and how large, asks the server for them, and knows which
 * stream shows which track. The pictures register themselves; nothing here touches the DOM.
 */
import { NOTHING_PLACED, placeTracks, stepHeight, toAssignments, type Placement, type Want } from "../media/lines";
import type { LineAssignment } from "../protocol/generated/index";
import type { RoomState } from "./room";

export interface ViewingPort {
  mids(): { readonly audio: readonly string[]; readonly video: readonly string[] };
  assign(lines: LineAssignment[]): boolean;
  /** Tracks have moved to other lines. */
  moved(): void;
}

export class Viewing {
  #heights = new Map<string, number>();
  #placed: Placement = NOTHING_PLACED;
  #said = "";
  #held = false;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #room: RoomState | null = null;
  #pinnedTrack: string | null = null;

  constructor(private readonly port: ViewingPort) {}

  /** A picture of `track` is shown `px` device pixels high (0 = scrolled away or hidden). */
  show(track: string, px: number): void {
    const step = stepHeight(px);
    if (this.#heights.get(track) === step) return;
    this.#heights.set(track, step);
    this.#soon();
  }

  /** No picture of it is on the page any more. */
  hide(track: string): void {
    if (this.#heights.delete(track)) this.#soon();
  }

  /** The room or the large picture changed. */
  update(room: RoomState, largeTrack: string | null): void {
    if (this.#room?.tracks === room.tracks && this.#room.speaker === room.speaker && this.#pinnedTrack === largeTrack) return;
    this.#room = room;
    this.#pinnedTrack = largeTrack;
    this.#soon();
  }

  /** Lines are new (a new connection): everything is said again. */
  renew(): void {
    this.#held = false;
    this.#said = "";
    this.say();
  }

  /**
   * New lines are offered: nothing is said until they are connected. A keyframe that the server asks the publisher for on our
   * behalf before we can receive is lost on us, and the next one comes a second later (measured: 1.3 s to the first
   * picture in two of three joins, 0.35 s in all when said afterwards).
   */
  hold(): void {
    this.#held = true;
  }

  /** The line that shows `track`, as we asked for it. */
  midOf(track: string): string | null {
    for (const [mid, want] of this.#placed.lines) if (want.track === track) return mid;
    return null;
  }

  close(): void {
    if (this.#timer) clearTimeout(this.#timer);
  }

  #soon(): void {
    // Layout settles in several steps; one message for all of them.
    this.#timer ??= setTimeout(() => this.say(), 30);
  }

  say(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    const room = this.#room;
    const mids = this.port.mids();
    if (this.#held || !room || mids.audio.length + mids.video.length === 0) return;
    this.#placed = placeTracks(mids, this.#placed, this.#wants(room));
    const assignments = toAssignments(this.#placed.lines);
    const text = JSON.stringify(assignments);
    if (text === this.#said) return;
    if (this.port.assign(assignments)) this.#said = text;
    this.port.moved();
  }

  #wants(room: RoomState): Want[] {
    const wants: Want[] = [];
    for (const track of room.tracks.values()) {
      if (track.participant === room.you) continue;
      const audio = track.source === "microphone" || track.source === "screen_audio";
      if (audio) {
        const teacher = room.participants.get(track.participant)?.role === "teacher";
        const priority = track.source === "screen_audio" ? "screen" : teacher ? "pinned" : room.speaker === track.participant ? "speaker" : "rest";
        wants.push({ track: track.id, participant: track.participant, source: track.source, height: 0, priority });
        continue;
      }
      const height = this.#heights.get(track.id);
      if (height === undefined) continue;
      const priority =
        track.source === "screen" ? "screen" : track.id === this.#pinnedTrack ? "pinned" : room.speaker === track.participant ? "speaker" : "rest";
      wants.push({ track: track.id, participant: track.participant, source: track.source, height, priority });
    }
    return wants;
  }
}
