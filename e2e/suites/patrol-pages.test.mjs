// Every page of exam patrol as people see it, into target/screenshots/patrol-*.png: a site with a camera that is dead, one that
// is frozen, one that is black and acknowledged, a hold, bookmarks, an export, an audit log. Each page must show what it is for.

import assert from "node:assert/strict";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before } from "node:test";
import { Browser } from "../lib/browser.mjs";
import { Cameras } from "../lib/cameras.mjs";
import { signedIn } from "../lib/classroom.mjs";
import { inspect } from "../lib/inspect.mjs";
import { cameraForm, makeSite, withFactor } from "../lib/patrol.mjs";
import { pick, record } from "../lib/report.mjs";
import { ROOT, Server } from "../lib/server.mjs";
import { failed, test } from "../lib/test.mjs";
import { until } from "../lib/wait.mjs";
import { makePerson } from "../lib/world.mjs";

const FOLDER = join(ROOT, "target/screenshots");
const SIZES = { phone: { width: 390, height: 844 }, laptop: { width: 1366, height: 768 }, desktop: { width: 1920, height: 1080 } };
const LOCALES = { zh: "zh-CN", en: "en-GB" };
const COUNT = pick(12, 36);
const DEAD = 3;
const FROZEN = 5;
const BLACK = 6;
/** The room of the papers: an officer needs a rule for it. */
const SEALED = 9;
/** In the short form each page once per language; in the long form every combination. */
const LOOKS = pick(
  [["zh", "laptop", "light"], ["zh", "phone", "light"], ["en", "desktop", "dark"]],
  Object.keys(LOCALES).flatMap((locale) => Object.keys(SIZES).flatMap((size) => ["light", "dark"].map((scheme) => [locale, size, scheme]))),
);
/** Where an officer's computer thinks it is: at every hour one of them has another date than the server, which is in Shanghai. */
const ZONES = { zh: "Pacific/Kiritimati", en: "Pacific/Pago_Pago" };
/** Pages that are dark whatever the system says. */
const WALLS = pick([["zh", "laptop"], ["en", "desktop"]], [["zh", "laptop"], ["zh", "desktop"], ["en", "laptop"], ["en", "desktop"]]);

let server;
let peer;
let site;
let newcomer;
let browser;
const cameras = new Map();
const layouts = {};
const shots = [];
const findings = [];
const latin = {};

/** As a site has them: rooms, the room of the papers, a corridor, a gate, a name that is too long. */
function named(number) {
  if (number === SEALED) return { name: "试卷保密室", group: "sealed_room" };
  if (number === 10) return { name: "一层东侧走廊", group: "corridor" };
  if (number === 11) return { name: "考点大门", group: "gate" };
  if (number === 12) return { name: "第十二考场（备用考场，教学楼三层西侧，靠近楼梯的那一间）前摄像机" };
  return { name: `第${String(number).padStart(2, "0")}考场` };
}

const alarms = async () => (await site.officer.get(`/patrol/alarms?place=${site.site.id}`)).items;

