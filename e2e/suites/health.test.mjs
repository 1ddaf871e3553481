// Faults of cameras by script against the alarms that people see: each kind found and over again afterwards, nothing said of
// cameras that are well. In its long form: twenty cameras for twenty minutes, and how soon.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { Cameras } from "../lib/cameras.mjs";
import { addCameras, allLive, makeSite, withFactor } from "../lib/patrol.mjs";
import { ACCEPT, pick, record } from "../lib/report.mjs";
import { Server } from "../lib/server.mjs";
import { failed, test } from "../lib/test.mjs";
import { until } from "../lib/wait.mjs";

const COUNT = pick(6, 20);
const SECONDS = Number(process.env.E2E_SECONDS ?? pick(66, 1200));

/**
 * Faults of the peer: the alarm each must raise, and what may be said besides, because it is so. An alarm that is none of
 * these is wrong.
 */
const KINDS = {
  silent: { alarm: "no_stream" },
  port_closed: { alarm: "no_stream" },
  frozen: { alarm: "frozen", picture: true },
  black: { alarm: "black", picture: true },
  white: { alarm: "white", picture: true },
  covered: { alarm: "covered", picture: true },
  blurred: { alarm: "blurred", picture: true },
  moved: { alarm: "moved", picture: true },
  clock_off: { alarm: "wrong_clock", with: { seconds: 5 } },
  no_sound: { alarm: "no_sound" },
  slow_frames: { alarm: "frame_rate", also: ["bit_rate"] },
  loss: { alarm: "bit_rate", also: ["frame_rate", "undecodable"], with: { share: 0.95 }, stream: "sub" },
  // A camera that comes back at once is well.
  reconnect: { alarm: null },
};

/** A line of the script. Health looks at substreams: a fault of the picture there is enough, and needs no large clips. */
const line = (camera, fault, from, to) => {
  const { picture, stream, with: more } = KINDS[fault];
  return { camera, fault, from_s: from, to_s: to, ...(picture || stream ? { stream: "sub" } : {}), ...more };
};

/** Two rounds of five cameras; the sixth is well. What is usual must be learnt before: half a minute is plenty. */
const short = () => [
  line(1, "silent", 30, 38), line(2, "frozen", 30, 42), line(3, "black", 30, 42), line(4, "covered", 30, 42), line(5, "blurred", 30, 42),
  line(1, "clock_off", 48, 66), line(2, "white", 50, 62), line(3, "moved", 50, 62), line(4, "no_sound", 50, 64), line(5, "slow_frames", 50, 64),
];

/** Sixteen cameras with a fault of 20 s every 110 s, each time another; four are well all the time. */
function long() {
  const kinds = Object.keys(KINDS);
  const found = [];
  for (let camera = 1; camera <= COUNT - 4; camera += 1) {
    for (let round = 0, from = 60 + 3 * camera; from + 60 <= SECONDS; round += 1, from += 110) {
      found.push(line(camera, kinds[(round + camera) % kinds.length], from, from + 20));
    }
  }
  return found;
}

const script = ACCEPT ? long() : short();

let server;
let peer;
let site;
let cameras;
let watching = true;
let watched;
/** When each alarm was first listed, and first listed as over, by id. */
const told = new Map();
const over = new Map();
const figures = {};
const aims = {};

/** Every alarm of the site, newest first. */
async function allAlarms(person, query = "") {
  const items = [];
  let after = "";
  do {
    const page = await person.get(`/patrol/alarms?place=${site.site.id}${query}${after}`);
    items.push(...page.items);
    after = page.next && `&after=${encodeURIComponent(page.next)}`;
  } while (after);
  return items;
}

