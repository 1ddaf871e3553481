// Four WebRTC stacks that share no code with us, and hardly any with each other: each publishes a class through WHIP and
// watches through WHEP what the others publish.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser } from "../lib/browser.mjs";
import { aiortc, chromiumIn, firefox, gstreamer } from "../lib/peers.mjs";
import { pick, record } from "../lib/report.mjs";
import { Server } from "../lib/server.mjs";
import { until } from "../lib/wait.mjs";
import { deviceToken, makeClass, makeWorld } from "../lib/world.mjs";

const FRAMES = pick(40, 250);
let server;
let browser;
let world;
let stacks;
const figures = {};

before(async () => {
  server = await Server.start("interop");
  browser = await Browser.launch();
  world = await makeWorld(server);
  stacks = { aiortc, gstreamer, firefox, chromium: chromiumIn(browser) };
});

after(async () => {
  await record("interop", figures);
  await browser?.close();
  await server?.close();
});

/** Who publishes what with which first frame number; all others watch. */
const ROUNDS = [
  { publisher: "aiortc", codec: "VP8", firstFrame: 100_000, viewers: ["gstreamer", "firefox", "chromium"] },
  { publisher: "gstreamer", codec: "VP8", firstFrame: 200_000, viewers: ["aiortc", "firefox", "chromium"] },
  { publisher: "firefox", codec: "VP8", firstFrame: 300_000, viewers: ["aiortc", "gstreamer", "chromium"] },
  // H.264, which Firefox has not here.
  { publisher: "gstreamer", codec: "H264", firstFrame: 400_000, viewers: ["aiortc", "chromium"] },
  { publisher: "chromium", codec: "H264", firstFrame: 500_000, viewers: ["aiortc", "gstreamer"] },
];

for (const { publisher, codec, firstFrame, viewers } of ROUNDS) {
  test(`${publisher} publishes ${codec} by WHIP; ${viewers.join(", ")} watch by WHEP`, async () => {
    const lesson = await makeClass(world.admin, world.teacher, world.school, { title: `${publisher} ${codec}` });
    const { token, whip, whep } = await deviceToken(world.teacher, lesson);
    const sender = await stacks[publisher].publish(server, whip, token, { codec, firstFrame });
    try {
      const watched = await Promise.all(viewers.map((viewer) => stacks[viewer].watch(server, whep, token, { codec, frames: FRAMES })));
      const seen = Object.fromEntries(viewers.map((viewer, index) => [viewer, watched[index]]));
      for (const [viewer, { readable, first, last, inOrder, sound }] of Object.entries(seen)) {
        assert.ok(readable >= FRAMES, `${viewer} read ${readable} of ${FRAMES} strips`);
        assert.ok(first >= firstFrame && last < firstFrame + 100_000, `${viewer} saw frames ${first} to ${last} of this publisher`);
        assert.ok(inOrder, `${viewer} saw them in order`);
        assert.ok(sound > 0, `${viewer} heard it too`);
      }
      figures[`${publisher} ${codec}`] = seen;
    } finally {
      await sender.end();
    }
    await until("every peer is gone", async () => (await server.metric("lectern_sfu_peers")) === 0);
  });
}

test("a token of another class is refused, and so is none", async () => {
  const mine = await makeClass(world.admin, world.teacher, world.school);
  const other = await makeClass(world.admin, world.teacher, world.school);
  const { whip } = await deviceToken(world.teacher, mine);
  const { token } = await deviceToken(world.teacher, other);
  for (const [authorization, status] of [[undefined, 401], ["Bearer nonsense", 401], [`Bearer ${token}`, 403]]) {
    const response = await fetch(server.url + whip, {
      method: "POST", body: "v=0\r\n", headers: { "content-type": "application/sdp", ...(authorization ? { authorization } : {}) },
    });
    assert.equal(response.status, status, `with ${authorization ?? "no token"}`);
  }
});
