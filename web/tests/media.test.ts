import { expect, test } from "vitest";
import { CAMERA_LAYERS, cameraLayers, preferVideo, tuneOpusAnswer } from "../src/media/codecs";
import { browserOf, classify } from "../src/media/faults";
import { loudness } from "../src/media/level";
import { placeTracks, stepHeight, toAssignments, type Want } from "../src/media/lines";

const video = (track: string, part: Partial<Want> = {}): Want => ({ track, kind: "video", source: "camera", height: 180, priority: "rest", ...part });
const mids = { audio: ["0", "1"], video: ["2", "3", "4"] };
const place = (before: [string, string][], wants: Want[]) => Object.fromEntries([...placeTracks(mids, new Map(before), wants)].map(([mid, w]) => [mid, w.track]));

test("a track keeps its line while others come and go", () => {
  const first = place([], [video("a"), video("b"), video("c")]);
  expect(first).toEqual({ 2: "a", 3: "b", 4: "c" });
  expect(place(Object.entries(first), [video("c"), video("a")])).toEqual({ 2: "a", 4: "c" });
  expect(place([["2", "a"], ["4", "c"]], [video("c"), video("a"), video("d")])).toEqual({ 2: "a", 3: "d", 4: "c" });
});

test("with too few lines the screen and the large picture come first, hidden ones last", () => {
  const wants = [video("hidden", { height: 0 }), video("x"), video("y"), video("pin", { priority: "pinned" }), video("s", { priority: "screen", source: "screen" })];
  expect(Object.values(place([], wants)).sort()).toEqual(["pin", "s", "x"]);
});

test("assignments name height steps and the server's order of lines", () => {
  const placed = placeTracks(mids, new Map(), [video("a", { height: 701 }), { track: "m", kind: "audio", source: "microphone", height: 0, priority: "pinned" }]);
  expect(toAssignments(placed)).toEqual([
    { mid: "0", track: "m", height_px: 1, priority: "pinned" },
    { mid: "2", track: "a", height_px: 720, priority: "rest" },
  ]);
});

test.each([[0, 0], [1, 90], [181, 270], [720, 720], [721, 1080], [4000, 2160]])("a picture %i high asks for %i", (px, step) => {
  expect(stepHeight(px)).toBe(step);
});

test("simulcast: rids lowest first, the lowest fits 120 kbit/s with headers", () => {
  expect(CAMERA_LAYERS.map((l) => [l.rid, l.scaleResolutionDownBy])).toEqual([["q", 4], ["h", 2], ["f", 1]]);
  expect(CAMERA_LAYERS[0]?.maxBitrate).toBeLessThanOrEqual(120_000);
  expect(cameraLayers(720)).toHaveLength(3);
  expect(cameraLayers(480)).toHaveLength(2);
  expect(cameraLayers(180)).toHaveLength(1);
});

test("H.264 constrained baseline, then VP8, with RTX, and nothing else", () => {
  const c = (mimeType: string, sdpFmtpLine = "") => ({ mimeType, sdpFmtpLine, clockRate: 90_000 });
  const sorted = preferVideo([c("video/VP8"), c("video/rtx"), c("video/VP9"), c("video/H264", "packetization-mode=0;profile-level-id=42e01f"), c("video/H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"), c("video/AV1")]);
  expect(sorted.map((x) => x.mimeType)).toEqual(["video/H264", "video/VP8", "video/rtx"]);
});

test("opus is asked for mono, error correction and silence left out", () => {
  const sdp = ["v=0", "a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1", "a=rtpmap:96 H264/90000", "a=fmtp:96 profile-level-id=42e01f", ""].join("\r\n");
  expect(tuneOpusAnswer(sdp)).toContain("a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1;stereo=0\r\n");
  expect(tuneOpusAnswer(sdp)).toContain("a=fmtp:96 profile-level-id=42e01f\r\n");
  expect(tuneOpusAnswer("a=rtpmap:111 opus/48000/2\r\n")).toContain("a=fmtp:111 useinbandfec=1;usedtx=1;stereo=0");
});

test.each([
  ["NotAllowedError", "Permission denied", "camera", "denied"],
  ["NotAllowedError", "Permission dismissed", "camera", "dismissed"],
  ["NotAllowedError", "Permission denied", "screen", "dismissed"],
  ["NotAllowedError", "Permission denied by system", "screen", "denied"],
  ["NotFoundError", "", "microphone", "missing"],
  ["NotReadableError", "", "camera", "in_use"],
  ["OverconstrainedError", "", "camera", "missing"],
  ["Strange", "", "camera", "unknown"],
] as const)("%s (%s) of the %s is %s", (name, message, kind, fault) => {
  expect(classify({ name, message }, kind)).toBe(fault);
});

test.each([
  ["Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36 Edg/120.0", "edge"],
  ["Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36", "chrome"],
  ["Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0", "firefox"],
  ["Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15", "safari"],
  ["Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Safari/604.1", "ios"],
  ["Mozilla/5.0 (Linux; Android 14) Chrome/120.0 Mobile Safari/537.36 MicroMessenger/8.0", "wechat"],
] as const)("%s is %s", (ua, browser) => expect(browserOf(ua)).toBe(browser));

test("loudness is 0 for silence, 1 for a shout, even in between", () => {
  const tone = (amplitude: number) => Float32Array.from({ length: 480 }, (_, i) => amplitude * Math.sin(i));
  expect(loudness(new Float32Array(100))).toBe(0);
  expect(loudness(tone(1))).toBe(1);
  expect(loudness(tone(0.02))).toBeGreaterThan(0.3);
  expect(loudness(tone(0.02))).toBeLessThan(0.6);
});
