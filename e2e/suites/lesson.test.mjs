// What people do in a class besides looking: chat, questions, the waiting room, the stage, muting, sound only, reloading,
// removing and taking it back; and what of it is in the library afterwards.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { Browser } from "../lib/browser.mjs";
import { endClass, enter, hears, openClass, raiseHand, seesCamera, signedIn, sourceOf } from "../lib/classroom.mjs";
import { Server } from "../lib/server.mjs";
import { failed, test } from "../lib/test.mjs";
import { until } from "../lib/wait.mjs";
import { makeWorld } from "../lib/world.mjs";

let server;
let browser;
let world;
let teacher;
let ming;
let hong;

before(async () => {
  server = await Server.start("lesson");
  browser = await Browser.launch();
  world = await makeWorld(server);
  teacher = await browser.person("teacher", { source: sourceOf(0) });
  await signedIn(teacher, world.teacher);
  await openClass(teacher, server, world.lesson.code);
  ming = await joined("小明", 1);
  hong = await joined("小红", 2);
});

after(async () => {
  await browser?.close({ failed: failed(), suite: "lesson" });
  await server?.close({ keep: failed() });
});

async function joined(name, index) {
  const person = await browser.person(name, { source: sourceOf(index) });
  await enter(person, server, world.lesson.code, { name });
  await seesCamera(person, 0);
  return person;
}

/** Shows a tab of the side panel: chat, questions, people. */
async function shows({ page }, tab) {
  const button = page.locator(`[data-control=${tab}]`);
  if ((await button.getAttribute("aria-pressed")) !== "true") await button.click();
}

const sees = ({ name, page }, text) => until(`${name}'s page shows “${text}”`, () => page.getByText(text).first().isVisible());
const row = ({ page }, name) => page.locator("li[data-person]").filter({ hasText: name });
const onStage = (name, on) => until(`${name} is ${on ? "on" : "off"} stage`, async () =>
  (await row(teacher, name).getByRole("button", { name: on ? "请下台" : "请上台" }).count()) > 0);

test("what is said in chat is read by all", async () => {
  await shows(ming, "chat");
  await ming.page.getByLabel("发给所有人").fill("老师好，我们听得很清楚");
  await ming.page.keyboard.press("Enter");
  await shows(teacher, "chat");
  await sees(teacher, "老师好，我们听得很清楚");
  await teacher.page.getByLabel("发给所有人").fill("好，我们从钝角三角形开始");
  await teacher.page.getByRole("button", { name: "发送" }).click();
  await shows(hong, "chat");
  await sees(hong, "我们从钝角三角形开始");
  await sees(hong, "我们听得很清楚");
});

test("a question is asked, wanted by another, and answered", async () => {
  await shows(ming, "questions");
  await ming.page.getByLabel("写下您的问题").fill("为什么正好是一百八十度？");
  await ming.page.keyboard.press("Enter");
  await shows(hong, "questions");
  await hong.page.getByRole("button", { name: /我也想知道/ }).click();
  await shows(teacher, "questions");
  await sees(teacher, "1 票");
  await teacher.page.getByRole("button", { name: "回答", exact: true }).click();
  await teacher.page.getByLabel("用文字回答").fill("把三个角剪下来拼在一起");
  await teacher.page.locator("form.reply").getByRole("button", { name: "发送" }).click();
  await sees(ming, "把三个角剪下来拼在一起");
  await sees(hong, "已回答");
});

test("who comes by link waits until the teacher agrees", async () => {
  await shows(teacher, "people");
  await teacher.page.getByLabel("新来的人等我同意").click(); // shows the new state once the server confirms
  await until("the server confirms the waiting room", () => teacher.page.getByLabel("新来的人等我同意").isChecked());
  const gang = await browser.person("小刚", { source: sourceOf(3) });
  await enter(gang, server, world.lesson.code, { name: "小刚" });
  await sees(gang, "请在等候室稍候");
  assert.equal((await gang.report()).videos.length, 0, "nothing is seen before");
  await teacher.page.getByRole("button", { name: "同意: 小刚" }).click();
  await seesCamera(gang, 0, { frames: 5 });
  await gang.page.getByRole("button", { name: "离开课堂" }).click();
  await sees(gang, "您已离开课堂");
  await until("小刚 is gone from the list", async () => (await row(teacher, "小刚").count()) === 0);
});

