/** Everything the class page shows, in one store: the room as the server told it, the devices as the browser told them. */
import type { CloseReason, RefusalCode } from "../protocol/generated/index";
import type { DeviceFault } from "../media/faults";
import type { Obstacle } from "../media/peer";
import type { LineQuality } from "../media/stats";
import type { RoomState } from "./room";

/** Where one stands with the class. */
export type Phase =
  | { name: "joining" }
  | { name: "waiting"; title: string; teacher: string; open: boolean }
  | { name: "in" }
  | { name: "closed"; reason: CloseReason | "left" }
  | { name: "refused"; code: string; detail: string };

/** The line to the server, as it is now. */
export type Link =
  | { state: "up" }
  | { state: "connecting" }
  /** Down since then (local clock); the page dials by itself. */
  | { state: "down"; since: number; offline: boolean };

/** One own device. `on` is true only while the browser delivers and the track is sent (or would be, in the lobby). */
export interface OwnDevice {
  on: boolean;
  /** A change is under way. */
  busy: boolean;
  fault: DeviceFault | null;
  /** Label of the device in use. */
  label: string;
  deviceId: string;
}

export interface OwnScreen {
  on: boolean;
  busy: boolean;
  fault: DeviceFault | null;
  audio: boolean;
}

export interface ClassState {
  phase: Phase;
  link: Link;
  room: RoomState | null;
  microphone: OwnDevice;
  camera: OwnDevice;
  screen: OwnScreen;
  /** Whether the browser refused to play sound until a gesture. */
  soundBlocked: boolean;
  audioOnly: boolean;
  /** Whether the receiving connection carries media. */
  receiving: boolean;
  /** What keeps media away although the socket is up. */
  mediaBlocked: Obstacle | null;
  /** The key of the picture that the viewer chose to see large. */
  pinned: string | null;
  /** Counts changes of which line shows which track. */
  placement: number;
  up: LineQuality | null;
  down: LineQuality | null;
  /** The last refusal, until dismissed or replaced. */
  refusal: { code: RefusalCode | "timeout" | "disconnected"; at: number } | null;
  /** Whether the teacher has put the recording alarm away; the sign in the top bar stays. */
  alarmSeen: boolean;
  /** People removed within the last ten seconds who can still be let stay. */
  removing: { participant: string; name: string; until: number } | null;
}

const device = (): OwnDevice => ({ on: false, busy: false, fault: null, label: "", deviceId: "" });

export const initialClassState = (): ClassState => ({
  phase: { name: "joining" },
  link: { state: "connecting" },
  room: null,
  microphone: device(),
  camera: device(),
  screen: { on: false, busy: false, fault: null, audio: false },
  soundBlocked: false,
  audioOnly: false,
  receiving: false,
  mediaBlocked: null,
  pinned: null,
  placement: 0,
  up: null,
  down: null,
  refusal: null,
  alarmSeen: false,
  removing: null,
});
