// A security key as the second factor, on the real pages with Chromium's virtual authenticator (CTAP2): set up, shown after the
// password, refused where it is not the one, or a copy of it, or taken away; and what the page says each time.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before } from "node:test";
import { Authenticator, foreignKey } from "../lib/authenticator.mjs";
import { Browser } from "../lib/browser.mjs";
import { withFactor } from "../lib/patrol.mjs";
import { ROOT, Server } from "../lib/server.mjs";
import { failed, test } from "../lib/test.mjs";
import { until } from "../lib/wait.mjs";
import { makePerson, PASSWORD } from "../lib/world.mjs";

const FOLDER = join(ROOT, "target/screenshots");
const NAME = "办公室指纹";

let server;
let admin;
let site;
let browser;
let person;
let page;
let cdp;
let key;
/** Recovery codes, as the page told them. */
let codes;

const dialog = () => page.getByRole("dialog").last();
const says = (text) => until(`the page says “${text}”`, () => page.getByText(text).first().isVisible());
const shoot = (name) => page.screenshot({ path: join(FOLDER, `patrol-key-${name}.png`) });
const focused = () => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent?.trim());
const refused = (reason) => server.metric("lectern_http_second_factors_refused_total", { reason });

before(async () => {
  await mkdir(FOLDER, { recursive: true });
  server = await Server.start("security-key", { patrol: { allow_loopback: true } });
  admin = await server.administrator();
  const root = (await admin.get("/places")).find((place) => place.parent === null);
  site = await admin.post("/places", { parent: root.id, level: "exam_site", name: "第一中学考点" });
  await withFactor(admin);
  await makePerson(admin, { login: "zhao", name: "赵巡查", role: "patrol_officer", place: site.id });
  browser = await Browser.launch();
  person = await browser.person("officer");
  page = person.page;
  cdp = await Authenticator.environment(page);
  key = await Authenticator.plug(cdp);
});

after(async () => {
  await browser?.close({ failed: failed(), suite: "security-key" });
  await server?.close({ keep: failed() });
});

/** Signs in by the form and opens the wall, which needs the second factor. */
async function signIn() {
  await page.goto(`${server.url}/signin?next=${encodeURIComponent("/wall")}`);
  await page.getByLabel("用户名").fill("zhao");
  await page.getByLabel("密码", { exact: true }).fill(PASSWORD);
  await page.locator("form.card .btn.primary").click();
  await page.waitForURL("**/wall");
  await page.locator("dialog.factor-dialog").waitFor();
}

/** By the menu, as people do. */
async function signOut() {
  await page.locator("details.settings > summary").click();
  await page.getByRole("button", { name: "退出登录" }).click();
  await page.waitForURL("**/signin**");
}

/** The second factor was shown: the dialog is gone, and the server says so. */
async function letIn() {
  await until("the second factor was shown", async () => (await page.locator("dialog").count()) === 0);
  const shown = await page.evaluate(async () => (await (await fetch("/api/v1/session/factor")).json()).shown_until);
  assert.ok(shown > Date.now(), "shown to the server");
}

/** Where the browser still looks for a key, it is told to stop; where it has found none, there is nothing to stop. */
const stopWaiting = () => page.locator(".key-waits button").evaluateAll((buttons) => buttons.forEach((button) => button.click()));

const useKey = () => page.getByRole("button", { name: "使用安全密钥" }).click();

test("who has no second factor sets a key up, and keeps the codes that come with it", async () => {
  await signIn();
  await page.locator(".factors").waitFor();
  await until("the first thing to do has the focus", async () => (await focused()) === "设置");
  await shoot("set-up");
  await page.getByRole("button", { name: "添加安全密钥" }).click();
  await until("the name has the focus", async () => (await focused()) === "fa-name");
  await page.keyboard.type(NAME);
  await page.keyboard.press("Enter");
  await page.locator("[data-recovery]").waitFor();
  codes = await page.locator("[data-recovery] code").allTextContents();
  assert.equal(codes.length, 10);
  await shoot("codes");
  await page.getByRole("button", { name: "我已保存" }).click();
  await page.locator(".factors").getByText(NAME).waitFor();
  const [made] = await key.credentials();
  assert.equal(made.rpId, "localhost");
  await page.getByRole("button", { name: "完成" }).click();
  await letIn();
});

test("password and key let in; the key alone is asked for where there is no app", async () => {
  await signOut();
  await signIn();
  await until("the key has the focus", async () => (await focused()) === "使用安全密钥");
  await shoot("asked");
  await page.keyboard.press("Enter");
  await letIn();
});

test("nobody touches the key: the page waits, can be stopped, and says what to do", async () => {
  await signOut();
  await signIn();
  await key.touched(false);
  await useKey();
  await says("请按浏览器的提示触碰密钥");
  await shoot("waits");
  await page.getByRole("button", { name: "不等了" }).click();
  await says("没有收到安全密钥的确认");
  await shoot("unanswered");
  // Closing the dialog ends the question as well: the next one is not in its way.
  await useKey();
  await says("请按浏览器的提示触碰密钥");
  await dialog().getByRole("button", { name: "取消", exact: true }).click();
  await until("the dialog is gone", async () => (await page.locator("dialog").count()) === 0);
  await key.touched(true);
  await page.reload();
  await page.locator("dialog.factor-dialog").waitFor();
  await useKey();
  await letIn();
});

