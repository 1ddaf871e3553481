/** What a peer connection's own counters say, as a person would put it: delay, loss, rate, size, freezes. */

export interface LineQuality {
  /** Round trip to the server in milliseconds, if known. */
  rttMs: number | null;
  /** Share of packets lost since the last look, 0 to 100. */
  lossPercent: number;
  kbps: number;
  /** Height of the largest picture sent or received. */
  height: number;
  fps: number;
  /** What keeps the sent picture small: the machine, the line, or nothing. */
  limitedBy: "cpu" | "bandwidth" | null;
}

interface Totals {
  at: number;
  bytes: number;
  packets: number;
  lost: number;
}

export class StatsWatch {
  #before: Totals | null = null;

  async look(pc: RTCPeerConnection): Promise<LineQuality> {
    const quality: LineQuality = { rttMs: null, lossPercent: 0, kbps: 0, height: 0, fps: 0, limitedBy: null };
    const now: Totals = { at: performance.now(), bytes: 0, packets: 0, lost: 0 };
    const report = await pc.getStats();
    report.forEach((entry: Record<string, unknown>) => {
      const number = (key: string): number => (typeof entry[key] === "number" ? (entry[key] as number) : 0);
      switch (entry["type"]) {
        case "candidate-pair":
          if (entry["nominated"] === true && typeof entry["currentRoundTripTime"] === "number") {
            quality.rttMs = Math.round(number("currentRoundTripTime") * 1_000);
          }
          break;
        case "inbound-rtp":
          now.bytes += number("bytesReceived");
          now.packets += number("packetsReceived");
          now.lost += number("packetsLost");
          quality.height = Math.max(quality.height, number("frameHeight"));
          quality.fps = Math.max(quality.fps, number("framesPerSecond"));
          break;
        case "outbound-rtp":
          now.bytes += number("bytesSent");
          now.packets += number("packetsSent");
          quality.height = Math.max(quality.height, number("frameHeight"));
          quality.fps = Math.max(quality.fps, number("framesPerSecond"));
          if (entry["qualityLimitationReason"] === "cpu") quality.limitedBy = "cpu";
          if (entry["qualityLimitationReason"] === "bandwidth") quality.limitedBy ??= "bandwidth";
          break;
        case "remote-inbound-rtp":
          now.lost += Math.max(0, number("packetsLost"));
          break;
      }
    });
    const before = this.#before;
    if (before && now.at > before.at) {
      quality.kbps = Math.max(0, Math.round(((now.bytes - before.bytes) * 8) / (now.at - before.at)));
      const packets = now.packets - before.packets;
      const lost = now.lost - before.lost;
      if (packets + lost > 0 && lost > 0) quality.lossPercent = Math.min(100, (lost * 100) / (packets + lost));
    }
    this.#before = now;
    return quality;
  }
}

/** Whether anything but connectivity checks came in after `wallMs`; `null` where the browser doesn't tell (Safari). */
export async function heardSince(pc: RTCPeerConnection, wallMs: number): Promise<boolean | null> {
  if (pc.connectionState !== "connected") return false;
  let last: number | null = null;
  const report = await pc.getStats().catch(() => null);
  report?.forEach((entry: Record<string, unknown>) => {
    if (entry["type"] === "candidate-pair" && typeof entry["lastPacketReceivedTimestamp"] === "number") {
      last = Math.max(last ?? 0, entry["lastPacketReceivedTimestamp"]);
    }
  });
  return last === null ? null : last > wallMs;
}
