// A lesson in real browsers: one teacher, three students, on one machine. What each page decoded is read frame by frame.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { Browser } from "../lib/browser.mjs";
import { callOn, endClass, enter, hears, openClass, raiseHand, saysRecording, seesCamera, signedIn, sourceOf } from "../lib/classroom.mjs";
import { lipSync, percentile, pictureFigures, soundFigures } from "../lib/measure.mjs";
import { archivedFrames, recordingDirectory } from "../lib/recording.mjs";
import { ACCEPT, pick, record } from "../lib/report.mjs";
import { Server } from "../lib/server.mjs";
import { failed, test } from "../lib/test.mjs";
import { measureFor, until } from "../lib/wait.mjs";
import { makeWorld } from "../lib/world.mjs";

const STUDENTS = ["小明", "小红", "小刚"];
let server;
let browser;
let world;
let teacher;
const students = [];
const figures = { students: {} };
const aims = {};

before(async () => {
  server = await Server.start("class");
  browser = await Browser.launch();
  world = await makeWorld(server);
  teacher = await browser.person("teacher", { source: sourceOf(0) });
  await signedIn(teacher, world.teacher);
});

after(async () => {
  await browser?.close({ failed: failed(), suite: "class" });
  await server?.close({ keep: failed() });
});

test("the teacher opens the class, and three students see and hear it", async () => {
  await openClass(teacher, server, world.lesson.code);
  await saysRecording(teacher);
  for (const [index, name] of STUDENTS.entries()) {
    const student = await browser.person(name, { source: sourceOf(index + 1) });
    students.push(student);
    await enter(student, server, world.lesson.code, { name });
    const { frames, report } = await seesCamera(student, 0);
    figures.students[name] = { firstFrameMs: Math.round(frames[0][3] - report.clickedAt) };
  }
  for (const student of students) await hears(student);
});

test("every frame arrives in order, and the sound with it", async () => {
  await Promise.all(students.map((student) => student.reset()));
  await measureFor(pick(6_000, 60_000));
  for (const student of students) {
    const report = await student.report();
    const video = report.videos.toSorted((a, b) => b.frames.length - a.frames.length)[0];
    const audio = report.audios.toSorted((a, b) => b.beeps.length - a.beeps.length)[0];
    const picture = pictureFigures(video);
    Object.assign(figures.students[student.name], { picture, sound: soundFigures(audio), lipSync: lipSync(video, audio) });
    assert.ok(picture.readable > 20, `${student.name} read ${picture.readable} frames`);
    assert.ok(picture.inOrder, `${student.name} saw frames in order`);
    assert.equal(picture.unreadable, 0, `${student.name} could read every strip`);
    assert.ok(picture.first >= 0 && picture.last < 100_000, `${student.name} saw the teacher`);
    assert.ok(audio.beeps.length > 0, `${student.name} heard beeps`);
  }
});

test("a hand is raised, the student comes on stage, and the teacher sees that student's strip", async () => {
  await raiseHand(students[0]);
  await until("the teacher's page shows the hand", () => teacher.page.getByRole("button", { name: "请 小明 发言" }).first().isVisible());
  const called = Date.now();
  await callOn(teacher, "小明");
  const seen = await seesCamera(teacher, 1, { frames: 10 });
  figures.stage = { firstFrameMs: Math.round(seen.frames[0][3] - called) };
  await seesCamera(students[1], 1, { frames: 5 });
  await seesCamera(students[1], 0, { frames: 5, since: Date.now() });
});

test("nobody's page complained, and the figures are kept", async () => {
  for (const person of [teacher, ...students]) assert.deepEqual(person.faults, [], person.name);
  const all = Object.values(figures.students);
  aims.firstFrameMsWorst = [Math.max(...all.map((one) => one.firstFrameMs)), "<=", 1000];
  aims.delayP95MsWorst = [Math.max(...all.map((one) => one.picture.delayMs.p95)), "<=", 200];
  aims.lipSyncP95MsWorst = [Math.max(...all.map((one) => one.lipSync.absMs.p95 ?? Infinity)), "<=", 80];
  // What the SFU received: all that was recorded, and all that any student decoded. A frame that none of them has was not
  // sent: the encoder left it out. Counted between the first frame that everybody had and the last.
  const reports = await Promise.all(students.map((student) => student.report()));
  await endClass(teacher);
  const item = await until("the lesson is in the library", async () =>
    (await world.teacher.get("/recordings")).items.find((one) => one.status === "done"), 60_000);
  const archive = Object.values(await archivedFrames(await recordingDirectory(server, item.id))).flatMap(({ numbers }) => numbers);
  const sets = reports.map((report) => new Set(report.videos.flatMap((video) => video.frames.map(([frame]) => frame)).filter((frame) => frame < 100_000)));
  const from = Math.max(...sets.map((set) => Math.min(...set)));
  const to = Math.min(...sets.map((set) => Math.max(...set)));
  const inside = (numbers) => [...numbers].filter((frame) => frame >= from && frame <= to && frame < 100_000);
  const union = new Set([...sets.flatMap(inside), ...inside(archive)]);
  aims.decodedShareWorst = [Math.min(...sets.map((set) => inside(set).length / union.size)), ">=", 0.995];
  figures.framesReceived = union.size;
  figures.framesOnlyInArchive = inside(new Set(archive)).filter((frame) => !sets.some((set) => set.has(frame))).length;
  figures.delayP50Ms = percentile(all.map((one) => one.picture.delayMs.p50), 0.5);
  if (!ACCEPT) assert.ok(union.size > 100, "something was measured");
  await record("class", figures, aims);
});