test("a student on stage is muted by the teacher, and says so", async () => {
  await raiseHand(ming);
  await teacher.page.getByRole("button", { name: "请 小明 发言" }).first().click();
  await seesCamera(teacher, 1, { frames: 5 });
  await until("小明's microphone is on", () => ming.page.getByRole("button", { name: "静音", exact: true }).isVisible());
  await shows(teacher, "people");
  await row(teacher, "小明").locator("summary").click();
  await row(teacher, "小明").getByRole("button", { name: "静音" }).click();
  await sees(ming, "老师将您静音了");
  await until("小明's microphone is off", () => ming.page.locator("[data-control=microphone]").getByRole("button", { name: "取消静音" }).or(ming.page.getByRole("button", { name: "取消静音" })).first().isVisible());
  assert.equal(await hong.page.getByText("老师将您静音了").count(), 0, "who is off stage has nothing to mute");
});

test("a reload brings a student back on stage by itself", async () => {
  const since = Date.now();
  await ming.page.reload();
  await seesCamera(ming, 0, { frames: 5 });
  await seesCamera(teacher, 1, { frames: 5, since });
  await onStage("小明", true);
});

test("taken off stage, nobody sees the student any more", async () => {
  await shows(teacher, "people");
  await row(teacher, "小明").getByRole("button", { name: "请下台" }).click();
  await sees(ming, "您已下台");
  await onStage("小明", false);
  await until("the teacher's page gets no more of 小明", async () => {
    const last = (report) => Math.max(...report.videos.flatMap((video) => video.frames).filter(([frame]) => frame >= 100_000 && frame < 200_000).map(([, , , at]) => at));
    const report = await teacher.report();
    return report.now - last(report) > 1000;
  });
});

test("sound only: no picture comes, the sound goes on, and it stays so after a reload", async () => {
  const choose = async (name) => {
    await hong.page.locator("summary[data-control=more]").click();
    await hong.page.locator("details.menu[open] .menu-item").filter({ hasText: name }).click();
  };
  const quiet = () => until("no picture comes any more", async () => {
    const report = await hong.report();
    return report.now - Math.max(0, ...report.videos.flatMap((video) => video.frames.map(([, , , at]) => at))) > 1500;
  });
  await choose("只听声音");
  await quiet();
  await hears(hong, { beeps: 2, since: Date.now() });
  await hong.page.reload();
  await hears(hong, { beeps: 2 });
  await sees(hong, "只听声音");
  assert.equal((await hong.report()).videos.flatMap((video) => video.frames).length, 0, "still without a picture");
  await choose("显示画面");
  await seesCamera(hong, 0, { frames: 5, since: Date.now() });
});

test("removing can be taken back, and then be meant", async () => {
  await shows(teacher, "people");
  const remove = async () => {
    await row(teacher, "小红").locator("summary").click();
    await row(teacher, "小红").getByRole("button", { name: "移出课堂" }).click();
  };
  await remove();
  await teacher.page.getByRole("button", { name: "撤销" }).click();
  await until("nothing is pending", async () => (await teacher.page.getByText("正在移出 小红").count()) === 0);
  await seesCamera(hong, 0, { frames: 5, since: Date.now() });
  await remove();
  await sees(hong, "老师将您移出了课堂");
  await until("小红 is gone from the list", async () => (await row(teacher, "小红").count()) === 0);
});

test("afterwards the library finds what was said, and the attendance says who was there and until when", async () => {
  await endClass(teacher);
  await sees(ming, "下课了");
  const item = await until("the lesson is in the library", async () =>
    (await world.teacher.get("/recordings")).items.find((one) => one.status === "done"), 60_000);
  for (const said of ["钝角", "一百八十度"]) {
    const { items } = await world.teacher.get(`/recordings?q=${encodeURIComponent(said)}`);
    assert.ok(items.some((one) => one.id === item.id), `found by “${said}”`);
  }
  const rows = await world.teacher.get(`/lessons/${item.lesson}/attendance`);
  for (const name of ["王老师", "小明", "小红", "小刚"]) {
    const mine = (rows.items ?? rows).filter((one) => one.name === name);
    assert.ok(mine.length > 0 && mine.every((one) => one.to !== null && one.to >= one.from), `${name}: ${JSON.stringify(mine)}`);
  }
  for (const person of [teacher, ming, hong]) assert.deepEqual(person.faults, [], person.name);
});
