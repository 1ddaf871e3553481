/**
 * G.711 (ITU-T G.711, 11/1988) as sound samples from −1 to 1: what cameras send, and what no browser takes from a file. A byte is
 * a sample, 8,000 of them a second. Pure.
 */
export type G711 = "alaw" | "ulaw";

export const G711_RATE_HZ = 8_000;
const FULL_SCALE = 32_768;

/** A-law, table 1a: even bits inverted, sign, three bits of segment, four of step; 16-bit scale. */
function alaw(code: number): number {
  const c = code ^ 0x55;
  const segment = (c & 0x70) >> 4;
  const step = ((c & 0x0f) << 4) + 8;
  const level = segment === 0 ? step : (step + 0x100) << (segment - 1);
  return c & 0x80 ? level : -level;
}

/** µ-law, table 2a: all bits inverted; 16-bit scale. */
function ulaw(code: number): number {
  const c = ~code & 0xff;
  const level = ((((c & 0x0f) << 3) + 0x84) << ((c & 0x70) >> 4)) - 0x84;
  return c & 0x80 ? -level : level;
}

const table = (of: (code: number) => number): Float32Array => Float32Array.from({ length: 256 }, (_, code) => of(code) / FULL_SCALE);
const TABLES: Record<G711, Float32Array> = { alaw: table(alaw), ulaw: table(ulaw) };

/** Writes the samples of `bytes` into `to` from `at` on; what does not fit is left out. */
export function decodeG711(law: G711, bytes: Uint8Array, to: Float32Array, at = 0): void {
  const levels = TABLES[law];
  const end = Math.min(bytes.length, to.length - at);
  for (let i = 0; i < end; i++) to[at + i] = levels[bytes[i] as number] as number;
}
