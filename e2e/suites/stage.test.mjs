// What stands on the stage besides the teacher's camera: a shared screen with a video's sound, and a remote classroom.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { Browser } from "../lib/browser.mjs";
import { enter, hears, openClass, screenOf, seesCamera, setUpScreen, showPeople, signedIn, sourceOf } from "../lib/classroom.mjs";
import { record } from "../lib/report.mjs";
import { Server } from "../lib/server.mjs";
import { failed, test } from "../lib/test.mjs";
import { until } from "../lib/wait.mjs";
import { makeWorld } from "../lib/world.mjs";

let server;
let browser;
let world;
let teacher;
let student;
const figures = {};

before(async () => {
  server = await Server.start("stage");
  browser = await Browser.launch();
  world = await makeWorld(server);
  teacher = await browser.person("teacher", { source: sourceOf(0) });
  await signedIn(teacher, world.teacher);
  await openClass(teacher, server, world.lesson.code);
  student = await browser.person("小明", { source: sourceOf(1) });
  await enter(student, server, world.lesson.code, { name: "小明" });
  await seesCamera(student, 0, { frames: 10 });
});

after(async () => {
  await record("stage", figures);
  await browser?.close({ failed: failed(), suite: "stage" });
  await server?.close({ keep: failed() });
});

const ownMicrophone = (name) => teacher.page.locator(`[data-control="microphone"][aria-label="${name}"]`);

test("the teacher shares the screen with a video's sound: the student sees and hears it, and the camera goes on", async () => {
  const { page } = teacher;
  const pressed = Date.now();
  await page.getByRole("button", { name: "共享屏幕" }).click();
  const { frames, mid } = await seesCamera(student, screenOf(0), { frames: 10, since: pressed });
  figures.screenMs = Math.round(frames[0][3] - pressed);
  const camera = await seesCamera(student, 0, { frames: 10, since: frames[0][3] });
  assert.notEqual(camera.mid, mid, "two pictures at once");
  // With the microphone off the only beeps are those of the shared video.
  await ownMicrophone("静音").click();
  await ownMicrophone("取消静音").waitFor();
  const muted = Date.now() + 1000; // what was on its way may still come
  await hears(student, { beeps: 3, since: muted });
  await ownMicrophone("取消静音").click();
  await page.getByRole("button", { name: "停止共享" }).first().click();
  await until("the student's page shows no screen any more", async () => {
    const since = Date.now() - 1000;
    const { videos } = await student.report();
    return !videos.some((video) => video.frames.some(([frame, , , at]) => at > since && frame >= 400_000));
  });
  await seesCamera(student, 0, { frames: 10, since: Date.now() });
});

test("a classroom's screen is admitted, comes on stage and plays; teacher and student see that room", async () => {
  const room = "西沟教学点";
  await showPeople(teacher);
  // The box says what the server has confirmed, so a moment after the click.
  const waitingRoom = teacher.page.getByLabel("新来的人等我同意");
  await waitingRoom.click();
  await until("the waiting room is on", () => waitingRoom.isChecked());
  const screen = await browser.person("screen", { source: sourceOf(9), viewport: { width: 1920, height: 1080 } });
  // Its looks at the class are held up until it has its name: several come back at once then, and it enters once.
  let letGo;
  const named = new Promise((go) => (letGo = go));
  await screen.page.route("**/api/v1/classes/by-code/*", async (route) => {
    await named;
    await route.continue();
  });
  await setUpScreen(screen, server, world.lesson.code, room);
  letGo();
  const admit = teacher.page.getByRole("button", { name: `同意: ${room}` });
  await admit.waitFor();
  assert.equal((await screen.report()).videos.length, 0, "who waits sees nothing of the class");
  const admitted = Date.now();
  await admit.click();
  const { frames } = await seesCamera(screen, 0, { frames: 10 });
  figures.classroomMs = Math.round(frames[0][3] - admitted);
  await hears(screen);
  await seesCamera(teacher, 9, { frames: 10 });
  await seesCamera(student, 9, { frames: 10 });
  await until("the list shows the room", () => teacher.page.locator("[data-person]").filter({ hasText: room }).first().isVisible());
  assert.equal(await teacher.page.locator("[data-person]").filter({ hasText: room }).count(), 1, "the room is in class once");
  assert.equal(await admit.count(), 0, "and does not wait besides");
});

test("no page had an uncaught error or broke the content security policy", () => {
  for (const person of browser.people) assert.deepEqual(person.faults, [], person.name);
});
