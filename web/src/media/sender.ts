/**
 * The one sending connection: camera, microphone, shared screen and its sound. Tracks are handed in by source; a change
 * that needs other lines makes a new offer, any other (mute, another camera) only replaces the track on its line.
 */
import type { PublishLine, TrackSource } from "../protocol/generated/index";
import { cameraLayers, MICROPHONE_BITRATE, SCREEN_AUDIO_BITRATE, SCREEN_LAYERS, setVideoPreferences, tuneOpusAnswer } from "./codecs";
import { makePeer, type Obstacle } from "./peer";

export interface SenderPort {
  /** Hands the offer to the server; gives back its answer and the tracks in the order of the lines. */
  publish(sdp: string, lines: PublishLine[]): Promise<{ sdp: string; tracks: string[] }>;
  unpublish(track: string): void;
  connected(): void;
  /** The path may be gone. */
  wavering(): void;
  /** The path is gone; `restart` makes a new one. */
  lost(): void;
  stuck(obstacle: Obstacle): void;
  /** The server would not have it. */
  refused(error: unknown): void;
}

interface Connection {
  pc: RTCPeerConnection;
  lines: Map<TrackSource, RTCRtpTransceiver>;
}

export class Sender {
  #connection: Connection | null = null;
  #tracks = new Map<TrackSource, MediaStreamTrack | null>();
  #ids = new Map<TrackSource, string>();
  #turn: Promise<void> = Promise.resolve();
  #over = false;

  constructor(private readonly port: SenderPort) {}

  get pc(): RTCPeerConnection | null {
    return this.#connection?.pc ?? null;
  }

  /** The server's id for what we send from a source. */
  trackId(source: TrackSource): string | undefined {
    return this.#ids.get(source);
  }

  /**
   * From now on a source sends `track`. A source that has had a track keeps its line when it goes silent (`null`);
   * `remove` takes the line away. Resolves once it is in force at the server.
   */
  set(source: TrackSource, track: MediaStreamTrack | null): Promise<void> {
    this.#tracks.set(source, track);
    return this.#inTurn(() => this.#apply());
  }

  remove(source: TrackSource): Promise<void> {
    this.#tracks.delete(source);
    return this.#inTurn(async () => {
      const line = this.#connection?.lines.get(source);
      const id = this.#ids.get(source);
      this.#ids.delete(source);
      if (id) this.port.unpublish(id);
      // Stopped for good: a later share gets a line with streams of its own, so that nobody takes its first packets for
      // late ones of this. Browsers use a stopped line's place again once it was offered as such (RFC 8829 §5.2.2).
      this.#connection?.lines.delete(source);
      line?.stop();
    });
  }

  /** Brings to the server what could not be agreed on while it was away. Nothing happens when all is as it should be. */
  sync(): Promise<void> {
    return this.#inTurn(() => this.#apply());
  }

  /** A new connection with the same tracks, after the old path or the server's side of it was lost. */
  restart(): Promise<void> {
    return this.#inTurn(async () => {
      const old = this.#connection;
      this.#connection = null;
      this.#ids.clear();
      try {
        await this.#apply();
      } finally {
        old?.pc.close();
      }
    });
  }

  close(): void {
    this.#over = true;
    this.#connection?.pc.close();
    this.#connection = null;
    this.#ids.clear();
  }

  /** Offers must not overlap: one after the other, and a failed one does not stop the next. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(async () => {
      if (this.#over) return;
      try {
        await work();
      } catch (error) {
        if (!this.#over) this.port.refused(error);
        throw error;
      }
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #apply(): Promise<void> {
    const wanted = [...this.#tracks].filter(([source, track]) => track !== null || this.#connection?.lines.has(source));
    if (wanted.length === 0) return;
    this.#connection ??= this.#connect();
    const { pc, lines } = this.#connection;
    for (const [source, track] of wanted) {
      const line = lines.get(source);
      if (line) {
        if (line.sender.track !== track) await line.sender.replaceTrack(track);
      } else if (track) {
        lines.set(source, this.#addLine(pc, source, track));
      }
    }
    // Also a line of before: its offer was lost with the socket, or refused.
    const offer = [...lines.values()].some((line) => line.currentDirection === null && line.direction !== "stopped");
    if (offer) await this.#negotiate(this.#connection);
  }

  #connect(): Connection {
    const current = (c: Connection): boolean => this.#connection === c && !this.#over;
    const connection: Connection = {
      lines: new Map(),
      pc: makePeer({
        connected: () => current(connection) && this.port.connected(),
        wavering: () => current(connection) && this.port.wavering(),
        lost: () => current(connection) && this.port.lost(),
        stuck: (obstacle) => current(connection) && this.port.stuck(obstacle),
      }),
    };
    return connection;
  }

  #addLine(pc: RTCPeerConnection, source: TrackSource, track: MediaStreamTrack): RTCRtpTransceiver {
    const streams = [new MediaStream([track])];
    let sendEncodings: RTCRtpEncodingParameters[];
    switch (source) {
      case "camera":
        sendEncodings = cameraLayers(track.getSettings().height ?? 720);
        break;
      case "screen":
        sendEncodings = SCREEN_LAYERS.map((l) => ({ ...l }));
        break;
      case "microphone":
        sendEncodings = [{ maxBitrate: MICROPHONE_BITRATE, priority: "high", networkPriority: "high" }];
        break;
      case "screen_audio":
        sendEncodings = [{ maxBitrate: SCREEN_AUDIO_BITRATE }];
        break;
      case "substream": // of cameras on a wall; no browser sends one
        sendEncodings = [];
        break;
    }
    const line = pc.addTransceiver(track, { direction: "sendonly", streams, sendEncodings });
    if (track.kind === "video") setVideoPreferences(line, "send");
    return line;
  }

  async #negotiate(connection: Connection): Promise<void> {
    const { pc, lines } = connection;
    await pc.setLocalDescription(await pc.createOffer());
    // The server is ICE-lite and learns our address from our first check, so the offer need not wait for candidates.
    const offered: PublishLine[] = [];
    for (const [source, line] of lines) {
      if (line.mid !== null) offered.push({ mid: line.mid, source });
    }
    offered.sort((a, b) => Number(a.mid) - Number(b.mid));
    const sdp = pc.localDescription?.sdp ?? "";
    try {
      const answer = await this.port.publish(sdp, offered);
      await pc.setRemoteDescription({ type: "answer", sdp: tuneOpusAnswer(answer.sdp) });
      offered.forEach((line, i) => {
        const id = answer.tracks[i];
        if (id !== undefined) this.#ids.set(line.source, id);
      });
    } catch (error) {
      if (pc.signalingState === "have-local-offer") await pc.setLocalDescription({ type: "rollback" }).catch(() => undefined);
      throw error;
    }
  }
}
