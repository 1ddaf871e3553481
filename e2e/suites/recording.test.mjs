// From the end of a class to the library: the lesson is there, its files are what was received, and everybody can play it.

import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before } from "node:test";
import { Browser } from "../lib/browser.mjs";
import { endClass, enter, openClass, seesCamera, signedIn, sourceOf } from "../lib/classroom.mjs";
import { archivedFrames, ffmpegDecodes, gstreamerDecodes, missingFrames, playInPage, probe, recordingDirectory } from "../lib/recording.mjs";
import { pick, record } from "../lib/report.mjs";
import { Server } from "../lib/server.mjs";
import { failed, test } from "../lib/test.mjs";
import { measureFor, until } from "../lib/wait.mjs";
import { makeWorld } from "../lib/world.mjs";

let server;
let browser;
let world;
let teacher;
let student;
let detail;
let directory;
let sent;
const figures = {};
const aims = {};

before(async () => {
  server = await Server.start("recording");
  browser = await Browser.launch();
  world = await makeWorld(server);
  teacher = await browser.person("teacher", { source: sourceOf(0) });
  await signedIn(teacher, world.teacher);
});

after(async () => {
  await record("recording", figures, aims).finally(async () => {
    await browser?.close({ failed: failed(), suite: "recording" });
    await server?.close({ keep: failed() });
  });
});

test("a class is taught and ended, and its lesson is in the library", async () => {
  await openClass(teacher, server, world.lesson.code);
  student = await browser.person("小明", { source: sourceOf(1) });
  await enter(student, server, world.lesson.code, { name: "小明" });
  await seesCamera(student, 0, { frames: 20 });
  await measureFor(pick(8_000, 60_000));
  sent = (await student.report()).videos.flatMap((video) => video.frames).filter(([frame]) => frame < 100_000);
  const ended = Date.now();
  await endClass(teacher);
  const item = await until("the lesson is in the library", async () => {
    const page = await world.teacher.get("/recordings");
    return page.items.find((one) => one.status === "done");
  }, 60_000);
  figures.inLibraryMs = Date.now() - ended;
  aims.inLibraryMs = [figures.inLibraryMs, "<=", 5000];
  await until("the student's page says that the class is over", () => student.page.getByText("下课了").first().isVisible());
  detail = await world.teacher.get(`/recordings/${item.id}`);
  assert.ok(detail.tracks.some((track) => track.source === "camera" && track.teacher), "the teacher's camera was recorded");
  assert.ok(detail.tracks.some((track) => track.source === "microphone" && track.teacher), "and the microphone");
  assert.ok(detail.duration_ms > 5000, `it lasted ${detail.duration_ms} ms`);
});

test("it is found by title, teacher, subject and school, in both languages", async () => {
  for (const query of ["三角形", "王老师", "数学", "东山村"]) {
    const { items } = await world.teacher.get(`/recordings?q=${encodeURIComponent(query)}`);
    assert.ok(items.some((item) => item.id === detail.id), `found by ${query}`);
  }
});

test("the checker has nothing to complain about", async () => {
  directory = await recordingDirectory(server, detail.id);
  const { code, stdout, stderr } = server.command("recorder", "check", directory);
  assert.equal(code, 0, stdout + stderr);
  const json = server.command("recorder", "check", directory, "--json");
  assert.equal(json.code, 0);
  JSON.parse(json.stdout);
});

test("every frame that was received is in the archive, in order, or listed as lost", async () => {
  const files = await archivedFrames(directory);
  for (const [name, { numbers: list, unreadable }] of Object.entries(files)) {
    assert.equal(unreadable, 0, `${name}: every strip is readable`);
    assert.ok(list.every((frame, index) => index === 0 || frame >= list[index - 1]), `${name}: frames in order`);
  }
  const kept = new Set(Object.values(files).flatMap(({ numbers }) => numbers).filter((frame) => frame < 100_000));
  const missing = missingFrames(files, sent);
  const losses = detail.gaps.filter((gap) => gap.track !== null);
  figures.archive = { frames: kept.size, seenByStudent: sent.length, missing, gaps: detail.gaps };
  aims.missingFrames = [missing.lost.length, "<=", losses.length === 0 ? 0 : missing.lost.length];
  assert.ok(kept.size > 50, `${kept.size} frames were kept`);
  if (losses.length === 0) assert.deepEqual(missing.lost, [], "no frame is missing without a listed loss");
  assert.ok(missing.otherLayer.length < sent.length / 2, `mostly the recorder is on the student's layer: ${missing.otherLayer}`);
});

test("ffprobe and GStreamer open every file", async () => {
  for (const name of (await readdir(directory)).filter((one) => one.endsWith(".cmf"))) {
    const { streams } = await probe(join(directory, name));
    assert.equal(streams.length, 1, `${name}: one track a file`);
    const [ffmpeg, gstreamer] = [await ffmpegDecodes(join(directory, name)), await gstreamerDecodes(join(directory, name))];
    assert.ok(ffmpeg > 0, `${name}: ffmpeg decodes it`);
    if (streams[0].codec_type === "video") assert.equal(gstreamer, ffmpeg, `${name}: GStreamer decodes as many pictures`);
    else assert.ok(gstreamer > 10, `${name}: GStreamer decodes it`);
  }
});

test("hls.js and Shaka play it in Chromium", async () => {
  const viewer = await browser.person("player");
  await signedIn(viewer, world.teacher);
  const camera = detail.tracks.find((track) => track.source === "camera" && track.teacher);
  assert.ok(camera.playlist, `the camera has a playlist (${camera.codec})`);
  for (const [player, url] of ["hls.js", "shaka"].flatMap((name) => [[name, camera.playlist], [name, `/vod/${detail.id}/index.m3u8`]])) {
    await viewer.page.goto(`${server.url}/library`);
    const { seen, errors } = await playInPage(viewer.page, player, url);
    const playlist = () => viewer.page.evaluate(async (address) => (await (await fetch(address)).text()).slice(0, 1500), url);
    if (seen.length < 25) assert.fail(`${player} showed ${seen.length} readable frames of ${url}; ${[...new Set(errors)].join(", ")}\n${await playlist()}`);
    assert.ok(seen.every((frame) => frame < 100_000), `${player} showed the teacher`);
    assert.ok(!errors.some((error) => error.includes("fatal")), errors.join(", "));
  }
});

test("the player's page plays picture and sound", async () => {
  const viewer = await browser.person("viewer");
  await signedIn(viewer, world.teacher);
  await viewer.page.goto(`${server.url}/watch/${detail.id}`);
  await viewer.page.getByRole("button", { name: "播放", exact: true }).first().click();
  await until("the picture moves", () => viewer.page.evaluate(() =>
    [...document.querySelectorAll("video")].some((video) => video.currentTime > 2 && video.videoWidth > 0)), 30_000);
  assert.deepEqual(viewer.faults, []);
});

test("the download is one MP4 with picture and sound", async () => {
  const response = await fetch(`${server.url}/api/v1/recordings/${detail.id}/download`, {
    headers: { cookie: world.teacher.cookies().map(({ name, value }) => `${name}=${value}`).join("; ") },
  });
  assert.equal(response.status, 200);
  const file = join(server.directory, "download.mp4");
  await writeFile(file, Buffer.from(await response.arrayBuffer()));
  const kinds = (await probe(file)).streams.map((stream) => stream.codec_type);
  assert.ok(kinds.includes("video") && kinds.includes("audio"), kinds.join(", "));
});
