// What cameras sent against what their archive holds: by the cameras' own ledger, over rotations, losses, silences and
// servers killed in the middle. In its long form: twenty cameras, half of them H.265, half of them UDP, half an hour.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before } from "node:test";
import { promisify } from "node:util";
import { Cameras } from "../lib/cameras.mjs";
import { archivedUnits, recordingsOf, sentFrames, trackOf } from "../lib/ledger.mjs";
import { addCameras, allLive, makeSite } from "../lib/patrol.mjs";
import { pick, record } from "../lib/report.mjs";
import { Server } from "../lib/server.mjs";
import { failed, test } from "../lib/test.mjs";
import { measureFor, until } from "../lib/wait.mjs";

const run = promisify(execFile);
const COUNT = pick(4, 20);
const SECONDS = Number(process.env.E2E_SECONDS ?? pick(30, 1800));
const KILLS = pick(2, 20);

let server;
let peer;
let site;
let cameras;
const figures = {};
const aims = {};

/** Faults of the script: each camera that has one has it once, in the middle of the run. */
const at = (share) => Math.round(SECONDS * share);
const script = [
  { camera: 1, from_s: at(0.3) + 5, to_s: at(0.3) + 12, fault: "silent" },
  { camera: 2, from_s: at(0.3) + 5, to_s: at(0.3) + 12, fault: "loss", share: 0.02 },
  { camera: 3, from_s: at(0.5) + 5, to_s: at(0.5) + 6, fault: "reconnect" },
];

before(async () => {
  peer = await Cameras.start("archive", { cameras: COUNT, script });
  // Rotations every minute in the long form; in the short one every ten seconds.
  server = await Server.start("archive", { patrol: { allow_loopback: true, roll_s: pick(10, 60) } });
  site = await makeSite(server);
  cameras = await addCameras(site.manager, peer, site.site, COUNT);
  await allLive(site.manager, site.site);
  figures.began = Date.now();
});

after(async () => {
  await record("archive", figures, aims).finally(async () => {
    await server?.close({ keep: failed() });
    await peer?.close();
  });
});

/** Frames of a stream that should be in the archive and are not, of those sent between two moments. */
async function missing(number, stream, from, to) {
  const camera = cameras.get(number).id;
  const held = await archivedUnits(await recordingsOf(server, camera), trackOf(camera, stream));
  const sent = await sentFrames(peer.ledger, { camera: number, stream, from, to });
  const whole = sent.filter((frame) => frame.to > 0 && frame.lost === 0 && frame.late === 0);
  return { sent: sent.length, whole: whole.length, missing: whole.filter(({ sha256 }) => !held.units.has(sha256)), held };
}

/** Far above what each test waits for. */
const timeout = 300_000 + 2_000 * SECONDS + 60_000 * KILLS;

test(`${COUNT} cameras for ${SECONDS} s: every access unit that arrived whole is kept`, { timeout }, async () => {
  await measureFor(SECONDS * 1000);
  const to = Date.now() - 2000;
  const from = figures.began;
  await until("all of it is durable", async () => {
    const { cameras: all } = await site.manager.get(`/patrol/places/${site.site.id}/cameras`);
    return all.every(({ status }) => status.durable > to);
  });
  const rows = [];
  for (const number of cameras.keys()) {
    for (const stream of ["main", "sub"]) rows.push({ number, stream, ...(await missing(number, stream, from, to)) });
  }
  figures.streams = rows.map(({ number, stream, sent, whole, missing: lost, held }) => ({
    number, stream, sent, whole, missing: lost.length, playable: held.playable, raw: held.raw, parts: held.parts,
  }));
  figures.sentWhole = rows.reduce((sum, { whole }) => sum + whole, 0);
  figures.missing = rows.reduce((sum, { missing: lost }) => sum + lost.length, 0);
  aims.missingUnits = [figures.missing, "<=", 0];
  assert.ok(rows.every(({ whole }) => whole > SECONDS * 5), JSON.stringify(figures.streams));
  assert.ok(rows.every(({ held }) => held.parts >= 2), `rotated: ${JSON.stringify(figures.streams)}`);
  const lost = rows.flatMap(({ number, stream, missing: frames }) => frames.slice(0, 3).map(({ frame, utc_ms }) => `${number} ${stream} #${frame} at ${utc_ms - from} ms`));
  assert.deepEqual(lost, []);
});

