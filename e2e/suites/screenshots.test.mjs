// Every page as people see it: both languages, phone to classroom screen, light and dark, into target/screenshots/. And what
// a machine can say about using them: every button has a name, nothing is wider than the window, the keyboard gets through.

import assert from "node:assert/strict";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before } from "node:test";
import { Browser } from "../lib/browser.mjs";
import { endClass, enter, openClass, saysRecording, seesCamera, signedIn, sourceOf } from "../lib/classroom.mjs";
import { inspect } from "../lib/inspect.mjs";
import { pick, record } from "../lib/report.mjs";
import { ROOT, Server } from "../lib/server.mjs";
import { failed, test } from "../lib/test.mjs";
import { until } from "../lib/wait.mjs";
import { makeClass, makeWorld, PASSWORD } from "../lib/world.mjs";

const FOLDER = join(ROOT, "target/screenshots");
const SIZES = { phone: { width: 390, height: 844 }, laptop: { width: 1366, height: 768 }, desktop: { width: 1920, height: 1080 } };
const LOCALES = { zh: "zh-CN", en: "en-GB" };
/** In the short form each page once per language and once per size; in the long form every combination. */
const LOOKS = pick(
  [["zh", "laptop", "light"], ["zh", "phone", "dark"], ["en", "desktop", "light"]],
  Object.keys(LOCALES).flatMap((locale) => Object.keys(SIZES).flatMap((size) => ["light", "dark"].map((scheme) => [locale, size, scheme]))),
);

let server;
let browser;
let world;
let live;
let recording;
const shots = [];
const findings = [];

before(async () => {
  await mkdir(FOLDER, { recursive: true });
  // The pages of exam patrol are another suite's.
  for (const file of await readdir(FOLDER)) if (!file.startsWith("patrol-")) await rm(join(FOLDER, file));
  server = await Server.start("screenshots");
  browser = await Browser.launch();
  world = await makeWorld(server);
  await makeClass(world.admin, world.teacher, world.school, { title: "三年级语文《富饶的西沙群岛》，一个长到一行放不下的课程名称", subject: "语文", grade: "三年级", starts: Date.now() + 3_600_000 });
  // One lesson that is over, for library and player.
  const teacher = await browser.person("earlier teacher", { source: sourceOf(0) });
  await signedIn(teacher, world.teacher);
  await openClass(teacher, server, world.lesson.code);
  const student = await browser.person("earlier student", { source: sourceOf(1) });
  await enter(student, server, world.lesson.code, { name: "小明" });
  await seesCamera(student, 0, { frames: 60 });
  await endClass(teacher);
  recording = await until("a lesson is in the library", async () => (await world.teacher.get("/recordings")).items.find((item) => item.status === "done"), 60_000);
  for (const person of [teacher, student]) await person.context.close();
  // And one that runs.
  live = await makeClass(world.admin, world.teacher, world.school, { title: "四年级科学 水的三态", subject: "科学" });
});

after(async () => {
  await record("screenshots", { shots, findings });
  await browser?.close({ failed: failed(), suite: "screenshots" });
  await server?.close({ keep: failed() });
});

async function shoot(page, name, look) {
  await page.evaluate(() => document.fonts.ready);
  const file = `${name}-${look.join("-")}.png`;
  await page.screenshot({ path: join(FOLDER, file) });
  shots.push(file);
  for (const finding of await inspect(page)) findings.push(`${file}: ${finding}`);
}

const PLAIN = [
  ["sign-in", () => "/signin", "nobody"],
  ["not-found", () => "/no/such/page", "nobody"],
  ["today", () => "/", "teacher"],
  ["lobby", () => `/c/${live.code}`, "teacher"],
  ["unknown-class", () => "/c/NoSuchOne", "nobody"],
  ["library", () => "/library", "teacher"],
  ["library-nothing", () => "/library?q=zzzz", "teacher"],
  ["player", () => `/watch/${recording.id}`, "teacher"],
  ["people", () => "/manage/people", "admin"],
  ["places", () => "/manage/places", "admin"],
  ["classes", () => "/manage/classes", "admin"],
];

/** What opens over a page: which menu entry leads there, and what is pressed in it. */
const DIALOGS = [
  ["devices", "/manage/classes", "admin", { zh: ["接入 OBS / 录播主机", "生成令牌"], en: ["Connect OBS or a recording host", "Make a token"] }],
  ["attendance", "/", "teacher", { zh: ["考勤表"], en: ["Attendance"] }],
  ["password", "/", "teacher", { zh: ["修改密码"], en: ["Change password"] }],
];

/** Opens the first menu that has the entry, and presses it, then a button of the dialog. */
async function openDialog(page, [entry, button]) {
  await until(`there is “${entry}”`, () => page.evaluate((text) => {
    const item = [...document.querySelectorAll("details.menu .menu-item")].find((one) => one.innerText.trim() === text || one.textContent.trim() === text);
    item?.closest("details").querySelector("summary").click();
    item?.click();
    return Boolean(item);
  }, entry));
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  if (button) {
    await dialog.getByRole("button", { name: button }).click();
    await dialog.getByRole("textbox").first().waitFor();
  }
}

