// What cameras sent against what their archive holds: by the cameras' own ledger, over rotations, losses, silences and
// servers killed in the middle. In its long form: twenty cameras, half of them H.265, half of them UDP, half an hour.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, stat } from "node:fs/promises";
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
const COUNT = Number(process.env.E2E_CAMERAS ?? pick(4, 20));
const SECONDS = Number(process.env.E2E_SECONDS ?? pick(30, 1800));
const KILLS = Number(process.env.E2E_KILLS ?? pick(2, 20));

/** What a fault is called in the list of what is missing; without a cause, nothing is. A camera that hangs up and answers again is no fault of the network. */
const CAUSES = {
  silent: "camera_silent", wrong_password: "camera_silent", reconnect: "camera_silent", port_closed: "network", loss: "loss",
  parameter_change: null, keyframes_30s: null, clock_off: null,
};

let server;
let peer;
let site;
let cameras;
const figures = {};
const aims = {};

const script = pick(shortScript, longScript)();

/** Three cameras have one fault each, in the middle of the run. */
function shortScript() {
  const at = (share) => Math.round(SECONDS * share) + 5;
  return [
    { camera: 1, from_s: at(0.3), to_s: at(0.3) + 7, fault: "silent" },
    { camera: 2, from_s: at(0.3), to_s: at(0.3) + 7, fault: "loss", share: 0.02 },
    { camera: 3, from_s: at(0.5), to_s: at(0.5) + 1, fault: "reconnect" },
  ];
}

/** Three cameras of five have faults, in turn, each at its own phase of seconds and minutes; the others have none. */
function longScript() {
  const kinds = [
    ["silent", 7], ["loss", 6, { share: 0.02 }], ["reconnect", 1], ["port_closed", 9], ["loss", 10, { burst: 12, every_s: 3 }],
    ["parameter_change", 20], ["wrong_password", 8], ["silent", 31], ["keyframes_30s", 65], ["clock_off", 15, { seconds: 40 }],
  ];
  const faults = [];
  const faulty = Array.from({ length: COUNT }, (_, n) => n + 1).filter((number) => number % 5 !== 0 && number % 5 !== 4);
  for (let turn = 0; 60 + turn * 41 < SECONDS - 120; turn += 1) {
    const [fault, seconds, more = {}] = kinds[turn % kinds.length];
    const from = 60 + turn * 41;
    faults.push({ camera: faulty[(turn * 5 + Math.floor(turn / 12)) % faulty.length], from_s: from, to_s: from + seconds, fault, ...more });
  }
  return faults;
}