/** Notes when alarms appear and end, as somebody who looks at the list without a pause. */
async function watch() {
  while (watching) {
    const open = new Set();
    for (const { id } of await allAlarms(site.officer, "&open=true").catch(() => [])) {
      open.add(id);
      if (!told.has(id)) told.set(id, Date.now());
    }
    for (const id of told.keys()) if (!open.has(id) && !over.has(id)) over.set(id, Date.now());
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

before(async () => {
  server = await Server.start("health", { patrol: { allow_loopback: true } });
  site = await makeSite(server);
  // Half the usual pictures shall be too few.
  const [usual] = (await site.manager.get(`/patrol/places/${site.site.id}/thresholds`)).filter(({ group }) => group === "exam_room");
  await withFactor(site.admin);
  await site.admin.call("PUT", `/api/v1/patrol/places/${site.site.id}/thresholds`, { ...usual, rate_percent: 30 });
  // The script's time runs from here on.
  peer = await Cameras.start("health", { cameras: COUNT, script, mainKbps: 1000, h265Every: 4, sound: "aac" });
  cameras = await addCameras(site.manager, peer, site.site, COUNT, () => ({ transport: "tcp" }));
  await allLive(site.manager, site.site);
  figures.liveAfterMs = Date.now() - peer.startedAt;
  watched = watch();
});

after(async () => {
  watching = false;
  await watched;
  await record("health", figures, aims).finally(async () => {
    await server?.close({ keep: failed() });
    await peer?.close({ keep: failed() });
  });
});

/** The faults as they really were, by the peer's ledger: { camera, fault, from, to }. */
async function injected() {
  const found = [];
  for (const { camera, fault, from_s: at } of script) {
    const wanted = (entry) => entry.t === "fault" && entry.camera === camera && entry.fault === fault && (entry.stream ?? "sub") === "sub"
      && entry.utc_ms >= peer.startedAt + (at - 5) * 1000;
    const edge = (which, from = 0) => until(`camera ${camera}: ${which} of ${fault}`, async () =>
      (await peer.lines((entry) => wanted(entry) && entry.edge === which && entry.utc_ms >= from))[0]?.utc_ms, SECONDS * 1000 + 30_000, { everyMs: 1000 });
    const from = await edge("start");
    found.push({ camera, fault, from, to: await edge("end", from) });
  }
  return found;
}

test(`${script.length} faults on ${COUNT} cameras: each found as what it is, and nothing else said`, { timeout: SECONDS * 1000 + 180_000 }, async () => {
  const faults = await injected();
  await until("every alarm is over", async () => (await allAlarms(site.officer, "&open=true")).length === 0, 60_000, {
    detail: async () => (await allAlarms(site.officer, "&open=true")).map(({ camera_name: name, fault, since }) => ({ name, fault, since })),
  });
  await until("the one who looks has seen it", () => [...told.keys()].every((id) => over.has(id)));
  const numbers = new Map([...cameras].map(([number, { id }]) => [id, number]));
  const alarms = (await allAlarms(site.officer)).map(({ id, camera, fault, since, until: end }) => ({ id, camera: numbers.get(camera), fault, since, end }));

  const matrix = {};
  const count = (was, said) => ((matrix[was] ??= {})[said] = (matrix[was][said] ?? 0) + 1);
  const explained = new Set();
  const rows = faults.map(({ camera, fault, from, to }) => {
    const { alarm, also = [] } = KINDS[fault];
    // An alarm tells when its first sign was seen; two keyframes may lie between that and the fault's end.
    const near = alarms.filter((one) => one.camera === camera && one.since >= from - 1000 && one.since <= to + 6000);
    const right = near.find((one) => one.fault === alarm) ?? near.find((one) => also.includes(one.fault));
    for (const one of near.filter((found) => found.fault === alarm || also.includes(found.fault))) explained.add(one.id);
    const other = near.find((one) => !explained.has(one.id));
    count(fault, right ? alarm : other?.fault ?? "nothing");
    return {
      camera, fault, from, to, found: right?.fault ?? null, wrong: near.filter((one) => !explained.has(one.id)).map((one) => one.fault),
      foundMs: right ? (told.get(right.id) ?? Number.NaN) - from : null, signMs: right ? right.since - from : null,
      clearedMs: right ? over.get(right.id) - to : null,
    };
  });
  const wrong = alarms.filter(({ id }) => !explained.has(id));
  const faulty = (one) => faults.some((was) => was.camera === one.camera && one.since >= was.from - 1000 && one.since <= was.to + 15_000);
  for (const one of wrong) count(faulty(one) ? "beside another fault" : "healthy", one.fault);

  const worst = (rowsOf) => Math.max(...rowsOf.map(({ foundMs }) => foundMs ?? Infinity));
  const wanted = rows.filter(({ fault }) => KINDS[fault].alarm);
  const lost = wanted.filter(({ fault }) => KINDS[fault].alarm === "no_stream");
  const pictures = wanted.filter(({ fault }) => KINDS[fault].picture);
  figures.matrix = matrix;
  figures.faults = rows;
  figures.wrong = wrong.map(({ camera, fault, since, end }) => ({ camera, fault, atMs: since - peer.startedAt, forMs: end - since }));
  figures.foundMs = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, wanted.filter(({ fault }) => fault === kind).map(({ foundMs }) => foundMs)]));
  aims.missed = [wanted.filter(({ found }) => !found).length, "==", 0];
  aims.falseAlarms = [wrong.length, "==", 0];
  aims.noStreamFoundMsWorst = [worst(lost), "<=", 3000];
  aims.pictureFoundMsWorst = [worst(pictures), "<=", 6000];

  assert.deepEqual(wanted.filter(({ found }) => !found).map(({ camera, fault, wrong: said }) => `${fault} on ${camera}: ${said.join(", ") || "nothing"}`), [], "each is found");
  assert.deepEqual(figures.wrong, [], "nothing else is said");
  assert.ok(alarms.every(({ since, end }) => end > since), "each is over, after it began");
});

test("the officer sees them with names and places, and one without rights sees none", async () => {
  const alarms = await allAlarms(site.officer);
  for (const alarm of alarms) {
    assert.match(alarm.camera_name, /^考场 \d\d$/);
    assert.equal(alarm.place_name, site.site.name);
    assert.equal(alarm.acknowledged_by, null);
  }
  const [first] = alarms;
  const taken = await site.officer.call("PATCH", `/api/v1/patrol/alarms/${first.id}`, { acknowledge: true, note: "已派人查看" });
  assert.equal(taken.acknowledged_by, "赵巡查");
  assert.equal(taken.note, "已派人查看");
  const nobody = await fetch(`${server.url}/api/v1/patrol/alarms?place=${site.site.id}`);
  assert.equal(nobody.status, 401);
});
