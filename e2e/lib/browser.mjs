// One Chromium per suite, a context of its own for each participant, and the two page scripts: a camera that draws the
// marked strip, and a probe that reads it.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { ROOT } from "./server.mjs";
import { PATIENCE } from "./wait.mjs";

export const CHROMIUM = process.env.LECTERN_CHROMIUM ?? "/usr/bin/chromium";

/** Flags found to work with Debian's Chromium, headless, on one machine. */
const FLAGS = [
  "--headless=new",
  "--no-sandbox", // the tests run as root in a namespace of their own
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--allow-loopback-in-peer-connection",
];

const here = (path) => readFile(new URL(path, import.meta.url), "utf8");

/** A page script as one self-contained text: the strip's functions first, without `export`. */
export async function pageScript(name, options) {
  const strip = (await here("./strip.mjs")).replace(/^export /gm, "");
  const script = (await here(`../page/${name}.js`)).replace("__OPTIONS__", JSON.stringify(options ?? {}));
  return `(() => {\n${strip}\n${script}\n})();`;
}

export class Browser {
  /** @type {Person[]} */
  people = [];

  /** @param {{ executablePath?: string, flags?: string[] }} options */
  static async launch({ executablePath = CHROMIUM, flags = [] } = {}) {
    const browser = new Browser();
    browser.native = await chromium.launch({
      executablePath, headless: true, args: [...FLAGS, ...flags],
      ignoreDefaultArgs: ["--mute-audio"], // a muted browser does not pull the sound that we measure
    });
    return browser;
  }

  /**
   * Someone at a computer: a context of their own, with a camera that draws the strip.
   * @param {string} name for failures and screenshots
   * @param {{ source?: object, locale?: string, viewport?: { width: number, height: number }, colorScheme?: "light" | "dark",
   *           timezoneId?: string, blockAutoplay?: boolean, ignoreHTTPSErrors?: boolean, probe?: string }} options `probe`: the page script that looks at pictures;
   *           `timezoneId`: where the computer thinks it is, unless said otherwise where the server is by default
   */
  async person(name, { source, locale = "zh-CN", timezoneId = "Asia/Shanghai", viewport = { width: 1366, height: 768 }, probe = "probe", ...more } = {}) {
    const context = await this.native.newContext({ locale, timezoneId, viewport, reducedMotion: "reduce", ...more });
    context.setDefaultTimeout(30_000 * PATIENCE);
    await context.addInitScript({ content: await pageScript("source", source) });
    await context.addInitScript({ content: await pageScript(probe) });
    const person = new Person(name, context, await context.newPage());
    this.people.push(person);
    return person;
  }

  async close({ failed = false, suite = "suite" } = {}) {
    if (failed) await Promise.allSettled(this.people.map((person) => person.evidence(suite)));
    await this.native.close();
  }
}

/** A context with one page, and everything it complained about. */
export class Person {
  constructor(name, context, page) {
    Object.assign(this, { name, context, page, complaints: [] });
    this.listen(page);
  }

  listen(page) {
    page.on("pageerror", (error) => this.complaints.push(`uncaught: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") this.complaints.push(`${message.type()}: ${message.text()}`);
    });
  }

  /** Errors that no page may ever show: uncaught exceptions, and what the content security policy refused. */
  get faults() {
    return this.complaints.filter((text) => text.startsWith("uncaught") || /Content Security Policy/.test(text));
  }

  report(page = this.page) {
    return page.evaluate(() => window.lecternProbe.report());
  }

  reset(page = this.page) {
    return page.evaluate(() => window.lecternProbe.reset());
  }

  stats(page = this.page) {
    return page.evaluate(() => (window.lecternProbe ?? window.lecternWall).stats());
  }

  /** Screenshot, statistics and complaints into target/e2e/ for a failure. */
  async evidence(suite) {
    const folder = join(ROOT, "target/e2e/failures");
    await mkdir(folder, { recursive: true });
    const stats = await this.stats().catch(() => undefined);
    if (stats) await writeFile(join(folder, `${suite}-${this.name}.stats.json`), JSON.stringify(stats, null, 1));
    await this.page.screenshot({ path: join(folder, `${suite}-${this.name}.png`), timeout: 5000 });
    console.log(`# ${this.name} was at ${this.page.url()}; screenshot in target/e2e/failures/${suite}-${this.name}.png`);
    for (const line of this.complaints.slice(-10)) console.log(`#   ${line.slice(0, 300)}`);
  }
}
