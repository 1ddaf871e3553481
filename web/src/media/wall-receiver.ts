/**
 * The one receiving connection of a wall: as many picture lines as it shows tiles and one sound line, offered once; what they
 * carry is the server's doing afterwards. A lost path, or more tiles than lines, is met by a new connection; the old one
 * keeps its pictures until the new one is agreed on.
 */
import { setVideoPreferences } from "./codecs";
import { delayOf, inboundCounts, type Delay, type InboundCounts } from "./delay";
import { makePeer, type Obstacle } from "./peer";

export interface WallReceiverPort {
  offer(sdp: string): Promise<string>;
  /** The lines have streams (again). */
  ready(): void;
  connected(): void;
  lost(): void;
  stuck(obstacle: Obstacle): void;
  refused(error: unknown): void;
  soundBlocked(blocked: boolean): void;
}

export class WallReceiver {
  #pc: RTCPeerConnection | null = null;
  #streams: MediaStream[] = [];
  #video: string[] = [];
  #audio: string | null = null;
  #player: HTMLAudioElement | null = null;
  #counts = new Map<string, InboundCounts>();
  #turn = 0;
  #over = false;

  constructor(
    private lines: number,
    private readonly port: WallReceiverPort,
  ) {}

  get mids(): readonly string[] {
    return this.#video;
  }
  get soundMid(): string | null {
    return this.#audio;
  }
  get lineCount(): number {
    return this.lines;
  }
  get up(): boolean {
    return this.#pc?.connectionState === "connected";
  }

  stream(slot: number): MediaStream | null {
    return this.#streams[slot] ?? null;
  }

  /** More lines from the next `connect` on. */
  grow(lines: number): void {
    this.lines = Math.max(this.lines, lines);
  }

  /** Offers a new connection; the newest call wins. */
  async connect(): Promise<void> {
    const mine = ++this.#turn;
    const current = (): boolean => this.#pc === pc && !this.#over;
    const pc = makePeer({
      connected: () => current() && this.port.connected(),
      lost: () => current() && this.port.lost(),
      stuck: (obstacle) => current() && this.port.stuck(obstacle),
    });
    try {
      const audio = pc.addTransceiver("audio", { direction: "recvonly" });
      const video = Array.from({ length: this.lines }, () => {
        const line = pc.addTransceiver("video", { direction: "recvonly" });
        setVideoPreferences(line, "receive");
        hurry(line.receiver);
        return line;
      });
      hurry(audio.receiver);
      await pc.setLocalDescription(await pc.createOffer());
      const answer = await this.port.offer(pc.localDescription?.sdp ?? "");
      if (mine !== this.#turn || this.#over) return pc.close();
      await pc.setRemoteDescription({ type: "answer", sdp: answer });
      if (mine !== this.#turn || this.#over) return pc.close();
      const old = this.#pc;
      this.#pc = pc;
      this.#counts.clear();
      this.#video = video.map((line) => line.mid ?? "");
      this.#audio = audio.mid;
      this.#streams = video.map((line) => new MediaStream([line.receiver.track]));
      this.#listen(new MediaStream([audio.receiver.track]));
      this.port.ready();
      old?.close();
      if (pc.connectionState === "connected") this.port.connected();
    } catch (error) {
      pc.close();
      if (mine === this.#turn && !this.#over) this.port.refused(error);
    }
  }

  /** Age of the picture on each line, by media id. `now`: the server's clock; `ahead`: how far a line's camera is ahead of it. */
  async delays(now: number, ahead: (mid: string) => number | null): Promise<Map<string, Delay>> {
    const found = new Map<string, Delay>();
    const pc = this.#pc;
    if (!pc || pc.connectionState !== "connected") return found;
    const report = await pc.getStats();
    const inbound: Record<string, unknown>[] = [];
    let rtt: number | null = null;
    report.forEach((entry: Record<string, unknown>) => {
      if (entry["type"] === "inbound-rtp" && entry["kind"] === "video" && typeof entry["mid"] === "string") inbound.push(entry);
      if (entry["type"] === "candidate-pair" && entry["nominated"] === true && typeof entry["currentRoundTripTime"] === "number") rtt = entry["currentRoundTripTime"] * 1_000;
    });
    for (const entry of inbound) {
      const mid = entry["mid"] as string;
      const is = inboundCounts(entry);
      const delay = delayOf(now, is, this.#counts.get(mid) ?? null, rtt, ahead(mid));
      this.#counts.set(mid, is);
      if (delay !== null) found.set(mid, delay);
    }
    return found;
  }

  /** To be called from a click: plays what the browser held back. */
  async unblock(): Promise<void> {
    await this.#play();
  }

  close(): void {
    this.#over = true;
    this.#pc?.close();
    this.#pc = null;
    this.#streams = [];
    if (this.#player) this.#player.srcObject = null;
  }

  #listen(stream: MediaStream): void {
    this.#player ??= new Audio();
    this.#player.srcObject = stream;
    void this.#play();
  }

  async #play(): Promise<void> {
    if (!this.#player?.srcObject) return;
    try {
      await this.#player.play();
      this.port.soundBlocked(false);
    } catch (error) {
      if ((error as { name?: string }).name === "NotAllowedError" && !this.#over) this.port.soundBlocked(true);
    }
  }
}

/** An officer compares a tile with what happens in a room: no more delay than the line makes necessary. */
function hurry(receiver: RTCRtpReceiver): void {
  const r = receiver as { jitterBufferTarget?: number | null; playoutDelayHint?: number | null };
  try {
    if ("jitterBufferTarget" in r) r.jitterBufferTarget = 0;
    else if ("playoutDelayHint" in r) r.playoutDelayHint = 0;
  } catch {
    // A browser that refuses keeps its own measure.
  }
}
