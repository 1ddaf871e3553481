/** Recorded sound of cameras: G.711 against the tables of the standard, the boxes that the server writes, what lies when. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { CameraDay } from "../src/protocol/generated/index";
import { samplesOf, trackOf } from "../src/media/fragments";
import { decodeG711 } from "../src/media/g711";
import { seen } from "../src/media/replay";
import { ReplaySound } from "../src/media/replay-sound";
import { playerTime } from "../src/state/patrol/step";
import { readSoundList, segmentsFor } from "../src/media/sound-list";

const level = (law: "alaw" | "ulaw", code: number): number => {
  const to = new Float32Array(1);
  decodeG711(law, Uint8Array.of(code), to);
  return (to[0] as number) * 32_768;
};

describe("G.711", () => {
  test("A-law: decision values of table 1a of ITU-T G.711, on a scale of 16 bits", () => {
    // Codes as they are sent, even bits inverted: the smallest steps, the beginnings of segments, the largest.
    for (const [code, value] of [[0xd5, 8], [0x55, -8], [0xd4, 24], [0xc5, 264], [0xf5, 528], [0xe5, 1_056], [0x95, 2_112], [0x85, 4_224], [0xb5, 8_448], [0xa5, 16_896], [0xaa, 32_256], [0x2a, -32_256]] as const) expect(level("alaw", code), code.toString(16)).toBe(value);
  });

  test("µ-law: table 2a", () => {
    for (const [code, value] of [[0xff, 0], [0xfe, 8], [0x7e, -8], [0xef, 132], [0xdf, 396], [0xcf, 924], [0xbf, 1_980], [0xaf, 4_092], [0x9f, 8_316], [0x8f, 16_764], [0x80, 32_124], [0x00, -32_124]] as const) expect(level("ulaw", code), code.toString(16)).toBe(value);
    expect(level("ulaw", 0x7f)).toBeCloseTo(0);
  });

  test("the two halves mirror each other, and louder codes are louder", () => {
    for (const [law, turn] of [["alaw", 0x55], ["ulaw", 0x7f]] as const) {
      let before = -1;
      for (let n = 0; n < 128; n++) {
        const code = (n ^ turn) | 0x80;
        expect(level(law, code & 0x7f)).toBeCloseTo(-level(law, code));
        expect(level(law, code)).toBeGreaterThan(before);
        before = level(law, code);
      }
    }
  });

  test("what does not fit is left out", () => {
    const to = new Float32Array(3);
    decodeG711("alaw", Uint8Array.of(0xaa, 0xaa), to, 2);
    expect([...to].map((v) => v * 32_768)).toEqual([0, 0, 32_256]);
  });
});

const u32 = (n: number): number[] => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
const box = (type: string, ...parts: number[][]): number[] => {
  const body = parts.flat();
  return [...u32(body.length + 8), ...[...type].map((c) => c.charCodeAt(0)), ...body];
};
const zeros = (n: number): number[] => Array.from({ length: n }, () => 0);

/** As `fmp4/src/fragment.rs` writes it. */
function fragment(durations: number[], sizes: number[], even: boolean, time = 1_000): Uint8Array {
  const flags = 0x201 | (even ? 0 : 0x100);
  const rows = sizes.map((size, i) => [...(even ? [] : u32(durations[i] ?? 0)), ...u32(size)]).flat();
  const moof = (offset: number): number[] =>
    box("moof", box("mfhd", zeros(8)), box("traf", box("tfhd", u32(0x02_0028), u32(1), u32(durations[0] ?? 0), u32(0)), box("tfdt", u32(0x0100_0000), u32(0), u32(time)), box("trun", u32(flags), u32(sizes.length), u32(offset), rows)));
  const head = box("styp", zeros(8));
  const data = sizes.flatMap((size, i) => Array.from({ length: size }, () => i + 1));
  return Uint8Array.from([...head, ...moof(moof(0).length + 8), ...box("mdat", data)]);
}

