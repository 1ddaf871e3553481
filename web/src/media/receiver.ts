/**
 * The one receiving connection: a fixed number of lines offered once; what they carry is the server's doing afterwards.
 * When the path is lost a new connection with lines of the same names takes over, and the old one keeps its last
 * pictures until then.
 */
import { setVideoPreferences } from "./codecs";
import { pairStreams } from "./lines";
import { makePeer, type Obstacle } from "./peer";
import { setSpeaker } from "./level";

export interface ReceiverPort {
  subscribe(sdp: string): Promise<string>;
  /** The lines are offered (again) and have their names; what old ones carried is over. */
  offered(): void;
  /** The streams are there (again). */
  ready(): void;
  connected(): void;
  /** The path may be gone. */
  wavering(): void;
  lost(): void;
  stuck(obstacle: Obstacle): void;
  refused(error: unknown): void;
  /** The browser wants a gesture before it plays sound; `false` once it plays. */
  soundBlocked(blocked: boolean): void;
}

export interface LineCounts {
  video: number;
  audio: number;
}

export class Receiver {
  #pc: RTCPeerConnection | null = null;
  #prepared: Promise<RTCPeerConnection> | null = null;
  #streams = new Map<string, MediaStream>();
  #mids = { audio: [] as string[], video: [] as string[] };
  #players = new Map<string, HTMLAudioElement>();
  #speakerId = "";
  #turn: Promise<void> = Promise.resolve();
  #over = false;

  constructor(
    private readonly counts: LineCounts,
    private readonly port: ReceiverPort,
  ) {}

  get pc(): RTCPeerConnection | null {
    return this.#pc;
  }

  get mids(): { readonly audio: readonly string[]; readonly video: readonly string[] } {
    return this.#mids;
  }

  stream(mid: string): MediaStream | undefined {
    return this.#streams.get(mid);
  }

  /** Makes the offer ahead of time, while the class is still being entered. */
  prepare(): void {
    if (!this.#prepared && !this.#over) {
      this.#prepared = this.#offer();
      this.#prepared.catch(() => undefined);
    }
  }

  /** Connects, or connects anew. */
  connect(): Promise<void> {
    const turn = this.#turn.then(async () => {
      if (this.#over) return;
      this.prepare();
      const prepared = this.#prepared as Promise<RTCPeerConnection>;
      this.#prepared = null;
      let pc: RTCPeerConnection | null = null;
      try {
        pc = await prepared;
        const answered = this.port.subscribe(pc.localDescription?.sdp ?? "");
        this.#mids = midsOf(pc);
        this.port.offered();
        const answer = await answered;
        if (this.#over) return pc.close();
        await pc.setRemoteDescription({ type: "answer", sdp: pairStreams(answer, this.#mids) });
        this.#adopt(pc);
      } catch (error) {
        pc?.close();
        if (!this.#over) this.port.refused(error);
      }
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** To be called from a click: plays what the browser held back. */
  async unblock(): Promise<void> {
    await Promise.all([...this.#players.values()].map((player) => this.#play(player)));
  }

  setSpeaker(id: string): void {
    this.#speakerId = id;
    for (const player of this.#players.values()) void setSpeaker(player, id);
  }

  /** Lets the connection go: what it carried is over, and the next `connect` starts afresh. */
  hangUp(): void {
    this.#pc?.close();
    this.#pc = null;
    this.#streams.clear();
    for (const player of this.#players.values()) player.srcObject = null;
  }

  close(): void {
    this.#over = true;
    this.hangUp();
    void this.#prepared?.then((pc) => pc.close()).catch(() => undefined);
    for (const player of this.#players.values()) player.pause();
    this.#players.clear();
  }

  async #offer(): Promise<RTCPeerConnection> {
    const current = (): boolean => this.#pc === pc && !this.#over;
    const pc: RTCPeerConnection = makePeer({
      connected: () => current() && this.port.connected(),
      wavering: () => current() && this.port.wavering(),
      lost: () => current() && this.port.lost(),
      stuck: (obstacle) => current() && this.port.stuck(obstacle),
    });
    try {
      for (let i = 0; i < this.counts.audio; i++) pc.addTransceiver("audio", { direction: "recvonly" });
      for (let i = 0; i < this.counts.video; i++) setVideoPreferences(pc.addTransceiver("video", { direction: "recvonly" }), "receive");
      await pc.setLocalDescription(await pc.createOffer());
      return pc;
    } catch (error) {
      pc.close();
      throw error;
    }
  }

  #adopt(pc: RTCPeerConnection): void {
    const old = this.#pc;
    this.#pc = pc;
    this.#streams.clear();
    for (const line of pc.getTransceivers()) {
      if (line.mid === null) continue;
      const stream = new MediaStream([line.receiver.track]);
      this.#streams.set(line.mid, stream);
      if (line.receiver.track.kind === "audio") this.#listen(line.mid, stream);
    }
    old?.close();
    this.port.ready();
    if (pc.connectionState === "connected") this.port.connected();
  }

  /** One element per line: the browser mixes, and a line without sound costs nothing. */
  #listen(mid: string, stream: MediaStream): void {
    let player = this.#players.get(mid);
    if (!player) {
      player = new Audio();
      player.autoplay = true;
      this.#players.set(mid, player);
      void setSpeaker(player, this.#speakerId);
    }
    player.srcObject = stream;
    void this.#play(player);
  }

  async #play(player: HTMLAudioElement): Promise<void> {
    try {
      await player.play();
      this.port.soundBlocked(false);
    } catch (error) {
      if ((error as { name?: string }).name === "NotAllowedError" && !this.#over) this.port.soundBlocked(true);
    }
  }
}

function midsOf(pc: RTCPeerConnection): { audio: string[]; video: string[] } {
  const mids = { audio: [] as string[], video: [] as string[] };
  for (const line of pc.getTransceivers()) if (line.mid !== null) mids[line.receiver.track.kind as "audio" | "video"].push(line.mid);
  return mids;
}