before(async () => {
  await mkdir(FOLDER, { recursive: true });
  for (const file of await readdir(FOLDER)) if (file.startsWith("patrol-")) await rm(join(FOLDER, file));
  server = await Server.start("patrol-pages", { patrol: { allow_loopback: true, roll_s: 60 } });
  site = await makeSite(server);
  await withFactor(site.admin);
  peer = await Cameras.start("patrol-pages", {
    cameras: COUNT, mainKbps: 1000, h265Every: 4, sound: "pcma", scenes: 4,
    script: [
      { camera: 2, from_s: 24, to_s: 30, fault: "silent" },
      { camera: FROZEN, from_s: 24, fault: "frozen", stream: "sub" },
      { camera: BLACK, from_s: 24, fault: "black", stream: "sub" },
      { camera: 7, from_s: 8, fault: "clock_off", seconds: 7 },
    ],
  });
  for (let number = 1; number <= COUNT; number += 1) {
    const more = { ...named(number), transport: "tcp", record: number <= 12, ...(number === DEAD ? { main_url: "rtsp://127.0.0.1:9/main", sub_url: "rtsp://127.0.0.1:9/sub" } : {}) };
    cameras.set(number, await site.manager.post("/patrol/cameras", cameraForm(peer, site.site, number, more)));
  }
  const ids = (...numbers) => numbers.map((number) => cameras.get(number)?.id ?? null);
  const span = (count) => Array.from({ length: count }, (_, n) => n + 1);
  layouts.nine = await site.officer.post("/patrol/layouts", { name: "全部考场", tiles: 9, cameras: ids(...span(9)), tour: null });
  layouts.many = await site.officer.post("/patrol/layouts", { name: "整个考点", tiles: 36, cameras: ids(...span(36)), tour: null });
  newcomer = await makePerson(site.admin, { login: "qian", name: "钱新来", role: "patrol_officer", place: site.site.id });

  await until("frozen, black and dead cameras are told", async () => {
    const open = (await alarms()).filter((one) => one.until === null);
    const has = (number, fault) => open.some((one) => one.camera === cameras.get(number).id && one.fault === fault);
    return has(FROZEN, "frozen") && has(BLACK, "black") && has(DEAD, "no_stream") && has(7, "wrong_clock");
  }, 120_000, { detail: alarms });
  const black = (await alarms()).find(({ fault }) => fault === "black");
  await site.officer.call("PATCH", `/api/v1/patrol/alarms/${black.id}`, { acknowledge: true, note: "考务员已去查看灯光", hand_to: "孙老师" });

  const now = Date.now();
  await site.officer.post(`/patrol/cameras/${cameras.get(1).id}/bookmarks`, { at: now - 15_000, text: "第二排考生举手" });
  await site.officer.post(`/patrol/cameras/${cameras.get(2).id}/bookmarks`, { at: now - 12_000, text: "" });
  await site.manager.post("/patrol/holds", { cameras: [cameras.get(1).id, cameras.get(4).id], from: now - 20_000, to: now - 5_000, why: "考生申诉，案号 2026-017" });
  const job = await site.manager.post("/patrol/exports", { cameras: [cameras.get(1).id, cameras.get(2).id], from: now - 20_000, to: now - 5_000, reason: "考生申诉，案号 2026-017" });
  await until("the export is ready", async () => (await site.manager.get(`/patrol/exports/${job.id}`)).state === "ready", 60_000);
  await site.admin.call("PUT", `/api/v1/patrol/places/${site.site.id}/retention`, { place: site.site.id, group: "exam_room", days: 90 });
  browser = await Browser.launch();
});

after(async () => {
  const check = await site?.manager.post(`/patrol/places/${site.site.id}/check`).catch(() => undefined);
  await record("patrol-pages", { shots, findings, latin, check });
  await browser?.close({ failed: failed(), suite: "patrol-pages" });
  await server?.close({ keep: failed() });
  await peer?.close();
});

/** Words of a Chinese page that are not Chinese, and no names of formats. */
const latinOf = (page) => page.evaluate(() => {
  const known = /^(H|UDP|TCP|RTSP|RTP|SHA|NTP|CSV|GB|kbit|ms|MB|GB|TB|KB|JSON|HMAC|AUTHENTIC|lectern|evidence|verify|zip|audit|REC|AAC|PCMA|SVG|USB|https?|Lectern|English|IP|log|Esc|Enter|Shift|PageUp|PageDown|Delete|Home|End|Space)$/;
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const { parentElement: parent } = node;
    if (!parent?.checkVisibility({ visibilityProperty: true }) || parent.closest("script, style, code, noscript")) continue;
    for (const [word] of node.textContent.matchAll(/[A-Za-z]{2,}/g)) if (!known.test(word)) found.add(`${word} (“${node.textContent.trim().slice(0, 60)}”)`);
  }
  return [...found];
});

