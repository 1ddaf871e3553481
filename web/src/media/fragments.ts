/**
 * What our own recordings say of a sound track in their boxes (ISO/IEC 14496-12): the codec of an init segment, the samples of a
 * segment. Only what the server writes is read (`fmp4/src/{init,fragment}.rs`); anything else is "nothing found". Pure.
 */

/** A segment of sound holds a few seconds of packets of 20 ms; more is none of ours. */
const SAMPLES_MAX = 10_000;
/** Two minutes by the fastest clock of sound; a segment has seconds. What is decoded has a bound by it. */
const TICKS_MAX = 120 * 48_000;
const CONTAINERS: readonly string[] = ["moov", "trak", "mdia", "minf", "stbl", "moof", "traf"];

interface Box {
  type: string;
  /** Of the box itself, and of what is in it. */
  start: number;
  body: number;
  end: number;
}

function boxes(view: DataView, from: number, to: number, depth = 0): Box[] {
  const found: Box[] = [];
  for (let at = from; at + 8 <= to; ) {
    const size = view.getUint32(at);
    if (size < 8 || at + size > to) break;
    const type = String.fromCharCode(view.getUint8(at + 4), view.getUint8(at + 5), view.getUint8(at + 6), view.getUint8(at + 7));
    found.push({ type, start: at, body: at + 8, end: at + size });
    if (CONTAINERS.includes(type) && depth < 6) found.push(...boxes(view, at + 8, at + size, depth + 1));
    at += size;
  }
  return found;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The four letters of the sample entry, and ticks in a second. */
export function trackOf(init: Uint8Array): { codec: string; timescale: number } | null {
  const view = viewOf(init);
  const all = boxes(view, 0, init.length);
  const mdhd = all.find((b) => b.type === "mdhd");
  const stsd = all.find((b) => b.type === "stsd");
  if (!mdhd || !stsd || stsd.body + 16 > stsd.end || mdhd.body + 24 > mdhd.end) return null;
  const timescale = view.getUint32(mdhd.body + (view.getUint8(mdhd.body) === 1 ? 20 : 12));
  const codec = String.fromCharCode(...init.subarray(stsd.body + 12, stsd.body + 16));
  return timescale > 0 ? { codec, timescale } : null;
}

export interface SoundSample {
  /** Ticks after the segment's beginning. */
  at: number;
  bytes: Uint8Array;
}

/** The samples of a segment, which is one fragment or several, and its length in ticks. */
export function samplesOf(segment: Uint8Array): { samples: SoundSample[]; duration: number } | null {
  const view = viewOf(segment);
  const all = boxes(view, 0, segment.length);
  const samples: SoundSample[] = [];
  let first: bigint | null = null;
  let duration = 0;
  for (const moof of all.filter((b) => b.type === "moof")) {
    const inside = (type: string): Box | undefined => all.find((b) => b.type === type && b.start > moof.start && b.end <= moof.end);
    const [tfhd, tfdt, trun] = [inside("tfhd"), inside("tfdt"), inside("trun")];
    if (!tfhd || !tfdt || !trun || tfdt.body + 12 > tfdt.end) return null;
    const time = view.getUint8(tfdt.body) === 1 ? view.getBigUint64(tfdt.body + 4) : BigInt(view.getUint32(tfdt.body + 4));
    first ??= time;
    // A clock that goes back, or far ahead within seconds, is none.
    const begins = Number(time - first);
    if (begins < 0 || begins > TICKS_MAX) return null;
    const length = readRun(view, segment, moof, trun, begins, defaultDuration(view, tfhd), samples);
    if (length === null || begins + length > TICKS_MAX) return null;
    duration = Math.max(duration, begins + length);
  }
  return samples.length > 0 ? { samples, duration } : null;
}

/** Adds the samples of one run; its length in ticks. */
function readRun(view: DataView, segment: Uint8Array, moof: Box, trun: Box, begins: number, even: number, to: SoundSample[]): number | null {
  if (trun.body + 12 > trun.end) return null;
  const flags = view.getUint32(trun.body) & 0xffffff;
  const count = view.getUint32(trun.body + 4);
  // Data offset and sizes are always there.
  if ((flags & 0x201) !== 0x201 || to.length + count > SAMPLES_MAX) return null;
  const width = 4 * [0x100, 0x200, 0x400, 0x800].filter((f) => flags & f).length;
  let at = trun.body + 12 + (flags & 0x4 ? 4 : 0);
  if (at + count * width > trun.end) return null;
  let data = moof.start + view.getInt32(trun.body + 8);
  let ticks = 0;
  for (let i = 0; i < count; i++, at += width) {
    const size = view.getUint32(at + (flags & 0x100 ? 4 : 0));
    if (data < 0 || data + size > segment.length) return null;
    to.push({ at: begins + ticks, bytes: segment.subarray(data, data + size) });
    data += size;
    ticks += flags & 0x100 ? view.getUint32(at) : even;
  }
  return ticks;
}

/** Of a `tfhd`, behind what its flags say comes first (§8.8.7). */
function defaultDuration(view: DataView, tfhd: Box): number {
  const flags = view.getUint32(tfhd.body) & 0xffffff;
  const at = tfhd.body + 8 + (flags & 0x1 ? 8 : 0) + (flags & 0x2 ? 4 : 0);
  return flags & 0x8 && at + 4 <= tfhd.end ? view.getUint32(at) : 0;
}
