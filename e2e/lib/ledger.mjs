// Two ledgers side by side: every access unit that a camera sent, by its own account, and every one that its archive holds,
// read from the files as INVARIANTS.md describes them and with none of the recorder's code.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** The lines of a JSON-lines file; a torn last one is left out. */
export async function* jsonLines(file) {
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    try {
      yield JSON.parse(line);
    } catch {
      return;
    }
  }
}

/** The boxes (ISO/IEC 14496-12 §4.2) in a stretch of bytes: [type, start of the content, end]. */
function* boxes(bytes, from = 0, to = bytes.length) {
  while (from + 8 <= to) {
    const size = bytes.readUInt32BE(from);
    if (size < 8 || from + size > to) return;
    yield [bytes.toString("latin1", from + 4, from + 8), from + 8, from + size];
    from += size;
  }
}

const child = (bytes, [, from, to], type) => [...boxes(bytes, from, to)].find(([name]) => name === type);

/** The samples of one part, in order: { data, keyframe }. */
export function* samples(bytes) {
  let sizes = [];
  let keys = [];
  for (const box of boxes(bytes)) {
    const [type, from] = box;
    if (type === "moof") {
      const traf = child(bytes, box, "traf");
      const [, tfhd] = child(bytes, traf, "tfhd");
      const plain = bytes.readUInt32BE(tfhd + 12);
      const [, trun] = child(bytes, traf, "trun");
      const flags = bytes.readUInt32BE(trun) & 0xffffff;
      const count = bytes.readUInt32BE(trun + 4);
      let at = trun + 8 + 4;
      [sizes, keys] = [[], []];
      for (let n = 0; n < count; n += 1) {
        if (flags & 0x100) at += 4;
        sizes.push(bytes.readUInt32BE(at));
        at += 4;
        keys.push(((flags & 0x400 ? bytes.readUInt32BE(at) : plain) & 0x1_0000) === 0);
        if (flags & 0x400) at += 4;
        if (flags & 0x800) at += 4;
      }
    } else if (type === "mdat") {
      let at = from;
      for (const [n, size] of sizes.entries()) {
        yield { data: bytes.subarray(at, at + size), keyframe: keys[n] };
        at += size;
      }
    }
  }
}

/** The units of a raw file, in order: { why, timestamp, arrival, data }. */
export function* rawUnits(bytes) {
  let at = 0;
  while (at + 8 <= bytes.length && bytes.toString("latin1", at, at + 4) === "LRAW") {
    const end = at + bytes.readUInt32BE(at + 4);
    let unit = at + 8;
    while (unit + 4 <= end) {
      const length = bytes.readUInt32BE(unit);
      yield {
        why: bytes[unit + 4], timestamp: bytes.readBigUInt64BE(unit + 5), arrival: Number(bytes.readBigUInt64BE(unit + 13)),
        data: bytes.subarray(unit + 21, unit + 4 + length),
      };
      unit += 4 + length;
    }
    at = end;
  }
}

/** The directories of a camera's recordings, oldest first. */
export async function recordingsOf(server, camera) {
  const root = join(server.data, "cameras");
  const found = [];
  for (const day of (await readdir(root)).filter((name) => /^\d{4}-\d\d-\d\d$/.test(name)).sort()) {
    const folder = join(root, day, camera);
    const names = await readdir(folder).catch(() => []);
    for (const name of names.sort()) if (/^\d{4}-/.test(name)) found.push(join(folder, name));
  }
  return found;
}

/**
 * What the archive holds of one stream of a camera: { units: Map of SHA-256 → how often, playable, raw, parts }. The hash is over the
 * NAL units, each behind its length in four bytes, as the ledger's.
 * @param {{ since?: number }} bounds Unix milliseconds; files that were last written before are left out
 */
export async function archivedUnits(directories, track, { since = 0 } = {}) {
  const units = new Map();
  const count = { playable: 0, raw: 0, parts: 0 };
  const add = (data, kind) => {
    const hash = sha256(data);
    units.set(hash, (units.get(hash) ?? 0) + 1);
    count[kind] += 1;
  };
  for (const directory of directories) {
    for (const name of (await readdir(directory)).filter((one) => one.startsWith(track)).sort()) {
      if (since > 0 && (await stat(join(directory, name))).mtimeMs < since) continue;
      const bytes = await readFile(join(directory, name));
      if (name.endsWith(".cmf")) {
        count.parts += 1;
        for (const { data } of samples(bytes)) add(data, "playable");
      } else if (name.endsWith(".raw")) {
        for (const { data } of rawUnits(bytes)) add(data, "raw");
      }
    }
  }
  return { units, ...count };
}

/**
 * The frames that the peer sent whole of one stream between two moments, in order.
 * @param {string} ledger the peer's: a directory with a file for each stream
 */
export async function sentFrames(ledger, { camera, stream, from = 0, to = Infinity }) {
  const sent = [];
  for await (const line of jsonLines(join(ledger, `${camera}-${stream}.jsonl`))) {
    if (line.t === "frame" && line.camera === camera && line.stream === stream && line.utc_ms >= from && line.utc_ms < to) sent.push(line);
  }
  return sent;
}

/** The ids of a camera's tracks in the archive: its own, counted on (ULIDs are numbers in Crockford's base 32). */
export function trackOf(camera, stream) {
  const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  let number = [...camera].reduce((sum, digit) => sum * 32n + BigInt(digits.indexOf(digit)), 0n);
  number += { main: 1n, sub: 2n, sound: 3n }[stream];
  return Array.from({ length: 26 }, (_, n) => digits[Number((number >> BigInt(5 * (25 - n))) & 31n)]).join("");
}
