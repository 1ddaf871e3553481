// Viewers behind thin lines, each in a namespace of its own with the emulator between: everyone gets a layer that fits, the
// sound has no gap, and nobody disturbs another.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { Browser } from "../lib/browser.mjs";
import { enter, hears, openClass, seesCamera, signedIn, sourceOf } from "../lib/classroom.mjs";
import { Lines, linesImpossible } from "../lib/lines.mjs";
import { pictureFigures, soundFigures } from "../lib/measure.mjs";
import { pick, record } from "../lib/report.mjs";
import { Server } from "../lib/server.mjs";
import { failed, test } from "../lib/test.mjs";
import { measureFor, until } from "../lib/wait.mjs";
import { makeWorld } from "../lib/world.mjs";

// The server's certificate comes from its own authority, which this process does not know.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";

const skip = linesImpossible();
const RATES = pick([800], [4000, 800, 250]);
let lines;
let server;
let world;
let teacher;
const browsers = [];
const viewers = [];
const figures = { viewers: {} };
const aims = {};

before(async () => {
  if (skip) return;
  lines = await Lines.start(RATES.length);
  server = await Server.start("thin", {
    http: { listen: "0.0.0.0:0", tls: "local-ca", names: [lines.controlAddress, lines.server.ipv4] },
    media: { advertise: [`${lines.server.ipv4}:0`] },
  }, { prefix: Lines.prefix(lines.server), url: (port) => `https://${lines.controlAddress}:${port}` });
  world = await makeWorld(server);
  const browser = await Browser.launch({ executablePath: Lines.chromiumIn(lines.server) });
  browsers.push(browser);
  teacher = await browser.person("teacher", { source: sourceOf(0), ignoreHTTPSErrors: true });
  // Inside, the server has the address that the viewers use.
  server.inside = { url: `https://${lines.server.ipv4}:${server.port}` };
  await teacher.context.addCookies(world.teacher.cookies().map((cookie) => ({ ...cookie, url: server.inside.url })));
  await openClass(teacher, server.inside, world.lesson.code);
});

after(async () => {
  for (const browser of browsers) await browser.close({ failed: failed(), suite: "thin" });
  await server?.close({ keep: failed() });
  await lines?.close();
});

test("each viewer plays on a layer that its line carries, and hears without gaps", { skip }, async () => {
  for (const [index, rate] of RATES.entries()) {
    await lines.set(index + 1, { rate_kbps: rate, queue_ms: 300, delay_ms: 30 });
    const browser = await Browser.launch({ executablePath: Lines.chromiumIn(lines.viewers[index]) });
    browsers.push(browser);
    const viewer = await browser.person(`viewer at ${rate}`, { source: sourceOf(index + 1), ignoreHTTPSErrors: true });
    viewers.push({ viewer, rate });
    await enter(viewer, server.inside, world.lesson.code, { name: `学生${rate}` });
  }
  for (const { viewer } of viewers) {
    await seesCamera(viewer, 0, { frames: 25, within: 90_000 });
    await hears(viewer, { within: 90_000 });
  }
  await measureFor(pick(3_000, 10_000));
  await Promise.all(viewers.map(({ viewer }) => viewer.reset()));
  const before = await lines.stats();
  const seconds = pick(8, 60);
  await measureFor(seconds * 1000);
  const now = await lines.stats();
  for (const [index, { viewer, rate }] of viewers.entries()) {
    const report = await viewer.report();
    const video = report.videos.toSorted((a, b) => b.frames.length - a.frames.length)[0];
    const audio = report.audios.toSorted((a, b) => b.chunks - a.chunks)[0];
    const picture = pictureFigures(video);
    const sound = soundFigures(audio);
    figures.viewers[rate] = { picture, sound, beeps: audio.beeps.length, seconds, line: { before: before[index], now: now[index] } };
    assert.ok(picture.readable > 10, `at ${rate} kbit/s ${picture.readable} frames were read`);
    assert.ok(picture.inOrder, `at ${rate} kbit/s in order`);
    assert.ok(audio.beeps.length > 0, `at ${rate} kbit/s beeps are heard`);
    aims[`gapsInSoundAt${rate}`] = [sound.gapsOver100Ms, "<=", 0];
    aims[`freezesAt${rate}`] = [picture.freezes, "<=", Math.ceil(seconds / 20)];
  }
});

test("a line that is cut for a moment comes back by itself", { skip }, async () => {
  await lines.set(1, { cut: true });
  await measureFor(pick(1_000, 5_000));
  const since = Date.now();
  await lines.set(1, { cut: false });
  const { frames } = await seesCamera(viewers[0].viewer, 0, { frames: 10, since, within: 60_000 });
  figures.cut = { backMs: Math.round(frames[0][3] - since) };
  await until("the other viewers never noticed", async () => {
    const reports = await Promise.all(viewers.slice(1).map(({ viewer }) => viewer.report()));
    return reports.every((report) => report.videos.some((video) => video.frames.some(([, , , at]) => at > since)));
  });
  await record("thin", figures, aims);
});