async function shoot(page, name, look) {
  await page.evaluate(() => document.fonts.ready);
  const file = `patrol-${name}-${look.join("-")}.png`;
  await page.screenshot({ path: join(FOLDER, file) });
  shots.push(file);
  for (const finding of await inspect(page)) findings.push(`${file}: ${finding}`);
  if (look[0] === "zh") for (const word of await latinOf(page)) (latin[word] ??= []).push(name);
}

const tile = (page, number) => page.locator(`.wall-tile[data-camera="${cameras.get(number).id}"]`);

/** Every tile of a camera that sends, and that the officer may see, shows its picture. */
const shown = (page, count) => until(`${count} tiles show pictures`, async () => {
  const phases = await Promise.all(Array.from({ length: count }, async (_, n) => [n + 1, await tile(page, n + 1).getAttribute("data-phase").catch(() => "absent")]));
  const missing = phases.filter(([number, phase]) => number !== DEAD && phase !== (number === SEALED ? "refused" : "shown"));
  if (missing.length > 0) throw new Error(missing.map((one) => one.join(" ")).join(", "));
  return true;
}, 60_000);

const visible = (page, selector, count = 1) => until(`${count} of ${selector}`, async () => (await page.locator(selector).count()) >= count);

for (const [locale, size] of WALLS) {
  const look = [locale, size, "dark"];
  test(`wall and timeline in ${locale}, ${size}`, async () => {
    const person = await browser.person("officer", { locale: LOCALES[locale], timezoneId: ZONES[locale], viewport: SIZES[size], colorScheme: "dark", probe: "wall-probe" });
    await signedIn(person, site.officer);
    const { page } = person;
    await page.goto(`${server.url}/wall?layout=${layouts.nine.id}`);
    await shown(page, 9);
    await visible(page, `.wall-tile[data-camera="${cameras.get(DEAD).id}"]:not([data-state="live"])`);
    await visible(page, ".alarm-row.urgent", size === "desktop" ? 2 : 0);
    await shoot(page, "wall-9", look);
    await tile(page, 1).dblclick();
    await until("the main stream is shown", async () => (await tile(page, 1).getAttribute("data-stream")) === "main");
    await until("it is large", () => page.evaluate((id) => document.querySelector(`.wall-tile[data-camera="${id}"] video`)?.videoHeight >= 1080, cameras.get(1).id));
    await shoot(page, "wall-enlarged", look);
    await page.keyboard.press("Escape");
    await page.keyboard.press("?");
    await page.getByRole("dialog").waitFor();
    await shoot(page, "wall-keys", look);
    await page.keyboard.press("Escape");
    await page.goto(`${server.url}/wall?layout=${layouts.many.id}`);
    await shown(page, COUNT);
    await shoot(page, "wall-36", look);

    const rows = Array.from({ length: 9 }, (_, n) => cameras.get(n + 1).id);
    const looked = Date.now() - 20_000;
    await page.goto(`${server.url}/patrol/timeline?cameras=${rows.join(",")}&at=${looked}`);
    await visible(page, ".day-row .bar.main", 6);
    await visible(page, ".day-row .bookmark", 2);
    await visible(page, ".day-row .hold", 2);
    await visible(page, `.day-row[data-camera="${cameras.get(2).id}"] .gap`);
    // One of the four is dead, and one may be in its gap; none is on its way for ever.
    const tiles = (phase) => page.locator(`.step-tile[data-phase=${phase}]`).count();
    await until("pictures of the recording, and gaps", async () => (await tiles("playing")) >= 2 && (await tiles("playing")) + (await tiles("gap")) === 4);
    // The day and the hour are those of the server.
    const there = (at, options) => new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Shanghai", ...options }).format(at);
    assert.equal(await page.locator(".wall-top input[type=date]").inputValue(), there(looked, { dateStyle: "short" }));
    const head = await page.locator(".now-time").textContent();
    assert.ok([looked, Date.now()].some((at) => head.startsWith(there(at, { dateStyle: "short", timeStyle: "short" }).slice(0, 13))), head);
    // A day, and of it the minute that there is.
    for (let press = 0; press < 6; press += 1) await page.keyboard.press("+");
    await shoot(page, "timeline", look);
    assert.deepEqual(person.faults, []);
    await person.context.close();
  });
}