const init = (type: string, timescale: number): Uint8Array =>
  Uint8Array.from(box("moov", box("trak", box("mdia", box("mdhd", u32(0x0100_0000), zeros(16), u32(timescale), zeros(12)), box("minf", box("stbl", box("stsd", u32(0), u32(1), box(type, zeros(28)))))))));

describe("fragments", () => {
  test("the codec and the clock of a header", () => {
    expect(trackOf(init("alaw", 8_000))).toEqual({ codec: "alaw", timescale: 8_000 });
    expect(trackOf(init("mp4a", 48_000))).toEqual({ codec: "mp4a", timescale: 48_000 });
    expect(trackOf(Uint8Array.from(box("moov", zeros(8))))).toBeNull();
    expect(trackOf(new Uint8Array())).toBeNull();
  });

  test("the samples, where they lie and how long they are", () => {
    const same = samplesOf(fragment([160, 160, 160], [2, 2, 2], true));
    expect(same?.duration).toBe(480);
    expect(same?.samples.map((s) => [s.at, ...s.bytes])).toEqual([[0, 1, 1], [160, 2, 2], [320, 3, 3]]);
    const uneven = samplesOf(fragment([160, 480, 160], [1, 2, 3], false));
    expect(uneven?.samples.map((s) => [s.at, ...s.bytes])).toEqual([[0, 1], [160, 2, 2], [640, 3, 3, 3]]);
  });

  test("a segment of several fragments, with a hole between two", () => {
    const segment = Uint8Array.from([...fragment([160, 160], [1, 1], true, 5_000), ...fragment([160], [1], true, 5_320), ...fragment([160], [2], false, 5_960)]);
    expect(samplesOf(segment)).toMatchObject({ duration: 1_120, samples: [{ at: 0 }, { at: 160 }, { at: 320 }, { at: 960 }] });
    expect(samplesOf(Uint8Array.from([...fragment([160], [1], true, 5_000), ...fragment([160], [1], true, 4_000)])), "a clock that goes back").toBeNull();
    expect(samplesOf(Uint8Array.from([...fragment([160], [1], true, 5_000), ...fragment([160], [1], true, 0x7fff_ffff)])), "or far ahead").toBeNull();
  });

  test("what is cut off or says too much is nothing, never an exception", () => {
    const whole = fragment([160, 160], [4, 4], false);
    for (let length = 0; length < whole.length; length++) expect(samplesOf(whole.subarray(0, length))).toBeNull();
    for (let at = 0; at < whole.length; at++) {
      const bent = whole.slice();
      bent[at] = 0xff;
      expect(() => samplesOf(bent)).not.toThrow();
      expect(() => trackOf(bent)).not.toThrow();
    }
  });
});

test("a hole that a playlist names is a hole, not something that comes", () => {
  const list = seen([{ start: 0, duration: 4, programDateTime: 10_000 }, { start: 4, duration: 6, programDateTime: 14_000, gap: true }, { start: 10, duration: 4, programDateTime: 20_000, gap: false }]);
  expect(playerTime(list, 13_000)).toBe(3);
  expect(playerTime(list, 17_000)).toBeNull();
  expect(playerTime(list, 21_000)).toBe(11);
});

test("a playlist of sound: times, headers, gaps", () => {
  const list = readSoundList(`#EXTM3U
#EXT-X-VERSION:7
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T13:00:00.000Z
#EXT-X-GAP
#EXTINF:4.000000,
gap.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="seg/r/t/init-0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T13:00:04.250Z
#EXTINF:2.000000,
seg/r/t/0-1.m4s
#EXTINF:1.500000,
seg/r/t/0-2.m4s
#EXT-X-ENDLIST
`, "http://localhost/api/v1/patrol/media/token/index.m3u8?stream=sound");
  const at = Date.parse("2026-11-21T13:00:04.250Z");
  const base = "http://localhost/api/v1/patrol/media/token/seg/r/t";
  expect(list).toEqual([
    { from: at, to: at + 2_000, url: `${base}/0-1.m4s`, init: `${base}/init-0.mp4` },
    { from: at + 2_000, to: at + 3_500, url: `${base}/0-2.m4s`, init: `${base}/init-0.mp4` },
  ]);
  expect(segmentsFor(list, at - 1_000, 500)).toEqual([]);
  expect(segmentsFor(list, at + 1_999, 1)).toEqual([list[0]]);
  expect(segmentsFor(list, at + 1_999, 2)).toEqual(list);
  expect(readSoundList("", "http://localhost/")).toEqual([]);
});