for (const look of LOOKS) {
  const [locale, size, scheme] = look;
  test(`pages in ${locale}, ${size}, ${scheme}`, async () => {
    const options = { locale: LOCALES[locale], viewport: SIZES[size], colorScheme: scheme };
    const people = { nobody: await browser.person("nobody", options), teacher: await browser.person("teacher", options), admin: await browser.person("admin", options) };
    await signedIn(people.teacher, world.teacher);
    await signedIn(people.admin, world.admin);
    for (const [name, path, who] of PLAIN) {
      const { page } = people[who];
      await page.goto(server.url + path(), { waitUntil: "networkidle" });
      await until(`${name} is drawn`, () => page.evaluate(() => document.querySelector("main, h1") !== null));
      await shoot(page, name, look);
    }
    for (const [name, path, who, words] of DIALOGS) {
      const { page } = people[who];
      await page.goto(server.url + path, { waitUntil: "networkidle" });
      await openDialog(page, words[locale]);
      await shoot(page, name, look);
    }
    for (const person of Object.values(people)) {
      assert.deepEqual(person.faults, [], person.name);
      await person.context.close();
    }
  });
}

test("the running class: teacher, student, phone and classroom screen", async () => {
  const teacher = await browser.person("teacher", { source: sourceOf(0), viewport: SIZES.laptop });
  await signedIn(teacher, world.teacher);
  await openClass(teacher, server, live.code);
  const student = await browser.person("student", { source: sourceOf(1), viewport: SIZES.phone });
  await enter(student, server, live.code, { name: "小明" });
  await seesCamera(student, 0, { frames: 25 });
  for (const [locale, size, scheme] of pick([["zh", "laptop", "dark"]], [["zh", "laptop", "dark"], ["zh", "desktop", "dark"], ["zh", "phone", "dark"]])) {
    await teacher.page.setViewportSize(SIZES[size]);
    await shoot(teacher.page, "class-teacher", [locale, size, scheme]);
    await student.page.setViewportSize(SIZES[size]);
    await shoot(student.page, "class-student", [locale, size, scheme]);
  }
  await student.page.setViewportSize(SIZES.phone);
  await shoot(student.page, "class-student", ["zh", "phone", "dark"]);
  const screen = await browser.person("screen", { source: sourceOf(2), viewport: SIZES.desktop });
  await screen.page.goto(`${server.url}/screen/${live.code}`);
  const name = screen.page.getByRole("textbox");
  await until("the screen asks for its name or shows the class", async () =>
    (await name.count()) > 0 || (await screen.report()).videos.some((video) => video.decoded > 0));
  if (await name.count()) {
    await name.first().fill("西沟教学点");
    await screen.page.getByRole("button", { name: "就用这个名字" }).click();
  }
  await seesCamera(screen, 0, { frames: 10 });
  await shoot(screen.page, "class-screen", ["zh", "desktop", "dark"]);
  const tiny = await browser.person("english student", { source: sourceOf(3), viewport: SIZES.phone, locale: LOCALES.en });
  await tiny.page.goto(`${server.url}/c/${live.code}`);
  await tiny.page.getByRole("textbox").first().fill("Tom with the very long family name of Featherstonehaugh");
  await shoot(tiny.page, "lobby-student", ["en", "phone", "dark"]);
  for (const person of [teacher, student, screen, tiny]) {
    assert.deepEqual(person.faults, [], person.name);
    await person.context.close();
  }
});

test("sign in → today → class by keyboard alone", async () => {
  const person = await browser.person("keyboard", { source: sourceOf(0) });
  const { page } = person;
  await page.goto(`${server.url}/signin`);
  await until("the log-in field has the focus", () => page.evaluate(() => document.activeElement?.id === "login"));
  await page.keyboard.type(world.teacher.login);
  await page.keyboard.press("Tab");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await until("today's page", () => page.getByRole("heading", { name: "今日课程" }).first().isVisible());
  const focused = () => page.evaluate(() => {
    const { activeElement: element } = document;
    return element === document.body ? "" : `${element.getAttribute("aria-label") ?? ""} ${element.innerText ?? ""}`;
  });
  const tabTo = async (words) => {
    for (let press = 0; press < 60; press += 1) {
      await page.keyboard.press("Tab");
      if (words.test(await focused())) {
        const outline = await page.evaluate(() => {
          const style = getComputedStyle(document.activeElement);
          return style.outlineStyle !== "none" || style.boxShadow !== "none";
        });
        assert.ok(outline, `the focus on ${words} can be seen`);
        return;
      }
    }
    assert.fail(`Tab never reached ${words}`);
  };
  await tabTo(/开始上课|回到课堂|进入/);
  await page.keyboard.press("Enter");
  await until("the lobby or the class", () => page.url().includes("/c/"));
  await page.getByRole("button", { name: /开始上课|进入课堂|回到课堂/ }).first().waitFor();
  await tabTo(/开始上课|进入课堂|回到课堂/);
  await page.keyboard.press("Enter");
  await saysRecording(person);
});

test("every control has a name, and nothing is wider than its window", () => {
  assert.deepEqual(findings, []);
});
