// When something is wrong, the page says what happened, what still works and what to do, in its own words.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { Api } from "../lib/api.mjs";
import { Browser } from "../lib/browser.mjs";
import { endClass, enter, openClass, says, saysRecording, seesCamera, showPeople, signedIn, sourceOf } from "../lib/classroom.mjs";
import { ACCEPT, record } from "../lib/report.mjs";
import { Server } from "../lib/server.mjs";
import { failed, test } from "../lib/test.mjs";
import { measureFor, until } from "../lib/wait.mjs";
import { makeClass, makeWorld } from "../lib/world.mjs";

let server;
let browser;
let world;
let teacher;

before(async () => {
  server = await Server.start("bad-input", { class: { participants_max: 4 } });
  browser = await Browser.launch();
  world = await makeWorld(server);
  teacher = await browser.person("teacher", { source: sourceOf(0) });
  await signedIn(teacher, world.teacher);
  await openClass(teacher, server, world.lesson.code);
});

after(async () => {
  await record("bad-input", { complaints: Object.fromEntries(browser.people.map((person) => [person.name, person.faults])) });
  await browser?.close({ failed: failed(), suite: "bad-input" });
  await server?.close({ keep: failed() });
});

test("a class that does not exist", async () => {
  const person = await browser.person("lost");
  await person.page.goto(`${server.url}/c/NoSuchOne`);
  await says(person, "没有这个课堂码对应的课。", "请检查链接");
});

test("the same in English", async () => {
  const person = await browser.person("lost in English", { locale: "en-GB" });
  await person.page.goto(`${server.url}/c/NoSuchOne`);
  await until("English words", async () => /class/i.test(await person.page.locator("body").innerText()) &&
    !/[\u4e00-\u9fff]{4,}/.test(await person.page.locator("main").innerText()));
});

test("a denied camera and microphone: it says how to allow them, and one can go in without", async () => {
  const person = await browser.person("denied", { source: { fail: "denied" } });
  await person.page.goto(`${server.url}/c/${world.lesson.code}`);
  await says(person, "浏览器没有允许使用");
  await person.page.getByLabel("您的姓名").fill("无权");
  await person.page.getByRole("button", { name: /进入课堂|只听课，继续|不用摄像头，继续/ }).first().click();
  await seesCamera(person, 0, { frames: 3 });
  await person.context.close();
});

for (const [fail, words] of [["no-camera", "没有找到摄像头。"], ["busy", "摄像头正被别的程序使用。"]]) {
  test(`${fail}: it says so, and the microphone still works`, async () => {
    const person = await browser.person(fail, { source: { fail } });
    await person.page.goto(`${server.url}/c/${world.lesson.code}`);
    await says(person, words);
    await person.context.close();
  });
}

test("a second tab of the teacher takes over, and the first says so", async () => {
  const second = await teacher.context.newPage();
  teacher.listen(second);
  await second.goto(`${server.url}/c/${world.lesson.code}`);
  await second.getByRole("button", { name: /开始上课|进入课堂|回到课堂/ }).first().click();
  await says(teacher, "您在另一个窗口或设备上打开了这节课。");
  await second.close();
  // The page offers the way back, which is a reload; the class is entered again without the lobby.
  await teacher.page.getByRole("button", { name: "进入课堂" }).click();
  await saysRecording(teacher);
});

test("someone is removed, and their page says so", async () => {
  const person = await browser.person("removed", { source: sourceOf(1) });
  await enter(person, server, world.lesson.code, { name: "淘气" });
  await seesCamera(person, 0, { frames: 3 });
  await removeByTeacher("淘气");
  await says(person, "老师将您移出了课堂。");
  await person.context.close();
});

async function removeByTeacher(name) {
  await showPeople(teacher);
  const row = teacher.page.locator("[data-person]").filter({ hasText: name });
  await row.locator("summary").click();
  await row.getByText("移出课堂").click();
}

/** Comes in with another grant than the one that the server gave. */
async function enterWith(grant, name) {
  const person = await browser.person(name, { source: sourceOf(1) });
  await person.page.route("**/api/v1/classes/*/join", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), grant } });
  });
  await enter(person, server, world.lesson.code, { name });
  await says(person, "进入课堂的凭证已过期。", "请重新进入");
  // What is offered is the way in: with the grant that the server gives, it leads into the class.
  await person.page.unroute("**/api/v1/classes/*/join");
  await person.page.locator("[data-closed]").getByRole("button", { name: "进入课堂" }).click();
  await person.page.getByLabel("您的姓名").waitFor();
  await person.page.getByRole("button", { name: "进入课堂", exact: true }).click();
  await seesCamera(person, 0, { frames: 3 });
  await person.context.close();
}

test("the grant of another server is refused, and the page says how to go on", async () => {
  const other = await Server.start("bad-input-other");
  try {
    const { lesson } = await makeWorld(other);
    const { grant } = await new Api(other.url).post(`/classes/${lesson.code}/join`, { name: "外校", classroom: false });
    await enterWith(grant, "外校");
  } finally {
    await other.close();
  }
});

test("a damaged grant is refused, and the page says how to go on", () => enterWith("v1.bm90IGEgZ3JhbnQ.AAAA", "冒名"));

// A grant opens the door for two minutes; only the long form has them.
test("an expired grant is refused, and the page says how to go on", { skip: !ACCEPT && "takes two minutes" }, async () => {
  const { grant, expires } = await new Api(server.url).post(`/classes/${world.lesson.code}/join`, { name: "久等", classroom: false });
  await measureFor(expires - Date.now() + 1000);
  await enterWith(grant, "久等");
});

test("a full class says so", async () => {
  const crowd = [];
  for (let index = 0; index < 3; index += 1) {
    const person = await browser.person(`crowd ${index}`, { source: { fail: "no-devices" } });
    crowd.push(person);
    await person.page.goto(`${server.url}/c/${world.lesson.code}`);
    await person.page.getByLabel("您的姓名").fill(`同学${index}`);
    await person.page.getByRole("button", { name: /进入课堂|只听课，继续/ }).first().click();
    await seesCamera(person, 0, { frames: 1 });
  }
  const late = await browser.person("late", { source: { fail: "no-devices" } });
  await late.page.goto(`${server.url}/c/${world.lesson.code}`);
  await late.page.getByLabel("您的姓名").fill("迟到");
  await late.page.getByRole("button", { name: /进入课堂|只听课，继续/ }).first().click();
  await says(late, "课堂人数已满。");
  for (const person of [...crowd, late]) await person.context.close();
});

test("a class that is over says so, and where the recording is", async () => {
  const person = await browser.person("last", { source: sourceOf(2) });
  await enter(person, server, world.lesson.code, { name: "最后" });
  await seesCamera(person, 0, { frames: 3 });
  await endClass(teacher);
  await says(person, "下课了。", "录播几秒钟后就在资源库里。");
});

test("a class that has not begun lets people wait", async () => {
  const lesson = await makeClass(world.admin, world.teacher, world.school, { title: "明天的课", starts: Date.now() + 3_600_000 });
  const person = await browser.person("early", { source: sourceOf(3) });
  await enter(person, server, lesson.code, { name: "早到" });
  await says(person, "还没有开始上课");
});

test("no page had an uncaught error or broke the content security policy", () => {
  for (const person of browser.people) assert.deepEqual(person.faults, [], person.name);
});
