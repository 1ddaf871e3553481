// Viewers behind thin lines, each in a namespace of its own with the emulator between: everyone gets a layer that fits, the
// sound has no gap, and nobody disturbs another.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { Browser } from "../lib/browser.mjs";
import { enter, hears, openClass, seesCamera, signedIn, sourceOf } from "../lib/classroom.mjs";
import { Lines, linesImpossible } from "../lib/lines.mjs";
import { concealment, percentile, pictureFigures, received } from "../lib/measure.mjs";
import { pick, record } from "../lib/report.mjs";
import { Server } from "../lib/server.mjs";
import { failed, test } from "../lib/test.mjs";
import { measureFor } from "../lib/wait.mjs";
import { makeWorld } from "../lib/world.mjs";

// The server's certificate comes from its own authority, which this process does not know.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";

const skip = linesImpossible();
const RATES = pick([4000, 250], [4000, 800, 250]);
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
  if (!skip) await record("thin", figures, aims);
  for (const browser of browsers) await browser.close({ failed: failed(), suite: "thin" });
  await server?.close({ keep: failed() });
  await lines?.close();
});

/** No layer above this height fits these lines, sound and repairs included: f is about 1,500 kbit/s, h 500, q 100. */
const HEIGHT_MAX = { 4000: 720, 800: 360, 250: 180 };
/** How long a viewer may take to find the layer that fits. */
const SETTLE_MS = 10_000;

const cameraOf = (report) => report.videos.toSorted((a, b) => b.frames.length - a.frames.length)[0];

test("each viewer plays on a layer that its line carries, and hears without gaps", { skip }, async () => {
  for (const [index, rate] of RATES.entries()) {
    await lines.set(index + 1, { rate_kbps: rate, queue_ms: 300, delay_ms: 30 });
    const browser = await Browser.launch({ executablePath: Lines.chromiumIn(lines.viewers[index]) });
    browsers.push(browser);
    const viewer = await browser.person(`viewer at ${rate}`, { source: sourceOf(index + 1), ignoreHTTPSErrors: true });
    viewers.push({ viewer, rate });
    await enter(viewer, server.inside, world.lesson.code, { name: `学生${rate}` });
    await seesCamera(viewer, 0, { within: 90_000 });
    await hears(viewer, { beeps: 1, within: 90_000 });
    await viewer.page.evaluate(() => window.lecternProbe.watchConcealment());
  }
  await measureFor(SETTLE_MS);
  const settled = await Promise.all(viewers.map(({ viewer }) => viewer.report()));
  await Promise.all(viewers.map(({ viewer }) => viewer.reset()));
  const before = { lines: await lines.stats(), pages: await Promise.all(viewers.map(({ viewer }) => viewer.stats())) };
  const seconds = pick(8, 60);
  await measureFor(seconds * 1000);
  const now = { lines: await lines.stats(), pages: await Promise.all(viewers.map(({ viewer }) => viewer.stats())) };
  for (const [index, { viewer, rate }] of viewers.entries()) {
    const report = await viewer.report();
    const { frames } = cameraOf(settled[index]);
    const tooHigh = frames.filter(([, , height]) => height > HEIGHT_MAX[rate]);
    const picture = pictureFigures(cameraOf(report));
    const sound = concealment(report);
    const audio = report.audios.toSorted((a, b) => b.chunks - a.chunks)[0];
    const got = received(before.pages[index], now.pages[index]);
    const down = (stats) => stats.lines[index].down;
    figures.viewers[rate] = {
      seconds, picture, sound, beeps: audio.beeps.length, received: got,
      firstFrameMs: Math.round(frames[0][3] - settled[index].clickedAt),
      settledMs: tooHigh.length === 0 ? 0 : Math.round(tooHigh.at(-1)[3] - frames[0][3]),
      line: { kbps: Math.round(((down(now).delivered_bytes - down(before).delivered_bytes) * 8) / seconds / 1000), before: down(before), now: down(now) },
    };
    assert.ok(picture.readable > 10, `at ${rate} kbit/s ${picture.readable} frames were read`);
    assert.ok(picture.inOrder, `at ${rate} kbit/s in order`);
    assert.ok(audio.beeps.length > 0, `at ${rate} kbit/s beeps are heard`);
    for (const height of Object.keys(picture.heights)) assert.ok(height <= HEIGHT_MAX[rate], `at ${rate} kbit/s a layer of height ${height}`);
    aims[`settledMsAt${rate}`] = [figures.viewers[rate].settledMs, "<=", SETTLE_MS];
    aims[`soundOver100MsMissingAt${rate}`] = [sound.over100Ms, "<=", 0];
    aims[`freezesAt${rate}`] = [picture.freezes, "<=", Math.ceil(seconds / 20)];
    aims[`audioKbpsAt${rate}`] = [got.audio.kbps, "<=", 32];
    if (rate === 250) aims.lowestLayerKbps = [got.video.kbps, "<=", 120];
  }
});

test("a line that is cut for a moment comes back by itself, and nobody else notices", { skip }, async () => {
  const cut = Date.now();
  await lines.set(RATES.length, { cut: true });
  await measureFor(pick(1_000, 5_000));
  const since = Date.now();
  await lines.set(RATES.length, { cut: false });
  const { frames } = await seesCamera(viewers.at(-1).viewer, 0, { frames: 10, since, within: 60_000 });
  figures.cut = { line: RATES.at(-1), backMs: Math.round(frames[0][3] - since), others: {} };
  for (const { viewer, rate } of viewers.slice(0, -1)) {
    const during = cameraOf(await viewer.report()).frames.map(([, , , at]) => at).filter((at) => at > cut);
    const steps = during.slice(1).map((at, index) => at - during[index]);
    figures.cut.others[rate] = { frames: during.length, longestFreezeMs: Math.round(Math.max(0, ...steps)), p95Ms: percentile(steps, 0.95) };
    assert.ok(during.length > 10, `the viewer at ${rate} kbit/s goes on`);
    aims[`freezeAt${rate}WhileAnotherIsCutMs`] = [figures.cut.others[rate].longestFreezeMs, "<=", 300];
  }
});
