import { expect, test, vi } from "vitest";
import { CAMERA_LAYERS, cameraLayers, preferVideo, tuneOpusAnswer } from "../src/media/codecs";
import { browserOf, classify } from "../src/media/faults";
import { audioContext, loudness } from "../src/media/level";
import { NOTHING_PLACED, pairStreams, placeTracks, stepHeight, toAssignments, type Placement, type Want } from "../src/media/lines";

const LINES = { audio: ["a0", "a1", "a2"], video: ["v0", "v1"] };
const want = (participant: string, source: Want["source"], part: Partial<Want> = {}): Want => ({ track: `${participant}-${source}`, participant, source, height: 180, priority: "rest", ...part });
const person = (id: string, part: Partial<Want> = {}): Want[] => [want(id, "camera", part), want(id, "microphone", part)];
const carries = (p: Placement): Record<string, string> => Object.fromEntries([...p.lines].map(([mid, w]) => [mid, w.track]));

test("one's camera and microphone sit on one seat, and stay while others come and go", () => {
  const first = placeTracks(LINES, NOTHING_PLACED, [...person("x"), ...person("y")]);
  expect(carries(first)).toEqual({ a0: "x-microphone", v0: "x-camera", a1: "y-microphone", v1: "y-camera" });
  const alone = placeTracks(LINES, first, person("y"));
  expect(carries(alone)).toEqual({ a1: "y-microphone", v1: "y-camera" });
  expect(carries(placeTracks(LINES, alone, [...person("y"), ...person("x")]))).toEqual(carries(first));
});

test("a newcomer takes a seat that nobody used before one that somebody left", () => {
  const wide = { audio: ["a0", "a1", "a2"], video: ["v0", "v1", "v2"] };
  const first = placeTracks(wide, NOTHING_PLACED, [...person("x"), ...person("y")]);
  expect(carries(placeTracks(wide, first, [...person("y"), ...person("z")]))["v2"]).toBe("z-camera");
});

test("a screen with its sound has a seat of its own", () => {
  const placed = placeTracks(LINES, NOTHING_PLACED, [...person("t", { priority: "pinned" }), want("t", "screen", { priority: "screen" }), want("t", "screen_audio", { priority: "screen" })]);
  expect(carries(placed)).toEqual({ v0: "t-screen", a0: "t-screen_audio", v1: "t-camera", a1: "t-microphone" });
});

test("with too few seats the screen and the large picture come first, hidden ones last, and a voice without a seat for its picture is heard", () => {
  const wants = [...person("hidden", { height: 0 }), ...person("x"), ...person("pin", { priority: "pinned" }), want("t", "screen", { priority: "screen" })];
  const placed = carries(placeTracks(LINES, NOTHING_PLACED, wants));
  expect([placed["v0"], placed["v1"]].sort()).toEqual(["pin-camera", "t-screen"]);
  expect(placed["a2"]).toBe("x-microphone");
});

test("voices alone leave the seats with a picture line free", () => {
  const placed = carries(placeTracks(LINES, NOTHING_PLACED, [want("q", "microphone"), ...person("x")]));
  expect(placed).toEqual({ a0: "x-microphone", v0: "x-camera", a2: "q-microphone" });
});

test("no seat ever holds two people, whatever comes and goes", () => {
  let placed = NOTHING_PLACED;
  let seed = 7;
  const random = (n: number): number => (seed = (seed * 48271) % 2147483647) % n;
  for (let turn = 0; turn < 500; turn++) {
    const wants = ["a", "b", "c", "d", "e"].flatMap((id) => person(id, { height: random(2) * 180, priority: random(4) === 0 ? "pinned" : "rest" }).filter(() => random(3) > 0));
    placed = placeTracks(LINES, placed, wants);
    LINES.video.forEach((mid, i) => {
      const [picture, sound] = [placed.lines.get(mid), placed.lines.get(LINES.audio[i] as string)];
      if (picture && sound) expect(picture.participant, `turn ${turn}`).toBe(sound.participant);
    });
    const tracks = [...placed.lines.values()].map((w) => w.track);
    expect(new Set(tracks).size, "no track on two lines").toBe(tracks.length);
  }
});

test("assignments name height steps in the order of the lines", () => {
  const placed = placeTracks({ audio: ["0"], video: ["10"] }, NOTHING_PLACED, person("x", { height: 701 }));
  expect(toAssignments(placed.lines)).toEqual([
    { mid: "0", track: "x-microphone", height_px: 1, priority: "rest" },
    { mid: "10", track: "x-camera", height_px: 720, priority: "rest" },
  ]);
});

test("the two lines of a seat are one stream, others stay as they are", () => {
  const section = (kind: string, mid: string): string => `m=${kind} 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:${mid}\r\na=msid:${mid} ${mid}\r\n`;
  const sdp = `v=0\r\n${section("audio", "0")}${section("audio", "1")}${section("video", "2")}`;
  const paired = pairStreams(sdp, { audio: ["0", "1"], video: ["2"] });
  expect(paired).toContain("a=mid:0\r\na=msid:seat-0 0\r\n");
  expect(paired).toContain("a=mid:2\r\na=msid:seat-0 2\r\n");
  expect(paired).toContain("a=mid:1\r\na=msid:1 1\r\n");
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

test("a meter that a reloaded page may not start yet starts with the first gesture", () => {
  const resume = vi.fn(async () => undefined);
  vi.stubGlobal("AudioContext", class { state = "suspended"; resume = resume; });
  audioContext();
  audioContext();
  expect(resume).toHaveBeenCalledTimes(2);
  dispatchEvent(new Event("pointerdown"));
  dispatchEvent(new Event("pointerdown"));
  expect(resume).toHaveBeenCalledTimes(3);
  vi.unstubAllGlobals();
});

test("loudness is 0 for silence, 1 for a shout, even in between", () => {
  const tone = (amplitude: number) => Float32Array.from({ length: 480 }, (_, i) => amplitude * Math.sin(i));
  expect(loudness(new Float32Array(100))).toBe(0);
  expect(loudness(tone(1))).toBe(1);
  expect(loudness(tone(0.02))).toBeGreaterThan(0.3);
  expect(loudness(tone(0.02))).toBeLessThan(0.6);
});
