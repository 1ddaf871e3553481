// The disk is full while a class runs: the class goes on, the recording stops cleanly, and both the teacher and the operator
// are told.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before } from "node:test";
import { Browser } from "../lib/browser.mjs";
import { endClass, enter, hears, openClass, says, saysRecording, seesCamera, signedIn, sourceOf } from "../lib/classroom.mjs";
import { namespacesImpossible } from "../lib/lines.mjs";
import { archivedFrames, recordingDirectory } from "../lib/recording.mjs";
import { record } from "../lib/report.mjs";
import { Server } from "../lib/server.mjs";
import { failed, test } from "../lib/test.mjs";
import { until } from "../lib/wait.mjs";
import { makeWorld } from "../lib/world.mjs";

const skip = namespacesImpossible();
const DISK_MIB = 48;
let server;
let browser;
let world;
let teacher;
let student;
const figures = {};

before(async () => {
  if (skip) return;
  // A disk of its own, that only this process and its children see.
  const prepare = async ({ data }) => {
    await mkdir(data);
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_MIB}m`, "tmpfs", data]);
  };
  server = await Server.start("disk", { storage: { reserve_mib: 4 } }, { prepare });
  browser = await Browser.launch();
  world = await makeWorld(server);
  teacher = await browser.person("teacher", { source: sourceOf(0) });
  await signedIn(teacher, world.teacher);
  await openClass(teacher, server, world.lesson.code);
  student = await browser.person("小明", { source: sourceOf(1) });
  await enter(student, server, world.lesson.code, { name: "小明" });
  await seesCamera(student, 0, { frames: 50 });
  await saysRecording(teacher);
});

after(async () => {
  if (skip) return;
  await record("disk", figures);
  await browser?.close({ failed: failed(), suite: "disk" });
  await server?.stop();
  // Kept data would be a mount that ends with this process.
  if (server) execFileSync("umount", [server.data]);
  await server?.close();
});

/** The file that takes all the room there is. */
const filler = () => join(server.data, "filler");

async function fill() {
  const mebibyte = Buffer.alloc(1 << 20);
  for (let written = 0; ; written += 1) {
    try {
      await writeFile(filler(), mebibyte, { flag: "a" });
    } catch (error) {
      if (error.code === "ENOSPC") return written;
      throw error;
    }
  }
}

test("the teacher's page and the metrics say that the recording stopped, and the class goes on", { skip }, async () => {
  const full = Date.now();
  figures.filledMib = await fill();
  await says(teacher, "录制已中断：服务器磁盘已满或有故障。", "课堂照常进行", "告诉管理员");
  figures.alarmMs = Date.now() - full;
  await until("the teacher's bar says that it is not recorded", () => teacher.page.locator('[data-fact="recording"][data-state="failed"]').isVisible());
  await until("the metrics say so", async () =>
    (await server.metric("lectern_recorder_failed")) === 1 && (await server.metric("lectern_recorder_failures_total")) >= 1);
  const since = Date.now();
  await seesCamera(student, 0, { frames: 50, since });
  await hears(student, { beeps: 2, since });
  // Control goes on as well: someone comes in.
  const late = await browser.person("小红", { source: sourceOf(2) });
  await enter(late, server, world.lesson.code, { name: "小红" });
  await seesCamera(late, 0, { frames: 10 });
  await late.context.close();
});

test("what was recorded until then is whole, and says what is missing", { skip }, async () => {
  await rm(filler());
  await saysRecording(teacher); // there is room again: it goes on
  await endClass(teacher);
  const item = await until("the lesson is in the library", async () => (await world.teacher.get("/recordings")).items.find((one) => one.status !== "live"), 60_000);
  const detail = await world.teacher.get(`/recordings/${item.id}`);
  assert.ok(detail.gaps.some((gap) => gap.cause === "disk"), `the gap is named: ${JSON.stringify(detail.gaps)}`);
  const directory = await recordingDirectory(server, item.id);
  const { code, stdout, stderr } = server.command("recorder", "check", directory);
  assert.equal(code, 0, stdout + stderr);
  const files = await archivedFrames(directory);
  const frames = Object.values(files).flatMap(({ numbers }) => numbers).filter((frame) => frame < 100_000);
  assert.ok(frames.length > 25, `${frames.length} frames were kept`);
  Object.assign(figures, { gaps: detail.gaps, frames: frames.length });
  for (const person of browser.people) assert.deepEqual(person.faults, [], person.name);
});
