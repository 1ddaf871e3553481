/** What a browser gives a class: devices, peer connections, a socket. Each does what its specification says of the calls
 *  that are used here, and nothing by itself: the tests say what the network and the person do. */
import { vi } from "vitest";
import type { ClientMessage, Participant, RoomSnapshot, ServerMessage } from "../src/protocol/generated/index";

export class FakeTrack extends EventTarget {
  enabled = true;
  readyState: "live" | "ended" = "live";
  label = "fake";
  constructor(readonly kind: "audio" | "video") {
    super();
  }
  stop(): void {
    this.readyState = "ended";
  }
  getSettings(): MediaTrackSettings {
    return { deviceId: "d", height: 720 };
  }
}

export const track = (kind: "audio" | "video"): MediaStreamTrack => new FakeTrack(kind) as unknown as MediaStreamTrack;

class FakeStream {
  constructor(private readonly tracks: MediaStreamTrack[] = []) {}
  getTracks = (): MediaStreamTrack[] => this.tracks;
  getAudioTracks = (): MediaStreamTrack[] => this.tracks.filter((t) => t.kind === "audio");
  getVideoTracks = (): MediaStreamTrack[] => this.tracks.filter((t) => t.kind === "video");
}

export class FakeLine {
  mid: string | null = null;
  currentDirection: string | null = null;
  readonly sender: { track: MediaStreamTrack | null; replaceTrack: (t: MediaStreamTrack | null) => Promise<void> };
  readonly receiver: { track: MediaStreamTrack };
  constructor(
    of: MediaStreamTrack | "audio" | "video",
    public direction: string,
  ) {
    const own = typeof of === "string" ? null : of;
    this.receiver = { track: track(own ? (own.kind as "audio") : (of as "audio")) };
    this.sender = { track: own, replaceTrack: async (next) => void (this.sender.track = next) };
  }
  stop(): void {
    this.direction = "stopped";
  }
}

export class FakePeer extends EventTarget {
  static all: FakePeer[] = [];
  /** What the next offers do instead of succeeding. */
  static offerFails: Error | null = null;
  connectionState: RTCPeerConnectionState = "new";
  iceConnectionState = "new";
  signalingState = "stable";
  localDescription: { sdp: string } | null = null;
  remoteDescription: { sdp: string } | null = null;
  /** A browser that is given no network stays as it is. */
  static networks = true;
  lines: FakeLine[] = [];
  /** When a packet came last, as the browser's own counters would say. */
  heardAt = 0;

  constructor() {
    super();
    FakePeer.all.push(this);
  }
  addTransceiver(of: MediaStreamTrack | "audio" | "video", init: { direction: string }): FakeLine {
    const line = new FakeLine(of, init.direction);
    this.lines.push(line);
    return line;
  }
  getTransceivers = (): FakeLine[] => this.lines;
  async createOffer(): Promise<{ type: string; sdp: string }> {
    if (FakePeer.offerFails) throw FakePeer.offerFails;
    return { type: "offer", sdp: "offer" };
  }
  async setLocalDescription(d: { type: string; sdp: string }): Promise<void> {
    if (d.type === "rollback") {
      this.signalingState = "stable";
      for (const line of this.lines) if (line.currentDirection === null) line.mid = null;
      return;
    }
    this.signalingState = "have-local-offer";
    this.lines.forEach((line, i) => (line.mid ??= String(i)));
    this.localDescription = { sdp: this.lines.map((l) => `${l.mid}:${l.direction}`).join() };
  }
  async setRemoteDescription(): Promise<void> {
    this.signalingState = "stable";
    this.remoteDescription = { sdp: "answer" };
    this.dispatchEvent(new Event("signalingstatechange"));
    for (const line of this.lines) line.currentDirection = line.direction;
    if (FakePeer.networks && this.connectionState === "new") this.become("connected");
  }
  become(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.heardAt = Date.now();
    this.dispatchEvent(new Event("connectionstatechange"));
  }
  async getStats(): Promise<Map<string, unknown>> {
    return new Map([["pair", { type: "candidate-pair", nominated: true, lastPacketReceivedTimestamp: this.heardAt }]]);
  }
  close(): void {
    this.connectionState = "closed";
    this.signalingState = "closed";
  }
}