describe("a recording that is heard", () => {
  const AT = Date.parse("2026-11-21T13:00:10.000Z");
  const LIST = `#EXTM3U
#EXT-X-MAP:URI="seg/r/t/init-0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T13:00:08.000Z
#EXTINF:10.000000,
seg/r/t/0-1.m4s
`;
  const day = (sound: CameraDay["sound"]): CameraDay => ({ main: [{ from: 0, to: 2 * AT }], sub: [], sound }) as unknown as CameraDay;
  let asked: string[];
  let grants: number;
  /** Grants that are over, whatever this machine's clock says. */
  let over: Set<string>;

  beforeEach(() => {
    [asked, grants, over] = [[], 0, new Set()];
    vi.stubGlobal("AudioContext", class { state = "suspended"; close = async (): Promise<void> => undefined; resume = async (): Promise<void> => undefined; });
    vi.stubGlobal("AudioBuffer", class { duration = 1; copyToChannel(): void {} });
    vi.stubGlobal("fetch", async (path: string) => {
      asked.push(new URL(path, "http://localhost").pathname);
      if (path.endsWith("/grants")) return new Response(JSON.stringify({ token: `t${++grants}`, expires: Date.now() + 60_000 }));
      const token = /media\/([^/]+)/.exec(path)?.[1] ?? "";
      if (over.has(token)) return new Response(JSON.stringify({ code: "bad_grant", status: 401, title: "", detail: "" }), { status: 401 });
      if (path.includes("init-0.mp4")) return new Response(Uint8Array.from(init("alaw", 8_000)));
      return path.includes(".m4s") ? new Response(Uint8Array.from(fragment([160, 160], [4, 4], false))) : new Response(LIST);
    });
  });
  afterEach(() => void vi.unstubAllGlobals());

  const media = (): string[] => asked.filter((path) => path.includes("/media/")).map((path) => path.replace(/.*\/media\//, ""));

  test("a grant that the server takes for over is renewed, and nothing counts as failed", async () => {
    const sound = new ReplaySound("c", () => undefined);
    over.add("t1");
    const recorded = day([{ from: AT - 5_000, to: AT + 5_000 }]);
    sound.follow(AT, false, 1, recorded);
    await vi.waitFor(() => expect(media().at(-1)).toBe("t2/seg/r/t/init-0.mp4"));
    over.add("t2");
    await vi.waitFor(() => {
      sound.follow(AT, false, 1, recorded);
      expect(sound.phase).toBe("playing");
    });
    expect(media().map((path) => path.replace(/\?.*/, ""))).toEqual(["t1/index.m3u8", "t2/index.m3u8", "t2/seg/r/t/init-0.mp4", "t2/seg/r/t/0-1.m4s", "t3/seg/r/t/0-1.m4s"]);
    sound.close();
  });

  test("where no sound is recorded nothing is asked for", async () => {
    const sound = new ReplaySound("c", () => undefined);
    sound.follow(AT, true, 1, null);
    expect(sound.phase, "the day is not known yet").toBe("loading");
    sound.follow(AT, true, 1, day([]));
    expect(sound.phase).toBe("gap");
    sound.follow(AT, true, 1, day([{ from: AT + 600_000, to: AT + 700_000 }]));
    expect(sound.phase).toBe("gap");
    expect(asked).toEqual([]);
    sound.follow(AT, true, 1, day([{ from: AT + 5_000, to: AT + 700_000 }]));
    await vi.waitFor(() => expect(asked.length).toBeGreaterThan(0));
    sound.close();
  });
});
