// aiortc and webrtcbin as child processes that speak WHIP and WHEP, and Firefox and Chromium pages that do the same:
// four stacks behind one interface, `publish` and `watch`.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { pageScript } from "./browser.mjs";
import { firefoxPage } from "./firefox.mjs";
import { ROOT } from "./server.mjs";
import { until } from "./wait.mjs";

const PYTHON = process.env.LECTERN_PYTHON ?? join(ROOT, "target/venv/bin/python");

/** One run of a Python client. It ends when told (its standard input closes), or when it saw enough. */
class PythonPeer {
  constructor(script, words) {
    this.lines = [];
    this.noise = "";
    this.child = spawn(PYTHON, [join(ROOT, "e2e/interop", script), ...words], { stdio: ["pipe", "pipe", "pipe"] });
    let rest = "";
    this.child.stdout.on("data", (data) => {
      const lines = (rest + data).split("\n");
      rest = lines.pop();
      for (const line of lines) if (line.startsWith("{")) this.lines.push(JSON.parse(line));
      if (process.env.LECTERN_E2E_VERBOSE) console.log(`# ${script} ${words[0]}: ${lines.join(" ")}`);
    });
    this.child.stderr.on("data", (data) => (this.noise = (this.noise + data).slice(-4000)));
    this.ended = new Promise((end) => this.child.on("close", end));
  }

  async connected() {
    await until(`${this.child.spawnargs[1]} is connected`, () => {
      const refused = this.lines.find((line) => line.type === "refused" || (line.type === "state" && line.state === "failed"));
      if (refused || this.child.exitCode !== null) throw new Error(`${JSON.stringify(this.lines)} ${this.noise}`);
      return this.lines.some((line) => line.type === "state" && line.state === "connected");
    }, 40_000, { fatal: () => true, detail: () => ({ said: this.lines, noise: this.noise }) }).catch((error) => {
      this.child.kill();
      throw error;
    });
  }

  /** What a viewer saw, once it ends by itself. */
  async figures() {
    await this.ended;
    const end = this.lines.find((line) => line.type === "end");
    if (!end) throw new Error(`ended without figures: ${JSON.stringify(this.lines)} ${this.noise}`);
    return end;
  }

  async end() {
    this.child.stdin.end();
    await this.ended;
  }
}

function pythonStack(script) {
  const words = ({ codec, frames, firstFrame, seconds }) => [
    "--codec", codec ?? "VP8", "--frames", String(frames ?? 50), "--first-frame", String(firstFrame ?? 0), "--seconds", String(seconds ?? 60),
  ];
  return {
    async publish(server, path, token, options) {
      const peer = new PythonPeer(script, ["publish", server.url + path, "--token", token, ...words({ seconds: 600, ...options })]);
      await peer.connected();
      return peer;
    },
    async watch(server, path, token, options) {
      return new PythonPeer(script, ["watch", server.url + path, "--token", token, ...words(options)]).figures();
    },
  };
}

/** What a page saw, in the same words as the Python clients. */
function figuresOf(seen) {
  const steps = seen.frames.slice(1).map((frame, index) => frame - seen.frames[index]);
  return {
    ...seen, frames: undefined, ages: undefined, first: seen.frames[0] ?? null, last: seen.frames.at(-1) ?? null,
    inOrder: steps.every((step) => step >= 0), missing: steps.reduce((sum, step) => sum + Math.max(0, step - 1), 0),
  };
}

/** A browser page; `open` makes one and says how to close it. */
function pageStack(open) {
  return {
    async publish(server, path, token, options = {}) {
      const { page, close } = await open(server, { width: 640, height: 360, firstFrame: options.firstFrame ?? 0 });
      try {
        await page.evaluate((...words) => window.lecternWhip.publish(...words), ...[path, token, { codec: options.codec ?? "VP8" }]);
        await until("the page's publisher is connected", () =>
          page.evaluate(() => window.lecternWhip.connection.connectionState === "connected"), 40_000);
      } catch (error) {
        await close();
        throw error;
      }
      return {
        end: async () => {
          await page.evaluate(() => window.lecternWhip.end()).catch(() => {});
          await close();
        },
      };
    },
    async watch(server, path, token, { codec = "VP8", frames = 50, seconds = 60 } = {}) {
      const { page, close } = await open(server);
      try {
        await page.evaluate((...words) => window.lecternWhip.watch(...words), ...[path, token, { codec }]);
        await until(`a page read ${frames} strips`, () =>
          page.evaluate((wanted) => window.lecternWhip.seen.readable >= wanted, frames), seconds * 1000).catch(() => {});
        const seen = await page.evaluate(() => window.lecternWhip.seen);
        const sound = await page.evaluate(async () => {
          const report = await window.lecternWhip.connection.getStats();
          return [...report.values()].find((row) => row.type === "inbound-rtp" && row.kind === "audio")?.packetsReceived ?? 0;
        });
        await page.evaluate(() => window.lecternWhip.end());
        return figuresOf({ ...seen, sound });
      } finally {
        await close();
      }
    },
  };
}

export const aiortc = pythonStack("aiortc_peer.py");
export const gstreamer = pythonStack("gst_peer.py");

export const firefox = pageStack(async (server, source) => {
  const { browser, page } = await firefoxPage(`${server.url}/healthz`, source);
  return { page, close: () => browser.close() };
});

/** Chromium as a plain WHIP and WHEP client, in a browser that is there already. */
export const chromiumIn = (browser) => pageStack(async (server, source) => {
  const { context, page } = await browser.person("whip client", { source });
  await page.goto(`${server.url}/healthz`);
  await page.evaluate(await pageScript("whip"));
  // Playwright passes one argument; puppeteer any number.
  return { page: { evaluate: (action, ...words) => page.evaluate(([text, list]) => (0, eval)(`(${text})`)(...list), [String(action), words]) }, close: () => context.close() };
});
