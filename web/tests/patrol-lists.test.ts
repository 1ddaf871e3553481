/** The lists of exam patrol: what they show follows from what the server says. */
import { expect, test } from "vitest";
import { size } from "../src/i18n/format";
import type { RetentionRule } from "../src/protocol/generated/index";
import { daysOf } from "../src/ui/pages/patrol/retention";
import { isDomain, keyFault } from "../src/ui/factor/webauthn";

test("sizes: nothing is nothing, and no unit overflows", () => {
  expect(size(0)).toBe("0 B");
  expect(size(999)).toBe("999 B");
  expect(size(1_000)).toBe("1 kB");
  expect(size(999_499)).toBe("999 kB");
  expect(size(999_500)).toBe("1 MB");
  expect(size(999_499_999)).toBe("999 MB");
  expect(size(999_500_000)).toBe("1.0 GB");
  expect(size(41_500_000_000)).toBe("41.5 GB");
  expect(size(2_000_000_000_000)).toBe("2.0 TB");
});

test("days that are kept: the nearest rule above the camera, or none", () => {
  const places = [{ id: "root", parent: null }, { id: "city", parent: "root" }, { id: "site", parent: "city" }];
  const rules: RetentionRule[] = [{ place: "city", group: "exam_room", days: 90 }, { place: "root", group: "gate", days: 7 }];
  expect(daysOf(places, rules, "site", "exam_room", 30)).toBe(90);
  expect(daysOf(places, [...rules, { place: "site", group: "exam_room", days: 60 }], "site", "exam_room", 30)).toBe(60);
  expect(daysOf(places, rules, "site", "gate", 30)).toBe(7);
  expect(daysOf(places, rules, "site", "corridor", 30)).toBe(30);
  expect(daysOf([{ id: "a", parent: "b" }, { id: "b", parent: "a" }], rules, "a", "gate", 30), "a circle ends").toBe(30);
});

test("a key needs a name of a host, and its failures are told apart", () => {
  expect(["exam.example.cn", "localhost"].map(isDomain)).toEqual([true, true]);
  expect(["10.0.0.7", "127.0.0.1", "[::1]"].map(isDomain)).toEqual([false, false, false]);
  expect(keyFault(new DOMException("", "NotAllowedError"))).toBe("unanswered");
  expect(keyFault(new DOMException("", "AbortError"))).toBe("unanswered");
  expect(keyFault(new DOMException("", "InvalidStateError"))).toBe("known");
  expect(keyFault({ code: "wrong_code" })).toBe("refused");
  expect(keyFault({ code: "offline" })).toBeNull();
  expect(keyFault(null)).toBeNull();
});
