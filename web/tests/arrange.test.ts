import { expect, test } from "vitest";
import { arrange, GAP, type Rect } from "../src/ui/class/arrange";

const SIZES: [string, number, number][] = [
  ["laptop, panel open", 994, 648], ["laptop, panel closed", 1350, 648], ["1080p", 1904, 960], ["classroom screen", 1920, 1032], ["phone upright", 390, 311], ["phone on its side", 844, 298],
];

const right = (r: Rect): number => r.left + r.width;
const bottom = (r: Rect): number => r.top + r.height;
const apart = (a: Rect, b: Rect): boolean => right(a) <= b.left || right(b) <= a.left || bottom(a) <= b.top || bottom(b) <= a.top;

for (const [name, width, height] of SIZES) {
  test(`${name}: pictures stay inside, apart, 16:9, and the lesson is by far the largest`, () => {
    for (let others = 0; others <= 16; others++) {
      const { main, strip, hidden } = arrange(width, height, others);
      expect(strip.length + hidden, `${others} others`).toBe(others);
      const all = [main, ...strip];
      for (const r of all) expect(r.left >= 0 && r.top >= 0 && right(r) <= width + 0.01 && bottom(r) <= height + 0.01, JSON.stringify(r)).toBe(true);
      all.forEach((a, i) => all.slice(i + 1).forEach((b) => expect(apart(a, b)).toBe(true)));
      for (const r of strip) {
        expect(r.width / r.height).toBeCloseTo(16 / 9);
        expect(main.width * main.height).toBeGreaterThan(2.5 * r.width * r.height);
      }
    }
  });
}

test("the lesson keeps its full height when there is room at its side", () => {
  const { main } = arrange(1350, 648, 3);
  expect(main.height).toBe(648);
  expect(main.width).toBeGreaterThanOrEqual(0.9 * ((648 * 16) / 9) - GAP);
});

test("a few faces are large enough to be read from across the room", () => {
  expect(arrange(1920, 1032, 3).strip[0]?.width).toBeGreaterThanOrEqual(270);
  expect(arrange(994, 648, 3).strip[0]?.width).toBeGreaterThanOrEqual(144);
});

test("twelve classrooms are all seen on a laptop", () => {
  expect(arrange(1350, 648, 12).hidden).toBe(0);
  expect(arrange(994, 648, 12).hidden).toBe(0);
});

test("nothing breaks before the first measurement", () => {
  expect(arrange(0, 0, 3)).toMatchObject({ strip: [], hidden: 3 });
});
