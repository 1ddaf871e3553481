import { expect, test } from "vitest";
import { DEAD_AFTER_MS, DIAL_MS_MAX, OFFLINE_MS, PAUSES_MS, PING_AFTER_MS, Redial } from "../src/protocol/redial";

const steady = () => 0; // no shortening: the longest pauses

function connected(): Redial {
  const r = new Redial(steady);
  expect(r.handle(0, { type: "start" })).toBe("dial");
  r.handle(50, { type: "opened" });
  return r;
}

test("the first try after a loss comes within a quarter of a second", () => {
  const r = connected();
  r.handle(1_000, { type: "failed" });
  expect(r.state).toBe("waiting");
  expect((r.wakeAt ?? 0) - 1_000).toBeLessThanOrEqual(250);
  expect(r.tick(r.wakeAt ?? 0)).toBe("dial");
});

test("a server that is back after any downtime is found within five seconds", () => {
  for (const downFor of [100, 900, 2_500, 7_000, 60_000]) {
    const r = connected();
    r.handle(0, { type: "failed" });
    let now = 0;
    let dialled = 0;
    while (now < downFor || dialled < downFor) {
      now = r.wakeAt ?? now;
      expect(r.tick(now)).toBe("dial");
      dialled = now;
      if (now < downFor) r.handle(now + 5, { type: "failed" }); // refused at once
    }
    expect(dialled - downFor, `down for ${downFor} ms`).toBeLessThanOrEqual(5_000);
  }
});

test("pauses grow and stay bounded, and never come in step", () => {
  const r = new Redial(() => 1);
  r.handle(0, { type: "start" });
  let now = 0;
  const pauses: number[] = [];
  for (let i = 0; i < 8; i++) {
    r.handle(now, { type: "failed" });
    pauses.push((r.wakeAt ?? 0) - now);
    now = r.wakeAt ?? 0;
    r.tick(now);
  }
  expect(pauses[0]).toBe(PAUSES_MS[0] / 2);
  expect(Math.max(...pauses)).toBe((PAUSES_MS.at(-1) ?? 0) / 2);
});

test("a dial that hangs is hung up and tried again", () => {
  const r = new Redial(steady);
  r.handle(0, { type: "start" });
  expect(r.tick(DIAL_MS_MAX - 1)).toBeNull();
  expect(r.tick(DIAL_MS_MAX)).toBe("hang_up");
  expect(r.state).toBe("waiting");
});

test("silence is asked about, then taken for a dead line", () => {
  const r = connected();
  expect(r.tick(50 + PING_AFTER_MS)).toBe("ping");
  let now = 50 + PING_AFTER_MS;
  let out = null;
  while (out !== "hang_up" && now < 60_000) {
    now = r.wakeAt ?? now;
    out = r.tick(now);
  }
  expect(out).toBe("hang_up");
  expect(now).toBeLessThanOrEqual(50 + DEAD_AFTER_MS + 1_000);
});

test("an answer keeps the line", () => {
  const r = connected();
  for (let now = 2_100; now < 30_000; now += 2_000) {
    r.tick(now);
    r.handle(now + 40, { type: "heard" });
  }
  expect(r.state).toBe("connected");
});

test("a new network dials at once when waiting and asks at once when connected", () => {
  const waiting = connected();
  waiting.handle(0, { type: "failed" });
  waiting.handle(10, { type: "offline" });
  expect(waiting.state).toBe("offline");
  expect(waiting.handle(20, { type: "online" })).toBe("dial");
  const up = connected();
  expect(up.handle(9_000, { type: "online" })).toBe("ping");
  expect(up.tick(up.wakeAt ?? 0)).toBe("hang_up"); // nothing heard in 1.5 s
});

test("where media stopped, the line is asked at once, and given up if nothing comes on any way", () => {
  const dead = connected();
  expect(dead.handle(2_000, { type: "doubted" })).toBe("ping");
  expect(dead.state).toBe("connected");
  expect(dead.handle(3_500, { type: "silent", since: 2_000 })).toBe("hang_up");
  expect(dead.handle(3_600, { type: "doubted" })).toBeNull();
  const alive = connected();
  alive.handle(2_000, { type: "doubted" });
  alive.handle(2_100, { type: "heard" });
  expect(alive.handle(3_500, { type: "silent", since: 2_000 })).toBeNull();
  expect(alive.state).toBe("connected");
});

test("a browser that never says that the network is back is not believed for ever", () => {
  const r = connected();
  r.handle(0, { type: "failed" });
  r.handle(10, { type: "offline" });
  expect(r.wakeAt).toBe(10 + OFFLINE_MS);
  expect(r.tick(10 + OFFLINE_MS)).toBe("dial");
  r.handle(6_000, { type: "failed" });
  expect([r.state, r.wakeAt]).toEqual(["offline", 6_000 + OFFLINE_MS]);
  expect(r.tick(6_000 + OFFLINE_MS)).toBe("dial");
  r.handle(12_000, { type: "opened" });
  r.handle(13_000, { type: "failed" });
  expect(r.state, "it was wrong").toBe("waiting");
});

test("after stop nothing happens any more", () => {
  const r = connected();
  expect(r.handle(1, { type: "stop" })).toBe("hang_up");
  for (const type of ["start", "online", "failed", "opened"] as const) expect(r.handle(2, { type })).toBeNull();
  expect(r.wakeAt).toBeNull();
});
