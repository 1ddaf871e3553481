// Cameras whose pictures come in another order than the one in which they are shown: the archive keeps all of them and plays
// them in the right order, the wall leaves out what a browser would show at the wrong time, and the pages say so.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before } from "node:test";
import { promisify } from "node:util";
import { Browser } from "../lib/browser.mjs";
import { Cameras } from "../lib/cameras.mjs";
import { signedIn } from "../lib/classroom.mjs";
import { archivedUnits, recordingsOf, sentFrames, trackOf } from "../lib/ledger.mjs";
import { addCameras, allLive, cameraForm, makeSite } from "../lib/patrol.mjs";
import { record } from "../lib/report.mjs";
import { ROOT, Server } from "../lib/server.mjs";
import { decodeStrip, STRIP_CELLS, stripHeight } from "../lib/strip.mjs";
import { failed, test } from "../lib/test.mjs";
import { until } from "../lib/wait.mjs";

const run = promisify(execFile);
/** H.264, and H.265, in main streams; a substream; and a camera that has none, for what the pages say of it. */
const WITH = [[1, "main"], [1, "sub"], [2, "main"]];
const WITHOUT = [2, "sub"];
/** The numbers that an H.265 picture carries go round with the scene. */
const LOOP = 100;

let server;
let peer;
let site;
let cameras;
let browser;
let began;
const figures = {};

before(async () => {
  peer = await Cameras.start("b-frames", { cameras: 2, mainKbps: 1000, h265Every: 2, sound: "none", words: ["--b-frames", WITH.map((one) => one.join("/")).join()] });
  server = await Server.start("b-frames", { patrol: { allow_loopback: true, roll_s: 6 } });
  site = await makeSite(server);
  cameras = await addCameras(site.manager, peer, site.site, 2, () => ({ transport: "tcp" }));
  await allLive(site.manager, site.site);
  began = Date.now();
  browser = await Browser.launch();
  await mkdir(join(ROOT, "target/e2e"), { recursive: true });
});

after(async () => {
  await record("b-frames", figures);
  await browser?.close({ failed: failed(), suite: "b-frames" });
  await server?.close({ keep: failed() });
  await peer?.close({ keep: failed() });
});

const shot = (name) => join(ROOT, `target/e2e/b-frames-${name}.png`);

/** Someone whose page notes which pictures it shows. */
async function watcher(name, who) {
  const person = await browser.person(name, { probe: "order-probe" });
  await signedIn(person, who);
  return person;
}

const watch = (page, name, selector) => page.evaluate(([as, where]) => window.lecternOrder.watch(as, document.querySelector(where)), [name, selector]);
const seenBy = (page, name) => page.evaluate((as) => window.lecternOrder.seen(as), name);
const readable = (pictures) => pictures.filter(([frame]) => frame !== null);

/** What ffmpeg decodes of a part of the archive: the strips in the order in which a player shows them, their times, complaints. */
async function decoded(file, { width, height }) {
  const rows = stripHeight(height);
  const raw = await run("ffmpeg", [
    "-v", "error", "-i", file, "-vf", `format=gray,crop=${width}:${rows}:0:0`, "-fps_mode", "passthrough", "-enc_time_base", "1:90000", "-f", "rawvideo", "-",
  ], { encoding: "buffer", maxBuffer: 1 << 28 });
  const strips = [];
  for (let at = 0; at + width * rows <= raw.stdout.length; at += width * rows) {
    const line = at + width * Math.floor(rows / 2);
    strips.push(decodeStrip((cell) => raw.stdout[line + Math.floor(((cell + 0.5) * width) / STRIP_CELLS)])?.frame ?? null);
  }
  const probe = await run("ffprobe", ["-v", "error", "-select_streams", "v:0", "-show_entries", "frame=pts", "-of", "csv=p=0", file], { maxBuffer: 1 << 26 });
  const times = probe.stdout.split("\n").map((line) => parseInt(line, 10)).filter(Number.isFinite);
  return { strips, times, complaints: raw.stderr.toString() + probe.stderr };
}

