/** How old the picture on a tile is, from what the browser counts. Pure. */

/** What is needed of an `inbound-rtp` entry of `getStats` (W3C webrtc-stats). */
export interface InboundCounts {
  framesDecoded: number;
  /** Seconds from a frame's first packet to its decoded picture, summed. */
  totalProcessingDelay: number;
  jitterBufferDelay: number;
  jitterBufferEmittedCount: number;
  /** When the sender took what is shown now, by the sender's reports; ms since 1900. Browsers without it: null. */
  estimatedPlayoutTimestamp: number | null;
}

/** Between the epochs of NTP and Unix (RFC 5905 §6). */
const NTP_TO_UNIX_MS = 2_208_988_800_000;
/** Beyond this a clock is wrong, not a picture old. */
const DELAY_MS_MAX = 30_000;

const plausible = (ms: number): boolean => ms >= 0 && ms <= DELAY_MS_MAX;

export interface Delay {
  ms: number;
  /** From the camera's capture on; otherwise from the server at best, and the picture is older than that. */
  whole: boolean;
}

/**
 * From capture to screen. `now`: the server's clock. `aheadMs`: how far the sender's clock, in which its reports speak, is
 * ahead of that; one that tells no clock is reported in the server's, from the arrival there. Where the browser does not tell
 * the capture time, it is half the round trip and what the frames waited here since `before`.
 */
export function delayOf(now: number, is: InboundCounts, before: InboundCounts | null, rttMs: number | null, aheadMs: number | null): Delay | null {
  const { estimatedPlayoutTimestamp: ntp } = is;
  if (ntp !== null) {
    const captured = ntp > NTP_TO_UNIX_MS ? ntp - NTP_TO_UNIX_MS : ntp;
    const told = now - captured + (aheadMs ?? 0);
    if (plausible(told)) return { ms: told, whole: aheadMs !== null };
  }
  if (!before) return null;
  const frames = is.framesDecoded - before.framesDecoded;
  const emitted = is.jitterBufferEmittedCount - before.jitterBufferEmittedCount;
  const processing = frames > 0 ? ((is.totalProcessingDelay - before.totalProcessingDelay) * 1_000) / frames : 0;
  const jitter = emitted > 0 ? ((is.jitterBufferDelay - before.jitterBufferDelay) * 1_000) / emitted : 0;
  if (frames <= 0 && emitted <= 0) return null;
  const sum = Math.max(processing, jitter) + (rttMs ?? 0) / 2;
  return plausible(sum) ? { ms: sum, whole: false } : null;
}

export function inboundCounts(entry: Record<string, unknown>): InboundCounts {
  const number = (key: string): number => (typeof entry[key] === "number" ? (entry[key] as number) : 0);
  return {
    framesDecoded: number("framesDecoded"),
    totalProcessingDelay: number("totalProcessingDelay"),
    jitterBufferDelay: number("jitterBufferDelay"),
    jitterBufferEmittedCount: number("jitterBufferEmittedCount"),
    estimatedPlayoutTimestamp: typeof entry["estimatedPlayoutTimestamp"] === "number" ? (entry["estimatedPlayoutTimestamp"] as number) : null,
  };
}
