// The marked strip: a machine-readable line along the top edge of a picture, that survives encoding and scaling.
//
// 64 cells over the full width, black (0) or white (1), max(8, height / 24) pixels high: the mark `1010`, the frame number
// (20 bits), Unix milliseconds modulo 2^32 (32 bits), and a CRC-8 over those 52 bits. Highest bit first.
//
// This file is used by Node and, with the word `export` taken away, inside pages. So it imports nothing.

export const STRIP_CELLS = 64;

/** Frame numbers wrap here. */
export const FRAME_NUMBERS = 1 << 20;

/** CRC-8, polynomial 0x07, initial value 0, over the 52 payload bits padded with 4 zero bits to 7 bytes. */
export function stripCrc(frame, ms) {
  const bytes = [
    (frame >>> 12) & 0xff,
    (frame >>> 4) & 0xff,
    ((frame & 0xf) << 4) | ((ms >>> 28) & 0xf),
    (ms >>> 20) & 0xff,
    (ms >>> 12) & 0xff,
    (ms >>> 4) & 0xff,
    (ms & 0xf) << 4,
  ];
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 0xff : (crc << 1) & 0xff;
  }
  return crc;
}

/** The height of the strip in a picture of this height, in pixels. */
export function stripHeight(height) {
  return Math.max(8, Math.floor(height / 24));
}

/**
 * The 64 cells of one frame, each 0 or 1.
 * @param {number} frame 0 to 2^20 - 1
 * @param {number} ms Unix milliseconds; taken modulo 2^32
 */
export function encodeStrip(frame, ms) {
  const low = ms % 0x1_0000_0000 >>> 0;
  const bits = [1, 0, 1, 0];
  for (let bit = 19; bit >= 0; bit -= 1) bits.push((frame >>> bit) & 1);
  for (let bit = 31; bit >= 0; bit -= 1) bits.push((low >>> bit) & 1);
  const crc = stripCrc(frame, low);
  for (let bit = 7; bit >= 0; bit -= 1) bits.push((crc >>> bit) & 1);
  return bits;
}

/**
 * Reads a strip back from the luma at the middle of each cell; null if it is none or was damaged.
 * @param {(cell: number) => number} luma 0 to 255 at the middle of the cell
 * @returns {{ frame: number, ms: number } | null}
 */
export function decodeStrip(luma) {
  const bit = (cell) => (luma(cell) < 128 ? 0 : 1);
  if (bit(0) !== 1 || bit(1) !== 0 || bit(2) !== 1 || bit(3) !== 0) return null;
  const number = (from, length) => {
    let value = 0;
    for (let cell = from; cell < from + length; cell += 1) value = ((value << 1) | bit(cell)) >>> 0;
    return value;
  };
  const frame = number(4, 20);
  const ms = number(24, 32);
  return stripCrc(frame, ms) === number(56, 8) ? { frame, ms } : null;
}

/**
 * Reads the second row that cameras draw below the strip, as high: `0101`, camera (16 bits), stream (4: 0 main, 1 substream),
 * Unix milliseconds divided by 2^32 (16), the low 16 bits of the frame number, CRC-8 as in the first row. Null if it is none.
 * @param {(cell: number) => number} luma 0 to 255 at the middle of the cell
 * @returns {{ camera: number, stream: number, msHigh: number, frameLow: number } | null}
 */
export function decodePlate(luma) {
  const bit = (cell) => (luma(cell) < 128 ? 0 : 1);
  const number = (from, length) => {
    let value = 0;
    for (let cell = from; cell < from + length; cell += 1) value = ((value << 1) | bit(cell)) >>> 0;
    return value;
  };
  // The checksum is over 52 bits: as a frame number of 20 and a time of 32.
  if (number(0, 4) !== 0b0101 || stripCrc(number(4, 20), number(24, 32)) !== number(56, 8)) return null;
  return { camera: number(4, 16), stream: number(20, 4), msHigh: number(24, 16), frameLow: number(40, 16) };
}

/** The age in milliseconds of a strip's time, seen at `now` (Unix milliseconds), across the wrap of its 32 bits. */
export function stripAge(ms, now) {
  const age = ((now % 0x1_0000_0000) - ms) | 0;
  return age;
}