/** The packets of a part as they are stored: some are shown before one that is decoded earlier. */
async function isReordered(file) {
  const { stdout } = await run("ffprobe", ["-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts,dts", "-of", "csv=p=0", file], { maxBuffer: 1 << 26 });
  const times = stdout.trim().split("\n").map((line) => line.split(",").map(Number));
  assert.ok(times.every(([, dts], n) => n === 0 || dts > times[n - 1][1]), `${file}: decode times go forward`);
  return times.some(([pts], n) => n > 0 && pts < times[n - 1][0]);
}

/** All of what was sent until then is on the disk. */
const durable = (to) => until("it is durable", async () => {
  const { cameras: all } = await site.manager.get(`/patrol/places/${site.site.id}/cameras`);
  return all.every(({ status }) => status.durable > to);
}, 90_000);

test("the archive keeps every picture, in parts that decode to all of them in order", async () => {
  // Some parts of each, and all of what was sent until then on the disk.
  const to = began + 20_000;
  await durable(to + 1000);
  figures.streams = [];
  for (const [number, stream] of [...WITH, WITHOUT]) {
    const what = `camera ${number}, ${stream}`;
    const track = trackOf(cameras.get(number).id, stream);
    const directories = await recordingsOf(server, cameras.get(number).id);
    const held = await archivedUnits(directories, track);
    const sent = (await sentFrames(peer.ledger, { camera: number, stream, from: began, to })).filter(({ to: got, lost, late }) => got > 0 && lost === 0 && late === 0);
    assert.ok(sent.length > 200, `${what}: ${sent.length}`);
    assert.deepEqual(sent.filter(({ sha256 }) => !held.units.has(sha256)).map(({ frame }) => frame), [], `${what}: kept`);
    const reordered = sent.some(({ frame }, n) => n > 0 && frame < sent[n - 1].frame);
    assert.equal(reordered, stream !== "sub" || number === 1, `${what}: how it was sent`);

    // The last part is still being written; three are enough.
    const parts = [];
    const place = (name) => Number(name.split(".")[1]);
    for (const directory of directories) {
      const names = (await readdir(directory)).filter((one) => one.startsWith(track) && one.endsWith(".cmf"));
      for (const name of names.sort((a, b) => place(a) - place(b))) parts.push(join(directory, name));
    }
    const whole = parts.slice(0, -1).slice(0, 3);
    assert.ok(whole.length >= 2, `${what}: it rolls`);
    const numbers = [];
    for (const file of whole) {
      assert.equal(await isReordered(file), reordered, file);
      const { strips, times, complaints } = await decoded(file, stream === "main" ? { width: 1920, height: 1080 } : { width: 640, height: 360 });
      assert.equal(complaints, "", file);
      assert.equal(times.length, strips.length, file);
      assert.ok(times.every((time, n) => n === 0 || time > times[n - 1]), `${file}: times of showing go forward`);
      numbers.push(...strips);
    }
    const loop = number === 2 && stream === "main" ? LOOP : 1 << 20;
    const wrong = numbers.flatMap((frame, n) => (n > 0 && frame !== (numbers[n - 1] + 1) % loop ? [`${numbers[n - 1]} → ${frame}`] : []));
    assert.deepEqual(wrong, [], `${what}: each picture once, in order, over ${whole.length} parts`);
    figures.streams.push({ number, stream, sent: sent.length, decoded: numbers.length, parts: whole.length });
  }
});