test("every absence is listed with its cause, where it was", async () => {
  const day = async (number) => site.officer.get(`/patrol/cameras/${cameras.get(number).id}/day?from=${figures.began}&to=${Date.now()}`);
  figures.gaps = [];
  for (const [number, cause] of [[1, "camera_silent"], [2, "loss"], [3, "network"]]) {
    const { gaps } = await day(number);
    const edges = [];
    for (const edge of ["start", "end"]) edges.push(await peer.faultEdge(number, edge));
    const [start, end] = edges;
    const near = gaps.filter(({ from, to }) => to >= start - 500 && from <= end + 5000);
    figures.gaps.push({ number, cause, start, end, gaps: near });
    assert.ok(near.length > 0, `camera ${number}: no gap near its fault; ${JSON.stringify(gaps)}`);
    if (cause === "camera_silent") {
      assert.ok(near.some((gap) => gap.cause === cause), JSON.stringify(near));
      const from = Math.min(...near.map((gap) => gap.from));
      aims.silenceEdgeMs = [Math.abs(from - start), "<=", 100];
    }
  }
  // A healthy camera has none.
  const { gaps } = await day(4);
  assert.deepEqual(gaps, [], "a healthy camera has no gap");
});

test(`kill -9, ${KILLS} times: what was received a second before is kept, the downtime is an entry`, { timeout }, async () => {
  figures.kills = [];
  for (let kill = 0; kill < KILLS; kill += 1) {
    const from = Date.now();
    await measureFor(3000 + Math.random() * pick(1000, 5000));
    await server.kill();
    const killed = server.killedAt;
    await server.launch();
    await allLive(site.manager, site.site, 30_000);
    figures.kills.push({ downMs: server.readyAt - killed, backMs: Date.now() - server.readyAt });
    for (const number of cameras.keys()) {
      const { whole, missing: lost } = await missing(number, "main", from, killed - 1000);
      assert.ok(whole > 0);
      assert.deepEqual(lost.map(({ frame }) => frame), [], `camera ${number}, kill ${kill}`);
      await until(`camera ${number}: the downtime of kill ${kill} is listed`, async () => {
        const { gaps } = await site.officer.get(`/patrol/cameras/${cameras.get(number).id}/day?from=${from}&to=${Date.now()}`);
        return gaps.some((gap) => gap.cause === "restart" && gap.from < server.readyAt && gap.to > killed - 1500);
      }, 20_000, { detail: () => site.officer.get(`/patrol/cameras/${cameras.get(number).id}/day?from=${from}&to=${Date.now()}`) });
    }
  }
  aims.backWithinMsWorst = [Math.max(...figures.kills.map(({ backMs }) => backMs)), "<=", 5000];
});

test("chain and signatures verify across it all, and the playable view decodes without an error", { timeout }, async () => {
  await until("every camera was recorded for a while again", async () => {
    const { cameras: all } = await site.manager.get(`/patrol/places/${site.site.id}/cameras`);
    return all.every(({ status }) => status.durable > server.readyAt + 5000);
  });
  await server.stop();
  const { code, stdout, stderr } = server.command("recorder", "check", join(server.data, "cameras"));
  assert.equal(code, 0, stdout + stderr);
  for (const { id } of cameras.values()) {
    for (const directory of await recordingsOf(server, id)) {
      for (const name of (await readdir(directory)).filter((one) => one.endsWith(".cmf"))) {
        const { stderr: errors } = await run("ffmpeg", ["-v", "error", "-i", join(directory, name), "-f", "null", "-"], { maxBuffer: 1 << 26 });
        assert.equal(errors, "", `${name} decodes`);
      }
    }
  }
});