/** The other end of the newest socket. */
export class FakeSocket {
  static all: FakeSocket[] = [];
  readyState = 0;
  /** The network is gone, and nobody was told. */
  mute = false;
  said: ClientMessage[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((e: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  constructor() {
    FakeSocket.all.push(this);
  }
  send(text: string): void {
    const message = JSON.parse(text) as ClientMessage;
    this.said.push(message);
    // A server that agrees to every offer.
    if (message.type === "publish") this.say({ type: "answer", req: message.req, sdp: "answer", tracks: message.lines.map((l) => `own-${l.source}`) });
    if (message.type === "subscribe") this.say({ type: "answer", req: message.req, sdp: "answer", tracks: [] });
    if (message.type === "ping" && !this.mute) this.say({ type: "pong", req: message.req, now: Date.now() });
  }
  accept(): void {
    this.readyState = 1;
    this.onopen?.();
  }
  say(message: ServerMessage): void {
    const hear = this.onmessage;
    queueMicrotask(() => hear?.({ data: JSON.stringify(message) }));
  }
  /** The line breaks. */
  drop(): void {
    this.readyState = 3;
    this.onclose?.();
  }
  close(): void {
    this.readyState = 3;
  }
  of<T extends ClientMessage["type"]>(type: T): Extract<ClientMessage, { type: T }>[] {
    return this.said.filter((m): m is Extract<ClientMessage, { type: T }> => m.type === type);
  }
}

class FakeAudio {
  autoplay = false;
  srcObject: unknown = null;
  play = async (): Promise<void> => undefined;
  pause(): void {}
}

/** Cameras and microphones that open when `answer` is called, or at once. */
export class FakeDevices extends EventTarget {
  opened: FakeTrack[] = [];
  asked: ((result: FakeTrack | Error) => void)[] = [];
  /** Whether the person is still reading the question. */
  slow = false;
  async getUserMedia(wish: MediaStreamConstraints): Promise<MediaStream> {
    const kind = wish.audio ? "audio" : "video";
    if (this.slow) {
      const result = await new Promise<FakeTrack | Error>((resolve) => this.asked.push(resolve));
      if (result instanceof Error) throw result;
      this.opened.push(result);
      return new FakeStream([result as unknown as MediaStreamTrack]) as unknown as MediaStream;
    }
    const opened = new FakeTrack(kind);
    this.opened.push(opened);
    return new FakeStream([opened as unknown as MediaStreamTrack]) as unknown as MediaStream;
  }
  enumerateDevices = async (): Promise<MediaDeviceInfo[]> =>
    (["audioinput", "videoinput"] as const).map((kind) => ({ kind, deviceId: kind, label: kind }) as MediaDeviceInfo);
}

export interface FakeBrowser {
  devices: FakeDevices;
  /** The answers to joining, in turn; the last one stays. */
  joins: (() => Response)[];
}

/** Puts all of it into the page. `vi.unstubAllGlobals` takes it away. */
export function fakeBrowser(): FakeBrowser {
  FakePeer.all = [];
  FakePeer.offerFails = null;
  FakePeer.networks = true;
  FakeSocket.all = [];
  const devices = new FakeDevices();
  Object.defineProperty(navigator, "mediaDevices", { value: devices, configurable: true });
  const grant = { grant: "g", participant: "me", resume: "r", role: "student", title: "", teacher: "", expires: 0 };
  const browser: FakeBrowser = { devices, joins: [() => new Response(JSON.stringify(grant))] };
  vi.stubGlobal("RTCPeerConnection", FakePeer);
  vi.stubGlobal("MediaStream", FakeStream);
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("Audio", FakeAudio);
  Object.defineProperty(HTMLMediaElement.prototype, "srcObject", { value: null, writable: true, configurable: true }); // takes our streams
  vi.stubGlobal("fetch", async () => (browser.joins.length > 1 ? browser.joins.shift() : browser.joins[0])?.());
  return browser;
}

export const person = (id: string, part: Partial<Participant> = {}): Participant => ({
  id, name: id, role: "student", on_stage: false, hand_since: null, muted: [], online: true, quality: "good", joined: 1, ...part,
});

export function welcome(you: Participant, part: Partial<RoomSnapshot> = {}): ServerMessage {
  const participants = [you, ...(you.role === "teacher" ? [] : [person("t", { role: "teacher", on_stage: true })])];
  const room: RoomSnapshot = {
    room: "R", lesson: "L", title: "Lotus", teacher: "t", state: "live", live_since: 1, recording: "on", waiting_room: false,
    participants, participant_count: 2, waiting: [], tracks: [], chat: [], questions: [], ...part,
  };
  return { type: "welcome", you: you.id, role: you.role, now: Date.now(), room };
}