test("the timeline plays them in order", async () => {
  await durable(began + 20_000);
  const officer = await watcher("timeline", site.officer);
  const { page } = officer;
  const tile = (number) => `.step-tile[data-camera="${cameras.get(number).id}"]`;
  await page.goto(`${server.url}/patrol/timeline?cameras=${cameras.get(1).id},${cameras.get(2).id}&at=${began + 3000}`);
  await until("both have a picture", async () => (await page.locator(".step-tile[data-phase=playing]").count()) === 2, 60_000);
  // A browser that plays no H.265 gets the other stream, and says so.
  figures.streamsPlayed = await Promise.all([1, 2].map((number) => page.locator(tile(number)).getAttribute("data-stream")));
  assert.equal(figures.streamsPlayed[0], "main");
  await watch(page, "recording", `${tile(1)} video`);
  await page.locator(".play").click();
  const seen = await until("eight seconds of it were shown", async () => {
    const all = await seenBy(page, "recording");
    return all.length > 60 && all.at(-1)[1] - all[0][1] > 8 && all;
  }, 90_000, { detail: () => seenBy(page, "recording") });
  const read = readable(seen);
  assert.ok(read.length > 0.9 * seen.length, `${read.length} of ${seen.length} were read`);
  assert.deepEqual(read.filter(([frame], n) => n > 0 && frame < read[n - 1][0]), [], "no picture after one that is shown later");
  // A number and its time belong together, 25 in a second; a busy page draws a picture after the one that it was told of.
  const [first] = read;
  const off = read.filter(([frame, time]) => Math.abs((frame - first[0]) / 25 - (time - first[1])) > 0.25);
  assert.deepEqual(off.slice(0, 5), [], "each at its time");
  figures.played = { pictures: read.length, numbers: read.at(-1)[0] - first[0] };
  await page.screenshot({ path: shot("timeline") });
  assert.deepEqual(officer.faults, []);
  await officer.context.close();
});

test("the wall shows a substream without its B-frames, in order, and the pages say so", async () => {
  const officer = await watcher("wall", site.officer);
  const { page } = officer;
  const layout = await site.officer.post("/patrol/layouts", { name: "两台", tiles: 4, cameras: [cameras.get(1).id, cameras.get(2).id, null, null], tour: null });
  await page.goto(`${server.url}/wall?layout=${layout.id}`);
  const tile = (number) => `.wall-tile[data-camera="${cameras.get(number).id}"]`;
  await until("both tiles show pictures", async () => (await page.locator(".wall-tile[data-phase=shown]").count()) === 2, 60_000);
  for (const number of [1, 2]) await watch(page, number, `${tile(number)} video.live`);
  const seen = await until("a hundred numbers went by on both", async () => {
    const both = [];
    for (const number of [1, 2]) both.push(readable(await seenBy(page, number)).map(([frame]) => frame));
    return both.every((frames) => frames.length > 10 && frames.at(-1) - frames[0] > 100) && both;
  }, 60_000, { detail: () => seenBy(page, 1) });
  for (const frames of seen) assert.ok(frames.every((frame, n) => n === 0 || frame >= frames[n - 1]), `never back: ${frames.join(" ")}`);
  // A B-frame is sent behind one that is shown later.
  const sent = new Map((await sentFrames(peer.ledger, { camera: 1, stream: "sub", from: began })).map((line) => [line.frame, line]));
  const order = [...sent.keys()];
  const isB = new Set(order.filter((frame, n) => n > 0 && frame < Math.max(...order.slice(Math.max(0, n - 3), n))));
  const shown = seen[0].filter((frame) => sent.has(frame));
  assert.deepEqual(shown.filter((frame) => isB.has(frame)), [], "no B-frame is shown");
  figures.wall = { shown: new Set(shown).size, numbers: shown.at(-1) - shown[0] };
  await page.screenshot({ path: shot("wall") });
  const { items: alarms } = await site.officer.get(`/patrol/alarms?place=${site.site.id}`);
  assert.deepEqual(alarms.filter(({ fault }) => fault === "undecodable"), [], "their keyframes are looked at as any");
  assert.deepEqual(officer.faults, []);
  await officer.context.close();

  const manager = await watcher("manager", site.manager);
  await manager.page.goto(`${server.url}/patrol/cameras`);
  const row = (number) => manager.page.locator(`tr[data-camera="${cameras.get(number).id}"] .warn-text[title]`);
  await until("the list says which streams have B-frames", async () => (await row(1).count()) === 2 && (await row(2).count()) === 1);
  assert.equal(await row(1).first().textContent(), "有 B 帧");
  assert.match(await row(1).first().getAttribute("title"), /电视墙上每秒画面会变少，录像不受影响/);
  await manager.page.screenshot({ path: shot("cameras") });
  const report = await site.manager.post("/patrol/cameras/test", cameraForm(peer, site.site, 1));
  assert.deepEqual(report.faults.filter(({ fault }) => fault === "b_frames").map(({ stream }) => stream), ["main", "sub"]);
  assert.equal(report.usable, true);
  assert.deepEqual(manager.faults, []);
  await manager.context.close();
});