/** Notes what the page gives to the sound card: when, and at which moments of it a tone of the cameras begins (1,000 or 1,500 Hz for 50 ms). */
const listening = () => {
  window.heard = [];
  const sources = [];
  /** Nothing is on its way to the loudspeaker any more. */
  window.silent = () => sources.every(({ piece, node }) => piece.over || node.context.state === "closed");
  const start = AudioBufferSourceNode.prototype.start;
  const energy = (samples, from, length, hz) => {
    let [cos, sin] = [0, 0];
    for (let i = 0; i < length; i += 1) {
      const turn = (2 * Math.PI * hz * i) / 8_000;
      cos += samples[from + i] * Math.cos(turn);
      sin += samples[from + i] * Math.sin(turn);
    }
    return Math.hypot(cos, sin) / length;
  };
  AudioBufferSourceNode.prototype.start = function (when, offset = 0) {
    const samples = this.buffer.getChannelData(0);
    const tones = [];
    let loud = false;
    for (let at = Math.round(offset * 8_000); at + 40 <= samples.length; at += 40) {
      const now = Math.max(energy(samples, at, 40, 1_000), energy(samples, at, 40, 1_500)) > 0.05;
      if (now && !loud) tones.push(when + at / 8_000 - offset);
      loud = now;
    }
    const piece = { when, whole: offset === 0, ends: when + this.buffer.duration - offset, tones, over: false };
    window.heard.push(piece);
    sources.push({ piece, node: this });
    this.addEventListener("ended", () => { piece.over = true; });
    return start.call(this, when, offset);
  };
};

/**
 * Pieces that follow one another without a break, and their tones. On a busy machine the clock of the timeline is held, and
 * what is heard begins anew: between two runs times say nothing. A tone over a border is heard by both pieces, and counts once.
 */
function runsOf(heard) {
  const runs = [];
  for (const { when, whole, ends, tones } of heard) {
    const before = whole && runs.findLast((run) => Math.abs(when - run.ends) < 0.02);
    if (before) Object.assign(before, { ends, pieces: before.pieces + 1, tones: [...before.tones, ...tones.filter((at) => !(at - before.tones.at(-1) < 0.2))] });
    else runs.push({ ends, pieces: 1, tones: [...tones] });
  }
  return runs;
}

test("recorded G.711 is heard on the timeline, at single speed", async () => {
  const person = await browser.person("listener", { viewport: SIZES.laptop, probe: "wall-probe" });
  await person.context.addInitScript(listening);
  await signedIn(person, site.officer);
  const { page } = person;
  await page.goto(`${server.url}/patrol/timeline?cameras=${cameras.get(1).id}&at=${Date.now() - 30_000}`);
  await until("pictures of the recording", async () => (await page.locator(".step-tile[data-phase=playing]").count()) > 0, 60_000);
  await page.getByRole("button", { name: "打开声音" }).click();
  await page.locator(".play").click();
  // Over a border of what is fetched, too.
  const heard = async () => runsOf(await page.evaluate(() => window.heard)).find(({ pieces, tones }) => pieces >= 2 && tones.length >= 4);
  const { tones } = await until("four tones are given to the sound card without a break", heard, 60_000, { detail: () => page.evaluate(() => [document.querySelector(".sound")?.dataset.phase, window.heard]) });
  assert.equal(await page.locator(".sound").getAttribute("data-phase"), "playing");
  // They come once a second.
  const fourth = tones[3] - tones[0];
  assert.ok(Math.abs(fourth - 3) < 0.02, `four tones take ${fourth} s: ${tones.join(" ")}`);

  await page.locator(".play").click();
  await until("a pause is silent", () => page.evaluate(() => window.silent()));
  await page.locator("select.speed").selectOption("2");
  await page.locator(".play").click();
  await until("the page says why nothing is heard", async () => (await page.locator(".sound-words").textContent()) === "1× 时有声音");
  const before = (await page.evaluate(() => window.heard)).length;
  await page.locator("select.speed").selectOption("1");
  await until("it is heard again", () => page.evaluate((count) => window.heard.length > count, before));
  await page.getByRole("button", { name: "关闭声音" }).click();
  await until("off is silent", () => page.evaluate(() => window.silent()));
  assert.deepEqual(person.faults, []);
  await person.context.close();
});