test("another key is refused, by the browser and by the server", async () => {
  const [mine] = await key.credentials();
  await key.unplug();
  const other = await Authenticator.plug(cdp);
  await signOut();
  await signIn();
  // The browser finds nothing of ours on it.
  await useKey();
  await until("the page waits or says that nothing answered", async () => (await page.locator(".key-waits, .note.bad").count()) > 0);
  await stopWaiting();
  await says("没有收到安全密钥的确认");
  // Under the same id, but signed by somebody else's private key.
  await other.add({ ...mine, privateKey: foreignKey() });
  await useKey();
  await says("服务器没有接受这个安全密钥");
  await shoot("refused");
  assert.equal(await refused("bad_signature"), 1);
  await other.unplug();

  key = await Authenticator.plug(cdp);
  await key.add(mine);
  await useKey();
  await letIn();
});

test("a copy whose counter is behind is refused", async () => {
  const [mine] = await key.credentials();
  await key.copyOf(mine, 0);
  await signOut();
  await signIn();
  await useKey();
  await says("服务器没有接受这个安全密钥");
  assert.equal(await refused("counter_went_back"), 1);
  await key.copyOf(mine, mine.signCount);
  await useKey();
  await letIn();
});

test("without the key a recovery code lets in, once", async () => {
  await signOut();
  await signIn();
  await page.getByLabel("恢复码").fill(codes[0]);
  await page.getByRole("button", { name: "继续" }).click();
  await letIn();
  await signOut();
  await signIn();
  await page.getByLabel("恢复码").fill(codes[0]);
  await page.getByRole("button", { name: "继续" }).click();
  await says("验证码不对");
  await useKey();
  await letIn();
});

test("the same key is not set up twice, and one that was removed does not count", async () => {
  const opener = page.locator("details.settings > summary");
  await opener.click();
  await page.getByRole("button", { name: "双因素验证" }).click();
  await page.locator(".factors").getByText(NAME).waitFor();
  await page.getByRole("button", { name: "添加安全密钥" }).click();
  await page.locator("#fa-name").fill("又一个");
  await page.getByRole("button", { name: "继续，然后触碰密钥" }).click();
  await says("这个密钥已经添加过");
  // A second one, so that one stays when the first is gone.
  const [mine] = await key.credentials();
  await key.unplug();
  const spare = await Authenticator.plug(cdp);
  await page.getByRole("button", { name: "添加安全密钥" }).click();
  await page.locator("#fa-name").fill("备用");
  await page.getByRole("button", { name: "继续，然后触碰密钥" }).click();
  await page.locator(".factors").getByText("备用").waitFor();
  assert.equal((await spare.credentials()).length, 1);
  await page.getByRole("button", { name: `移除 ${NAME}` }).click();
  await dialog().getByRole("button", { name: `移除 ${NAME}` }).click();
  await until("the key is gone", async () => (await page.locator(".factors").getByText(NAME).count()) === 0);
  await page.getByRole("button", { name: "完成" }).click();
  await until("the focus is back on the menu", () => opener.evaluate((menu) => document.activeElement === menu));

  await spare.unplug();
  const old = await Authenticator.plug(cdp);
  await old.add({ ...mine, signCount: mine.signCount + 10 });
  await signOut();
  await signIn();
  // The server no longer offers it, so the browser does not find what it is asked for.
  await useKey();
  await until("the page waits or says that nothing answered", async () => (await page.locator(".key-waits, .note.bad").count()) > 0);
  await stopWaiting();
  await says("没有收到安全密钥的确认");
  // And who answers with it all the same is refused: the challenge is good, the key is none of the account's.
  const status = await page.evaluate(async ({ id }) => {
    const { csrf } = await (await fetch("/api/v1/me")).json();
    const ask = (path, body) => fetch(`/api/v1/session/factor/keys/${path}`, { method: "POST", headers: { "content-type": "application/json", "x-csrf-token": csrf }, body: JSON.stringify(body) });
    const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    const { public_key, state } = await (await ask("challenge", {})).json();
    const options = JSON.parse(public_key);
    const used = await navigator.credentials.get({ publicKey: { ...options, challenge: bytes(options.challenge), allowCredentials: [{ type: "public-key", id: bytes(id) }] } });
    const answer = await ask("verify", {
      state, name: null, id: text(used.rawId), client_data: text(used.response.clientDataJSON), data: text(used.response.authenticatorData), signature: text(used.response.signature),
    });
    return answer.status;
  }, { id: mine.credentialId.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "") });
  assert.ok(status >= 400 && status < 500, `answered ${status}`);
  assert.equal(await refused("unknown_credential"), 1);
  assert.deepEqual(person.faults, []);
});
