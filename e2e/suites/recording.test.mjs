// From the end of a class to the library: the lesson is there, its files are what was received, and everybody can play it.

import assert from "node:assert/strict";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before } from "node:test";
import { Browser } from "../lib/browser.mjs";
import { endClass, enter, openClass, seesCamera, signedIn, sourceOf } from "../lib/classroom.mjs";
import { chromiumIn } from "../lib/peers.mjs";
import { archivedFrames, ffmpegDecodes, gstreamerDecodes, missingFrames, playInPage, probe, recordingDirectory, stripScript, unlisted } from "../lib/recording.mjs";
import { pick, record } from "../lib/report.mjs";
import { Server } from "../lib/server.mjs";
import { failed, test } from "../lib/test.mjs";
import { measureFor, until } from "../lib/wait.mjs";
import { deviceToken, makeClass, makeWorld } from "../lib/world.mjs";

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
  const unaccounted = unlisted(missing, losses);
  aims.missingFrames = [unaccounted.length, "<=", 0];
  assert.ok(kept.size > 50, `${kept.size} frames were kept`);
  assert.deepEqual(unaccounted, [], "no frame is missing without a listed loss");
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
  await until("a picture stands there before anything is pressed", () =>
    viewer.page.evaluate(() => document.querySelector("figure.main video")?.readyState >= 2));
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

test("a lesson taught in VP8 waits in the player until class is over, and then plays and can be sought in", async () => {
  const lesson = await makeClass(world.admin, world.teacher, world.school, { title: "VP8" });
  const { token, whip } = await deviceToken(world.teacher, lesson);
  const device = await chromiumIn(browser).publish(server, whip, token, { codec: "VP8", firstFrame: 700_000 });
  const find = (status) => until(`the VP8 lesson is ${status}`, async () =>
    (await world.teacher.get("/recordings?q=VP8")).items.find((one) => one.status === status && one.duration_ms > 4_000), 60_000);
  const { id } = await find("live");
  const viewer = await browser.person("VP8 viewer");
  await signedIn(viewer, world.teacher);
  await viewer.page.goto(`${server.url}/watch/${id}`);
  await until("the page says when the picture can be watched", () => viewer.page.getByText("下课后可看").isVisible());
  await device.end();
  const teacher = await browser.person("VP8 teacher", { source: sourceOf(0) });
  await signedIn(teacher, world.teacher);
  await teacher.page.goto(`${server.url}/c/${lesson.code}`);
  await teacher.page.getByRole("button", { name: /进入课堂|开始上课|回到课堂/ }).first().click();
  await endClass(teacher);
  await find("done");
  const vp8 = (await world.teacher.get(`/recordings/${id}`)).tracks.find((track) => track.source === "camera" && track.webm);
  assert.ok(vp8, "the device's camera was recorded in VP8");
  await viewer.page.goto(`${server.url}/watch/${id}?t=${Math.ceil(vp8.from_ms / 1000)}`);
  await viewer.page.evaluate(`${await stripScript()};undefined`);
  const read = () => viewer.page.evaluate((address) => {
    const video = [...document.querySelectorAll("video")].find((one) => one.src.endsWith(address));
    if (!video || video.readyState < 2 || video.seeking) return undefined;
    const { videoWidth: width, videoHeight: height } = video;
    const canvas = Object.assign(document.createElement("canvas"), { width, height: 1 });
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, Math.floor(stripHeight(height) / 2), width, 1, 0, 0, width, 1);
    const row = context.getImageData(0, 0, width, 1).data;
    const strip = decodeStrip((cell) => row[Math.floor(((cell + 0.5) * width) / STRIP_CELLS) * 4 + 1]);
    return strip && { frame: strip.frame, at: video.currentTime, seekable: video.seekable.length > 0 && video.seekable.end(0) };
  }, vp8.webm);
  const first = await until("its first picture can be read", read);
  assert.ok(first.frame >= 700_000 && first.frame < 800_000, `frame ${first.frame} is the device's`);
  await viewer.page.getByRole("button", { name: "播放", exact: true }).first().click();
  const later = await until("the picture moves", async () => {
    const now = await read();
    return now && now.frame > first.frame + 20 && now;
  });
  await viewer.page.keyboard.press("Home");
  await until("it goes back to its beginning", async () => {
    const now = await read();
    return now && now.frame < later.frame && now;
  });
  assert.ok(first.seekable > later.at, `it can be sought in: ${JSON.stringify(first)}`);
  assert.deepEqual(viewer.faults, []);
});

test("a running lesson is followed in the player as it grows", async () => {
  const lesson = await makeClass(world.admin, world.teacher, world.school, { title: "running" });
  const busy = await browser.person("running teacher", { source: sourceOf(0) });
  await signedIn(busy, world.teacher);
  await openClass(busy, server, lesson.code);
  const { id } = await until("it is recorded", async () =>
    (await world.teacher.get("/recordings?q=running")).items.find((one) => one.duration_ms > 3_000), 60_000);
  const viewer = await browser.person("running viewer");
  await signedIn(viewer, world.teacher);
  await viewer.page.goto(`${server.url}/watch/${id}`);
  await viewer.page.getByRole("button", { name: "播放", exact: true }).first().click();
  await viewer.page.keyboard.press("l"); // ten seconds on: to its end
  const place = () => viewer.page.evaluate(() => ({
    clock: Number(document.querySelector(".viewer").dataset.position) / 1000, picture: document.querySelector("figure.main video")?.currentTime ?? 0,
  }));
  const { clock } = await place();
  await until("clock and picture go on past where it ended", async () => {
    const now = await place();
    return now.clock > clock + 8 && now.picture > clock + 8;
  }, 60_000, { detail: place });
  await endClass(busy);
  assert.deepEqual(viewer.faults, []);
});

test("the catalogue is lost and made again from the recordings: the administrator finds the lesson and plays it", async () => {
  await server.stop();
  await rm(join(server.data, "catalogue"), { recursive: true });
  const { code, stdout, stderr } = server.command("library", "rebuild", "--config", server.config, "--data", server.data);
  assert.equal(code, 0, stdout + stderr);
  server.forgetPeople(); // they were in the catalogue
  await server.launch();
  const admin = await server.administrator();
  const { items } = await admin.get(`/recordings?q=${encodeURIComponent("三角形")}`);
  assert.deepEqual(items.map((item) => [item.id, item.status]), [[detail.id, "done"]], "it is found by its title");
  const again = await admin.get(`/recordings/${detail.id}`);
  assert.deepEqual([again.title, again.teacher, again.duration_ms, again.tracks.length], [detail.title, detail.teacher, detail.duration_ms, detail.tracks.length]);
  const viewer = await browser.person("administrator");
  await signedIn(viewer, admin);
  await viewer.page.goto(`${server.url}/library`);
  await until("the library shows it", () => viewer.page.getByText(detail.title).first().isVisible());
  const { seen, errors } = await playInPage(viewer.page, "hls.js", `/vod/${detail.id}/index.m3u8`);
  assert.ok(seen.length >= 25 && seen.every((frame) => frame < 100_000), `${seen.length} frames were shown; ${errors.join(", ")}`);
});
