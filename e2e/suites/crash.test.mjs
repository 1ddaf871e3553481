// kill -9 in mid-class: everybody is back by themselves, nothing that was received a second before is lost, and the lesson
// is one recording with the downtime as a marked gap.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { Browser } from "../lib/browser.mjs";
import { endClass, enter, hears, openClass, saysRecording, seesCamera, signedIn, sourceOf } from "../lib/classroom.mjs";
import { archivedFrames, missingFrames, playInPage, recordingDirectory, unlisted } from "../lib/recording.mjs";
import { pick, record } from "../lib/report.mjs";
import { Server } from "../lib/server.mjs";
import { failed, test } from "../lib/test.mjs";
import { measureFor, until } from "../lib/wait.mjs";
import { makeWorld } from "../lib/world.mjs";

const KILLS = pick(1, 10);
let server;
let browser;
let world;
let teacher;
let student;
const figures = { kills: [] };
const aims = {};
/** Frames that the student had decoded more than a second before a kill: these must be in the recording. */
const safe = new Map();
/** The last frame that was safe before the last kill, and the first that was seen after it. */
const around = {};
let detail;

before(async () => {
  server = await Server.start("crash");
  browser = await Browser.launch();
  world = await makeWorld(server);
  teacher = await browser.person("teacher", { source: sourceOf(0) });
  await signedIn(teacher, world.teacher);
  await openClass(teacher, server, world.lesson.code);
  student = await browser.person("小明", { source: sourceOf(1) });
  await enter(student, server, world.lesson.code, { name: "小明" });
  await seesCamera(student, 0, { frames: 50 });
});

after(async () => {
  await record("crash", figures, aims).finally(async () => {
    await browser?.close({ failed: failed(), suite: "crash" });
    await server?.close({ keep: failed() });
  });
});

test(`kill -9, ${KILLS} times: everybody is back by themselves`, async () => {
  for (let kill = 0; kill < KILLS; kill += 1) {
    await measureFor(2000 + Math.random() * pick(1000, 4000)); // any moment
    await server.kill();
    // Of this life of the server only: the last second of the one before may be lost too.
    const inTime = (at) => at > server.readyAt && at < server.killedAt - 1000;
    for (const video of (await student.report()).videos) {
      for (const seen of video.frames) if (seen[0] < 100_000 && inTime(seen[3])) safe.set(seen[0], seen);
    }
    await server.launch();
    const back = await seesCamera(student, 0, { frames: 5, since: server.readyAt, within: 60_000 });
    await hears(student, { beeps: 1, since: server.readyAt });
    await saysRecording(teacher);
    Object.assign(around, { before: Math.max(...safe.keys()), after: back.frames[0][0] });
    figures.kills.push({ downMs: server.readyAt - server.killedAt, backMs: Math.round(back.frames[0][3] - server.readyAt) });
  }
  aims.backWithinMsWorst = [Math.max(...figures.kills.map(({ backMs }) => backMs)), "<=", 5000];
});

test("the lesson is one recording, with each downtime as a gap", async () => {
  await seesCamera(student, 0, { frames: 75, since: server.readyAt }); // enough to be played afterwards
  await endClass(teacher);
  const page = await until("the lesson is in the library", async () => {
    const found = await world.teacher.get("/recordings");
    return found.items.some((item) => item.status === "done") && found;
  }, 60_000);
  assert.equal(page.items.length, 1, "one recording");
  detail = await world.teacher.get(`/recordings/${page.items[0].id}`);
  const restarts = detail.gaps.filter((gap) => gap.cause === "restart" && gap.track === null);
  assert.equal(restarts.length, KILLS, `each restart is a gap: ${JSON.stringify(detail.gaps)}`);
  const directory = await recordingDirectory(server, detail.id);
  const { code, stdout, stderr } = server.command("recorder", "check", directory);
  assert.equal(code, 0, stdout + stderr);
  const files = await archivedFrames(directory);
  const missing = missingFrames(files, safe.values());
  const frames = new Set(Object.values(files).flatMap(({ numbers }) => numbers)).size;
  Object.assign(figures, { frames, safe: safe.size, missing, gaps: detail.gaps });
  const unaccounted = unlisted(missing, detail.gaps);
  aims.missingFrames = [missing.lost.length + unaccounted.length, "<=", 0];
  assert.ok(safe.size > 0, "some frames were seen in time");
  assert.deepEqual(missing.lost, [], "every frame received a second before a kill is in the recording");
  assert.deepEqual(unaccounted, [], "what a change of layer leaves out is listed");
});

test("it plays without repair: hls.js goes on from before a restart to after it", async () => {
  const gap = detail.gaps.findLast(({ cause, track }) => cause === "restart" && track === null);
  const viewer = await browser.person("player");
  await signedIn(viewer, world.teacher);
  await viewer.page.goto(`${server.url}/library`);
  const from = Math.max(0, gap.from_ms / 1000 - 2);
  const { seen, errors } = await playInPage(viewer.page, "hls.js", `/vod/${detail.id}/index.m3u8`, { frames: 150, from });
  const told = `${seen.length} frames, ${seen[0]} to ${seen.at(-1)}, around ${JSON.stringify(around)}; ${[...new Set(errors)].join(", ")}`;
  assert.ok(seen.some((frame) => frame <= around.before), `the picture before the restart: ${told}`);
  assert.ok(seen.filter((frame) => frame >= around.after && frame < 100_000).length > 25, `the picture after it: ${told}`);
  assert.ok(!errors.some((error) => error.includes("fatal")), told);
});