/** A page, what it must show, and what is done on it before. */
const PAGES = [
  ["cameras", "/patrol/cameras", (page) => visible(page, "tr[data-camera]", COUNT)],
  ["alarms", "/patrol/alarms", (page) => visible(page, "tr[data-alarm]", 4)],
  ["audit", "/patrol/audit", (page) => visible(page, "table tbody tr", 5)],
  ["check", "/patrol/check", async (page) => {
    await page.locator(".check-form .btn.primary").click();
    await visible(page, 'article.sheet[data-report="red"]');
    await visible(page, 'tr[data-green="true"]');
    await visible(page, `tr[data-camera="${cameras.get(DEAD).id}"][data-green="false"]`);
  }],
  ["exports", "/patrol/exports", (page) => visible(page, '.job[data-state="ready"]')],
  ["retention", "/patrol/retention", async (page) => {
    await page.locator("select.place-pick").selectOption(site.site.id);
    await visible(page, "tr[data-hold]", 2);
  }],
  ["timeline-list", () => `/patrol/timeline?cameras=${[1, 2, 3, 4].map((number) => cameras.get(number).id).join(",")}&at=${Date.now() - 60_000}`, (page) => visible(page, ".day-row .bar.main", 3)],
];

/** Opens the menu of a camera, and its form, and tests it. */
async function testedForm(page) {
  await page.goto(`${server.url}/patrol/cameras`);
  const row = page.locator(`tr[data-camera="${cameras.get(1).id}"]`);
  await row.locator("summary").click();
  await row.locator(".menu-item").first().click();
  const form = page.locator("form.camera-form");
  await form.locator(".dialog-actions .start").click();
  await until("the camera is reported on", async () => (await form.locator(".camera-report .good").count()) > 0, 60_000);
  await until("its picture is there", () => page.evaluate(() => {
    const picture = document.querySelector(".camera-report img, .camera-report video");
    return (picture?.naturalWidth ?? picture?.videoWidth ?? 0) > 0;
  }));
}

for (const look of LOOKS) {
  const [locale, size, scheme] = look;
  test(`lists and forms in ${locale}, ${size}, ${scheme}`, async () => {
    const options = { locale: LOCALES[locale], viewport: SIZES[size], colorScheme: scheme };
    const manager = await browser.person("manager", options);
    await signedIn(manager, site.manager);
    for (const [name, path, ready] of PAGES) {
      await manager.page.goto(server.url + (typeof path === "function" ? path() : path), { waitUntil: "networkidle" });
      await ready(manager.page);
      await shoot(manager.page, name, look);
    }
    await testedForm(manager.page);
    await shoot(manager.page, "camera-form", look);

    const fresh = await browser.person("newcomer", options);
    await signedIn(fresh, newcomer);
    await fresh.page.goto(`${server.url}/wall`);
    await fresh.page.locator(".factors").waitFor();
    await shoot(fresh.page, "factor", look);
    await fresh.page.locator(".factors .btn.primary").click();
    await fresh.page.locator("img.qr").waitFor();
    await shoot(fresh.page, "factor-app", look);
    for (const person of [manager, fresh]) {
      assert.deepEqual(person.faults, [], person.name);
      await person.context.close();
    }
  });
}

test("every control has a name, and nothing is wider than its window", () => {
  assert.deepEqual(findings, []);
});
