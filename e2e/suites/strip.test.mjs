// The strip's own arithmetic: what is written is read back, and what was damaged is refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import { decodePlate, decodeStrip, encodeStrip, stripAge, stripHeight } from "../lib/strip.mjs";

test("every bit of frame number and time comes back", () => {
  for (const [frame, ms] of [[0, 0], [1, 1], [0xfffff, 0xffffffff], [0x5a5a5, 0x80000001], [123456, Date.now()]]) {
    const cells = encodeStrip(frame, ms);
    assert.equal(cells.length, 64);
    assert.deepEqual(decodeStrip((cell) => cells[cell] * 255), { frame, ms: ms % 2 ** 32 }, `frame ${frame}, ${ms} ms`);
  }
});

test("a strip with any one cell turned over is refused", () => {
  const cells = encodeStrip(4711, 1_790_000_000_123);
  for (let wrong = 0; wrong < cells.length; wrong += 1) {
    assert.equal(decodeStrip((cell) => (cell === wrong ? 1 - cells[cell] : cells[cell]) * 255), null, `cell ${wrong}`);
  }
});

test("age is right across the wrap of 32 bits, and a clock that runs ahead is negative", () => {
  const wrap = 2 ** 32;
  assert.equal(stripAge(wrap - 10, 5 * wrap + 20), 30);
  assert.equal(stripAge(100, wrap + 350), 250);
  assert.equal(stripAge(105, wrap + 100), -5);
});

test("the strip is never lower than eight pixels", () => {
  assert.deepEqual([720, 360, 180, 90].map(stripHeight), [30, 15, 8, 8]);
});

test("the second row says whose picture it is, as the cameras write it", () => {
  // The same row as in loadtest/src/strip/plate.rs: camera 3, its substream.
  const cells = [...0x500031019a1234fdn.toString(2).padStart(64, "0")].map(Number);
  assert.deepEqual(decodePlate((cell) => cells[cell] * 255), { camera: 3, stream: 1, msHigh: 0x019a, frameLow: 0x1234 });
  assert.equal(decodeStrip((cell) => cells[cell] * 255), null, "no one takes it for the first row");
  for (let wrong = 0; wrong < cells.length; wrong += 1) {
    assert.equal(decodePlate((cell) => (cell === wrong ? 1 - cells[cell] : cells[cell]) * 255), null, `cell ${wrong}`);
  }
});
