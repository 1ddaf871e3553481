// Sound on the wall: a camera that sends AAC, then one that sends G.711, then none, each at a click. What arrives is counted by
// the browser; nothing is decoded for a camera that nobody listens to; a worker that hangs costs a sound, no picture.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before } from "node:test";
import { Browser } from "../lib/browser.mjs";
import { Cameras } from "../lib/cameras.mjs";
import { signedIn } from "../lib/classroom.mjs";
import { addCameras, allLive, makeSite } from "../lib/patrol.mjs";
import { pick, record } from "../lib/report.mjs";
import { ROOT, Server } from "../lib/server.mjs";
import { failed, test } from "../lib/test.mjs";
import { measureFor, until } from "../lib/wait.mjs";

/** Whole rounds of what the peers play. */
const SECONDS = pick(8, 32);

let server;
let peers = [];
let site;
let aac;
let g711;
let browser;
let officer;
const figures = {};
const aims = {};

const tile = (camera) => officer.page.locator(`.wall-tile[data-camera="${camera.id}"]`);

/** What the browser has of the sound line: { codec, packets, energy, samples, concealed, seconds }. */
const heard = () => officer.page.evaluate(async () => {
  for (const connection of window.lecternWall.connections.filter((one) => one.connectionState === "connected")) {
    const report = await connection.getStats();
    for (const row of report.values()) {
      if (row.type !== "inbound-rtp" || row.kind !== "audio") continue;
      return {
        codec: report.get(row.codecId)?.mimeType ?? null, packets: row.packetsReceived, lost: row.packetsLost, energy: row.totalAudioEnergy,
        samples: row.totalSamplesReceived, concealed: row.concealedSamples - row.silentConcealedSamples, seconds: row.totalSamplesDuration,
      };
    }
  }
  return null;
});

/** Worker processes for sound, children of the server. */
async function workers() {
  const found = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const words = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    if (words.includes("sound-worker") && Number(stat.split(") ")[1]?.split(" ")[1]) === server.pid) found.push(Number(pid));
  }
  return found;
}

/** Listens to a camera by its tile and measures for a while. */
async function listenTo(camera) {
  await tile(camera).click();
  const before = await heard();
  await officer.page.keyboard.press("m");
  await until("sound arrives", async () => (await heard())?.energy > (before?.energy ?? 0) + 1e-4, 20_000, { everyMs: 100 });
  const from = await heard();
  await measureFor(SECONDS * 1000);
  const to = await heard();
  const [samples, concealed] = [to.samples - from.samples, to.concealed - from.concealed];
  return {
    codec: to.codec, packets: to.packets - from.packets, energy: to.energy - from.energy, seconds: to.seconds - from.seconds, lost: to.lost - from.lost,
    concealedShare: concealed / Math.max(1, samples),
  };
}

before(async () => {
  peers = await Promise.all(["aac", "pcma"].map((sound) => Cameras.start(`wall-sound-${sound}`, { cameras: 1, h265Every: 9, mainKbps: 1000, sound })));
  server = await Server.start("wall-sound", { patrol: { allow_loopback: true } });
  site = await makeSite(server);
  const plain = () => ({ record: false, transport: "tcp" });
  [aac, g711] = [(await addCameras(site.manager, peers[0], site.site, 1, () => ({ ...plain(), name: "AAC" }))).get(1), (await addCameras(site.manager, peers[1], site.site, 1, () => ({ ...plain(), name: "G.711" }))).get(1)];
  await allLive(site.manager, site.site);
  const layout = await site.officer.post("/patrol/layouts", { name: "声音", tiles: 4, cameras: [aac.id, g711.id], tour: null });
  browser = await Browser.launch();
  officer = await browser.person("officer", { probe: "wall-probe", viewport: { width: 1280, height: 800 } });
  await signedIn(officer, site.officer);
  await officer.page.goto(`${server.url}/wall?layout=${layout.id}`);
  await until("both tiles show pictures", async () => {
    for (const camera of [aac, g711]) if ((await tile(camera).getAttribute("data-phase")) !== "shown") return false;
    return true;
  }, 60_000);
});

after(async () => {
  await record("wall-sound", figures, aims).finally(async () => {
    await browser?.close({ failed: failed(), suite: "wall-sound" });
    await server?.close({ keep: failed() });
    await Promise.all(peers.map((peer) => peer.close({ keep: failed() })));
  });
});

test("nothing is decoded while nobody listens", async () => {
  assert.deepEqual(await workers(), []);
  assert.equal((await server.metric("lectern_transcode_units_total")) || 0, 0);
});

test("a camera that sends AAC is heard", async () => {
  figures.aac = await listenTo(aac);
  assert.equal(figures.aac.codec, "audio/PCMA");
  assert.ok(figures.aac.energy > 1e-3, `it is loud enough to be heard: ${figures.aac.energy}`);
  assert.equal((await workers()).length, 1, "one worker makes it");
  // A name that is not there counts as nothing: this says that it is the right one.
  assert.ok((await server.metric("lectern_transcode_units_total")) > 0, "what is heard is counted");
  assert.equal((await server.metric("lectern_transcode_units_total", { result: "damaged" })) || 0, 0);
  aims.aacConcealed = [figures.aac.concealedShare, "<=", 0.05];
  await officer.page.screenshot({ path: join(ROOT, "target/e2e/wall-sound.png") });
});

test("a worker that hangs is replaced, and the tile says that its sound can't be played", async () => {
  const counted = async () => [
    await server.metric("lectern_transcode_worker_restarts_total", { reason: "hung" }) || 0,
    await server.metric("lectern_transcode_sounds_given_up_total", { reason: "fatal" }) || 0,
  ];
  const before = await counted();
  const [hung] = await workers();
  process.kill(hung, "SIGSTOP");
  await tile(aac).getByText("声音无法播放").waitFor();
  assert.equal(await tile(aac).getAttribute("data-phase"), "shown", "its picture stays");
  assert.deepEqual(await counted(), before.map((count) => count + 1), "one worker hung, one sound is given up for it");
  await until("it is gone", async () => !(await workers()).includes(hung), 10_000);
  await officer.page.screenshot({ path: join(ROOT, "target/e2e/wall-sound-unplayable.png") });
});

test("then one that sends G.711, on the same line", async () => {
  figures.g711 = await listenTo(g711);
  assert.equal(figures.g711.codec, "audio/PCMA");
  assert.ok(figures.g711.energy > 1e-3, `it is loud enough to be heard: ${figures.g711.energy}`);
  aims.g711Concealed = [figures.g711.concealedShare, "<=", 0.05];
  // The two peers play the same sound: one must not be half as loud as the other.
  const [one, other] = [figures.aac, figures.g711].map(({ energy, seconds }) => energy / seconds);
  figures.louderDb = 10 * Math.log10(one / other);
  assert.ok(Math.abs(figures.louderDb) < 6, `${figures.louderDb} dB between them`);
  const units = await server.metric("lectern_transcode_units_total");
  await until("the AAC of before is not decoded any more", async () => {
    const before = await server.metric("lectern_transcode_units_total");
    await measureFor(500);
    return (await server.metric("lectern_transcode_units_total")) === before;
  }, 10_000);
  figures.units = units;
});

test("and off", async () => {
  await officer.page.keyboard.press("m");
  await until("no packet of sound comes any more", async () => {
    const before = await heard();
    await measureFor(400);
    return (await heard()).packets === before.packets;
  }, 10_000);
  await until("the worker has gone home", async () => (await workers()).length === 0, 60_000, { everyMs: 500 });
  assert.deepEqual(officer.faults, []);
});
