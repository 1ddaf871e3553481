// The second factor as an app on a phone makes it (RFC 6238: HMAC-SHA-1, 30 s, six digits).

import { createHmac } from "node:crypto";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** Bytes of a base 32 text (RFC 4648 §6), padding and blanks left out. */
export function base32(text) {
  const bits = [...text.replace(/[=\s]/g, "").toUpperCase()].map((letter) => ALPHABET.indexOf(letter).toString(2).padStart(5, "0")).join("");
  return Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
}

/** The code of a secret at a moment (Unix milliseconds). */
export function totp(secret, at = Date.now()) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const tag = createHmac("sha1", base32(secret)).update(counter).digest();
  const offset = tag[19] & 0xf;
  return String((tag.readUInt32BE(offset) & 0x7fff_ffff) % 1_000_000).padStart(6, "0");
}