before(async () => {
  peer = await Cameras.start("archive", { cameras: COUNT, script, portEach: true });
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
  const held = await archivedUnits(await recordingsOf(server, camera), trackOf(camera, stream), { since: from });
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
  figures.until = to;
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

/** The holes in what was sent whole of a stream: pictures that did not come, and those that can't be decoded for want of one. */
function holes(frames, usual, slack = 400) {
  const found = [];
  let last;
  let spoiled;
  let lossy = false;
  for (const frame of frames) {
    const whole = frame.to > 0 && frame.lost === 0 && frame.late === 0;
    const away = last !== undefined && frame.utc_ms - last > usual + slack;
    if ((away || !whole) && spoiled === undefined) spoiled = away ? last + usual : frame.utc_ms;
    lossy ||= frame.to > 0 && frame.lost > 0;
    if (whole && frame.key && spoiled !== undefined) {
      found.push({ from: spoiled, to: frame.utc_ms, lossy });
      [spoiled, lossy] = [undefined, false];
    }
    if (frame.to > 0) last = frame.utc_ms;
  }
  return found;
}

/** Spans that touch, or nearly, as one. */
function joined(spans, within = 200) {
  const whole = [];
  for (const { from, to, lossy = false } of spans.toSorted((a, b) => a.from - b.from)) {
    const last = whole.at(-1);
    if (last && from <= last.to + within) Object.assign(last, { to: Math.max(last.to, to), lossy: last.lossy || lossy });
    else whole.push({ from, to, lossy });
  }
  return whole;
}

test("every absence is listed with its cause, where it was", { timeout }, async () => {
  figures.gaps = [];
  figures.stalls = [];
  const wrong = [];
  const end = figures.until;
  for (const number of cameras.keys()) {
    const { gaps } = await site.officer.get(`/patrol/cameras/${cameras.get(number).id}/day?from=${figures.began}&to=${end}`);
    const faults = await Promise.all(script.filter((line) => line.camera === number).map(async ({ fault, from_s: at }) => {
      const after = peer.startedAt + at * 1000 - 5000;
      const start = await peer.faultEdge(number, "start", { fault, after });
      return { fault, at, start, end: await peer.faultEdge(number, "end", { fault, after: start }) };
    }));
    for (const [stream, usual] of [["main", 40], ["sub", 67]]) {
      const sent = await sentFrames(peer.ledger, { camera: number, stream, from: figures.began, to: end });
      const were = joined(holes(sent, usual)).filter(({ to }) => to < end - 2000);
      const mine = gaps.filter((gap) => gap.stream === null || gap.stream === stream);
      const listed = joined(mine);
      for (const hole of were) {
        const gap = listed.find(({ from, to }) => from < hole.to && to > hole.from);
        const fault = faults.find((one) => one.start - 1000 < hole.to && one.end + 1000 > hole.from);
        const causes = mine.filter(({ from, to }) => gap && from < gap.to && to > gap.from).map(({ cause }) => cause);
        const row = {
          number, stream, fault: fault?.fault ?? null, forMs: hole.to - hole.from, causes: [...new Set(causes)],
          startMs: gap ? gap.from - hole.from : null, endMs: gap ? gap.to - hole.to : null,
        };
        if (!fault && !hole.lossy) {
          // Nothing was lost: a busy machine let the peer pause, whether long enough to be listed or not.
          figures.stalls.push(row);
          continue;
        }
        figures.gaps.push(row);
        if (!gap || !fault || !causes.includes(CAUSES[fault.fault])) wrong.push({ ...row, why: "not listed as what it was" });
      }
      // A camera that hangs up and answers at once leaves a short one, which is listed because it hung up.
      const any = holes(sent, usual, usual);
      for (const gap of listed.filter(({ to }) => to < end - 2000)) {
        if (!any.some(({ from, to }) => gap.from < to + 100 && gap.to > from - 100)) wrong.push({ number, stream, gap, why: "listed, and was not" });
      }
    }
    for (const { fault, at } of faults) {
      if (CAUSES[fault] && !figures.gaps.some((row) => row.number === number && row.fault === fault)) wrong.push({ number, fault, at, why: "left no hole" });
    }
  }
  const edges = figures.gaps.flatMap(({ startMs, endMs }) => [startMs, endMs]).filter((edge) => edge !== null).map(Math.abs);
  aims.gapEdgeMsWorst = [Math.max(...edges), "<=", 100];
  assert.deepEqual(wrong, []);
  assert.ok(figures.gaps.length >= script.filter(({ fault }) => CAUSES[fault]).length);
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
  // Decoding half an hour of twenty cameras takes two cores an hour: all of the substreams, of the main streams what lies about
  // faults and kills and each tenth part besides; of the rest, the container and the headers are read.
  const jobs = [];
  for (const [number, { id }] of cameras) {
    const faults = (await peer.lines((line) => line.t === "fault" && line.camera === number)).map(({ utc_ms: at }) => at);
    for (const directory of await recordingsOf(server, id)) {
      for (const name of (await readdir(directory)).filter((one) => one.endsWith(".cmf"))) {
        const { mtimeMs, birthtimeMs, size } = await stat(join(directory, name));
        const near = faults.some((at) => birthtimeMs - 5000 < at && at < mtimeMs + 5000);
        const small = size < 12_000_000;
        const decode = small || near || (jobs.length + number) % 10 === 0;
        // Each picture keeps its time: at a guessed frame rate two of them would fall on one tick, and that is told as an error.
        jobs.push({ file: join(directory, name), how: decode ? ["-vsync", "passthrough", "-enc_time_base", "1:90000"] : ["-c", "copy"], decode });
      }
    }
  }
  figures.parts = { decoded: jobs.filter(({ decode }) => decode).length, read: jobs.filter(({ decode }) => !decode).length };
  const next = jobs.values();
  const wrong = [];
  const worker = async () => {
    for (const { file, how } of next) {
      const { stderr: errors } = await run("ffmpeg", ["-v", "error", "-threads", "1", "-i", file, ...how, "-f", "null", "-"], { maxBuffer: 1 << 26 });
      if (errors) wrong.push({ file, errors: errors.slice(0, 500) });
    }
  };
  await Promise.all([worker(), worker()]);
  assert.deepEqual(wrong, [], "all parts decode");
});
