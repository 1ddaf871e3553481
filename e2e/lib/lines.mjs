// Lines between processes: `lectern-netem` makes a server's namespace and one for each viewer, and carries packets between
// them as slowly, late and lossy as told. What runs in which namespace is decided by how it is started.

import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CHROMIUM } from "./browser.mjs";
import { ROOT } from "./server.mjs";

const NETEM = join(ROOT, "target/debug/lectern-netem");

/** Why no lines can be made here, or undefined. Where everything must have run (`CI=true`) it is a failure. */
export function linesImpossible() {
  return namespacesImpossible() ?? (existsSync("/dev/net/tun") ? undefined : missing("needs /dev/net/tun"));
}

/** Why nothing can be mounted and no network be made here, or undefined; under `CI=true` a failure, too. */
export function namespacesImpossible() {
  return process.env.LECTERN_E2E_NAMESPACE ? undefined : missing("needs root, for namespaces");
}

function missing(what) {
  if (process.env.CI === "true") throw new Error(`not run under CI: this suite ${what}`);
  return what;
}

export class Lines {
  #child;
  #waiting = [];

  /** @param {number} viewers how many, each behind a line of its own */
  static async start(viewers) {
    const lines = new Lines();
    lines.#child = spawn(NETEM, ["--viewers", String(viewers)], { stdio: ["pipe", "pipe", "inherit"] });
    lines.#child.on("exit", (code) => lines.#waiting.splice(0).forEach(({ reject }) => reject(new Error(`lectern-netem ended with ${code}`))));
    let rest = "";
    lines.#child.stdout.on("data", (data) => {
      const texts = (rest + data).split("\n");
      rest = texts.pop();
      for (const text of texts) lines.#waiting.shift()?.resolve(JSON.parse(text));
    });
    const ready = await lines.#answer();
    lines.server = ready.server;
    lines.viewers = ready.viewers;
    // The test itself stands outside of all lines, with a short cable into the server's namespace.
    execFileSync("ip", ["link", "add", "ctl0", "type", "veth", "peer", "name", "ctl1", "netns", lines.server.netns]);
    // Without IPv6, whose own address comes seconds later: Chromium breaks off all that is under way then.
    execFileSync("ip", ["link", "set", "ctl0", "addrgenmode", "none"]);
    execFileSync("ip", ["-n", lines.server.netns, "link", "set", "ctl1", "addrgenmode", "none"]);
    for (const words of [["addr", "add", "10.98.0.1/30", "dev", "ctl0"], ["link", "set", "ctl0", "up"]]) execFileSync("ip", words);
    for (const words of [["addr", "add", "10.98.0.2/30", "dev", "ctl1"], ["link", "set", "ctl1", "up"]]) {
      execFileSync("ip", ["-n", lines.server.netns, ...words]);
    }
    lines.controlAddress = "10.98.0.2";
    return lines;
  }

  #answer() {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** One command of the emulator's control language; throws what it refuses. */
  async command(command) {
    const answer = this.#answer();
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    const said = await answer;
    if (said.error) throw new Error(`lectern-netem: ${said.error}`);
    return said;
  }

  /** Changes a viewer's line, counted from 1: rate_kbps, queue_ms, delay_ms, jitter_ms, loss, cut; `dir` for one way only. */
  set(viewer, change) {
    return this.command({ cmd: "set", viewer, ...change });
  }

  /** What every line counted. */
  async stats() {
    return (await this.command({ cmd: "stats" })).lines;
  }

  /** The words before a command that start it in a namespace. */
  static prefix(place) {
    return ["ip", "netns", "exec", place.netns];
  }

  /** An executable that is Chromium in a viewer's namespace (or the server's). */
  static chromiumIn(place) {
    const path = join(mkdtempSync(join(tmpdir(), "lectern-e2e-chromium-")), "chromium");
    writeFileSync(path, `#!/bin/sh\nexec ip netns exec ${place.netns} ${CHROMIUM} "$@"\n`);
    chmodSync(path, 0o755);
    return path;
  }

  async close() {
    const ended = new Promise((end) => this.#child.on("exit", end));
    this.#child.stdin.end(`${JSON.stringify({ cmd: "quit" })}\n`);
    await ended;
  }
}
