// The first quarter of an hour with Lectern, through the pages alone: the printed log-in, a school, a teacher who chooses her
// own password by link, a class, a student who comes by the link, and the lesson found and played afterwards. Their computers think
// that they are at opposite ends of the calendar: at every hour their dates differ, and none may see another day or time than the server's.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { Browser } from "../lib/browser.mjs";
import { endClass, hears, seesCamera, sourceOf } from "../lib/classroom.mjs";
import { firstLogin } from "../lib/login.mjs";
import { Server } from "../lib/server.mjs";
import { failed, test } from "../lib/test.mjs";
import { until } from "../lib/wait.mjs";

let server;
let browser;
let admin;
let teacher;
let student;
let inviteLink;
let classLink;

before(async () => {
  server = await Server.start("first-run");
  browser = await Browser.launch();
  admin = await browser.person("administrator", { timezoneId: "Pacific/Pago_Pago" });
  teacher = await browser.person("teacher", { source: sourceOf(0), timezoneId: "Pacific/Kiritimati" });
  student = await browser.person("student", { source: sourceOf(1), timezoneId: "Pacific/Pago_Pago" });
});

after(async () => {
  await browser?.close({ failed: failed(), suite: "first-run" });
  await server?.close({ keep: failed() });
});

const dialog = (page) => page.getByRole("dialog");

async function signIn(page, login, password) {
  await page.getByLabel("用户名").fill(login);
  await page.getByLabel("密码", { exact: true }).fill(password);
  await page.getByRole("button", { name: "登录", exact: true }).click();
}

test("the printed log-in opens the door", async () => {
  const { login, password } = await until("the first log-in is printed", () => firstLogin(server.output));
  await admin.page.goto(server.url);
  await signIn(admin.page, login, password);
  await admin.page.getByRole("heading", { name: "今日课程" }).first().waitFor();
});

test("a school and a teacher are made, and the teacher gets a link", async () => {
  const { page } = admin;
  await page.getByRole("link", { name: "管理" }).first().click();
  await page.getByRole("link", { name: "机构" }).first().click();
  await page.getByRole("button", { name: /新增/ }).first().click();
  await dialog(page).getByLabel("名称").fill("东山村小学");
  await dialog(page).getByLabel("类别").selectOption({ label: "学校" });
  await dialog(page).getByRole("button", { name: "新增", exact: true }).click();
  await page.getByText("东山村小学").first().waitFor();
  await page.getByRole("link", { name: "人员" }).first().click();
  await page.getByRole("button", { name: "新增人员" }).first().click();
  await dialog(page).getByLabel("姓名").fill("王老师");
  await dialog(page).getByLabel("用户名").fill("wang");
  await dialog(page).getByLabel("角色", { exact: true }).first().selectOption({ label: "教师" });
  await dialog(page).getByLabel("机构").first().selectOption({ label: "东山村小学 (学校)" });
  await dialog(page).getByRole("button", { name: "新增并生成链接" }).click();
  inviteLink = await dialog(page).locator("[data-invitation]").inputValue();
});

test("the teacher chooses her password and makes a class", async () => {
  const { page } = teacher;
  await page.goto(inviteLink);
  await page.getByLabel("新密码").fill("seven-horses-graze");
  await page.getByLabel("再输一次").fill("seven-horses-graze");
  await page.getByRole("button", { name: "保存并登录" }).click();
  await until("today's classes or the way there", async () => {
    const go = page.getByRole("button", { name: "现在登录" }).or(page.getByRole("link", { name: "现在登录" }));
    if (await go.count()) await go.first().click();
    if (await page.getByLabel("用户名").count()) await signIn(page, "wang", "seven-horses-graze");
    return page.getByRole("heading", { name: "今日课程" }).first().isVisible();
  });
  await page.getByRole("button", { name: "新建课程" }).first().click();
  await dialog(page).getByLabel("课程名称").fill("第一课 认识三角形");
  await dialog(page).getByLabel("学科").fill("数学");
  await dialog(page).getByRole("button", { name: "新建课程" }).click();
  await page.getByText("第一课 认识三角形").first().waitFor();
});

test("teacher, administrator and whoever has the link read the same day and time, which are the server's", async () => {
  for (const { page } of [admin, teacher]) await page.goto(server.url);
  const lessons = await Promise.all([admin, teacher].map(({ page }) => until("the class of today", async () => {
    const line = page.locator(".lesson").filter({ hasText: "第一课 认识三角形" });
    return (await line.count()) > 0 && { day: (await page.locator(".page-head .day-nav p").first().textContent()).split(" · ")[0], time: await line.locator(".time").textContent() };
  })));
  const { starts, code } = await teacher.page.evaluate(async () => (await (await fetch("/api/v1/lessons")).json())[0]);
  const there = (at, options) => new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Shanghai", ...options }).format(at);
  const time = there(starts, { hour: "2-digit", minute: "2-digit" });
  for (const { day, time: shown } of lessons) {
    assert.ok(day.startsWith(there(Date.now(), { dateStyle: "short" })), day);
    assert.equal(shown, time);
  }
  for (const { page } of [admin, teacher]) assert.equal(await page.locator(".page-head [data-zone]").textContent(), "时间按 Asia/Shanghai（UTC+8）显示");
  // Without a session the page knows it all the same.
  await student.page.goto(`${server.url}/c/${code}`);
  await until("the lobby says when it begins", async () => (await student.page.locator("main.lobby header").textContent().catch(() => ""))?.includes(time));
});

test("she starts it with one press, and a student comes by the link", async () => {
  const { page } = teacher;
  await page.locator(".next .btn, .next a").filter({ hasText: "开始上课" }).first().click();
  await until("the lobby", () => page.url().includes("/c/"));
  classLink = page.url();
  await page.getByRole("button", { name: "开始上课", exact: true }).click();
  await until("she is told that it is recorded", () => page.locator('[data-fact="recording"][data-state="on"]').isVisible(), 60_000);
  await student.page.goto(classLink);
  await student.page.getByLabel("您的姓名").fill("小明");
  await student.page.getByRole("button", { name: "进入课堂", exact: true }).click();
  await seesCamera(student, 0, { frames: 50 });
  await hears(student);
});

test("after the end she finds the lesson and plays it", async () => {
  const { page } = teacher;
  await endClass(teacher);
  await page.getByRole("button", { name: "去资源库" }).or(page.getByRole("link", { name: "去资源库" })).first().click();
  const row = page.getByText("第一课 认识三角形").first();
  await row.waitFor();
  await row.click();
  await page.getByRole("button", { name: "播放", exact: true }).first().click();
  await until("the picture moves", () => page.evaluate(() =>
    [...document.querySelectorAll("video")].some((video) => video.currentTime > 1 && video.videoWidth > 0)), 30_000);
  for (const person of [admin, teacher, student]) assert.deepEqual(person.faults, [], person.name);
});
