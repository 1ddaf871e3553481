/** What is sent: codecs in order of preference, and the layers of a picture. Pure but for asking the browser what it has. */

/** Rids lowest first, as the protocol wants them (RFC 8851); rates in bits per second at 720p25. */
export const CAMERA_LAYERS: readonly RTCRtpEncodingParameters[] = [
  // 110 kbit/s with packet headers stays under the 120 that a 250 kbit/s line leaves for the picture beside the sound.
  { rid: "q", scaleResolutionDownBy: 4, maxBitrate: 110_000, maxFramerate: 15 },
  { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 400_000, maxFramerate: 25 },
  { rid: "f", scaleResolutionDownBy: 1, maxBitrate: 1_500_000, maxFramerate: 30 },
];

/** A screen's lower layer keeps half the size: letters stay readable for a thin line at 5 frames per second. */
export const SCREEN_LAYERS: readonly RTCRtpEncodingParameters[] = [
  { rid: "q", scaleResolutionDownBy: 2, maxBitrate: 200_000, maxFramerate: 5 },
  { rid: "f", scaleResolutionDownBy: 1, maxBitrate: 1_500_000, maxFramerate: 15 },
];

export const MICROPHONE_BITRATE = 28_000;
export const SCREEN_AUDIO_BITRATE = 64_000;

/** A phone's camera standing upright or an old PC gives small pictures: three layers of 320 lines help nobody. */
export function cameraLayers(height: number): RTCRtpEncodingParameters[] {
  if (height >= 540) return CAMERA_LAYERS.map((l) => ({ ...l }));
  if (height >= 270) {
    return [
      { rid: "q", scaleResolutionDownBy: 2, maxBitrate: 110_000, maxFramerate: 15 },
      { rid: "h", scaleResolutionDownBy: 1, maxBitrate: 500_000, maxFramerate: 25 },
    ];
  }
  return [{ rid: "q", scaleResolutionDownBy: 1, maxBitrate: 150_000, maxFramerate: 15 }];
}

type Codec = RTCRtpCodec;

let known: Set<string> | null = null;

/** Whether this browser can show what a track is encoded with (a Firefox without its H.264 add-on cannot). */
export function canReceive(codec: string): boolean {
  try {
    known ??= new Set((RTCRtpReceiver.getCapabilities("video")?.codecs ?? []).map((c) => c.mimeType.toLowerCase()));
  } catch {
    return true;
  }
  return known.size === 0 || known.has(`video/${codec.toLowerCase()}`);
}

/**
 * H.264 constrained baseline in packetization mode 1 first (recorded without re-encoding and played everywhere), then VP8;
 * nothing else, so that the offer stays small. RTX stays: the server repairs loss with it (RFC 4588).
 */
export function preferVideo(codecs: readonly Codec[]): Codec[] {
  const rank = (c: Codec): number => {
    const mime = c.mimeType.toLowerCase();
    const fmtp = (c.sdpFmtpLine ?? "").toLowerCase();
    if (mime === "video/h264") return fmtp.includes("packetization-mode=1") && /profile-level-id=42[ce]0/.test(fmtp) ? 0 : 9;
    if (mime === "video/vp8") return 1;
    if (mime === "video/rtx") return 2;
    return 9;
  };
  return codecs
    .map((codec, i) => ({ codec, rank: rank(codec), i }))
    .filter((c) => c.rank < 9)
    .sort((a, b) => a.rank - b.rank || a.i - b.i)
    .map((c) => c.codec);
}

export function setVideoPreferences(transceiver: RTCRtpTransceiver, direction: "send" | "receive"): void {
  try {
    const source = direction === "send" ? RTCRtpSender : RTCRtpReceiver;
    const codecs = preferVideo(source.getCapabilities("video")?.codecs ?? []);
    if (codecs.length > 0) transceiver.setCodecPreferences?.(codecs);
  } catch {
    // An old browser without the call sends its own order; the server answers with what it can carry.
  }
}

/**
 * Opus as a lesson needs it: one channel, forward error correction, silence not sent (RFC 7587 §6.1). These are parameters
 * of the receiver, so they are put into the *answer* before it is applied: they then govern what we send.
 */
export function tuneOpusAnswer(sdp: string): string {
  const newline = sdp.includes("\r\n") ? "\r\n" : "\n";
  const lines = sdp.split(newline);
  const opus = new Set(lines.flatMap((l) => /^a=rtpmap:(\d+) opus\//i.exec(l)?.[1] ?? []));
  if (opus.size === 0) return sdp;
  const wanted: Record<string, string> = { useinbandfec: "1", usedtx: "1", stereo: "0" };
  const seen = new Set<string>();
  const out = lines.map((line) => {
    const match = /^a=fmtp:(\d+) (.*)$/.exec(line);
    if (!match?.[1] || !opus.has(match[1])) return line;
    seen.add(match[1]);
    const params = new Map(
      (match[2] ?? "").split(";").map((p): [string, string] => {
        const [key = "", value = ""] = p.trim().split("=");
        return [key, value];
      }),
    );
    for (const [key, value] of Object.entries(wanted)) if (!params.has(key)) params.set(key, value);
    return `a=fmtp:${match[1]} ${[...params].filter(([k]) => k !== "").map(([k, v]) => `${k}=${v}`).join(";")}`;
  });
  return out
    .flatMap((line) => {
      const pt = /^a=rtpmap:(\d+) opus\//i.exec(line)?.[1];
      return pt && !seen.has(pt) ? [line, `a=fmtp:${pt} ${Object.entries(wanted).map(([k, v]) => `${k}=${v}`).join(";")}`] : [line];
    })
    .join(newline);
}
