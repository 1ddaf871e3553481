// Cameras as the peer of a test: `lectern-loadtest cameras`, its ready line, and its ledger of all that was sent.

import { spawn } from "node:child_process";
import { createWriteStream, existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { jsonLines } from "./ledger.mjs";
import { ROOT } from "./server.mjs";
import { until } from "./wait.mjs";

const BINARY = process.env.E2E_LOADTEST ?? join(ROOT, "target/debug/lectern-loadtest");

export class Cameras {
  #process;
  #ready;

  /**
   * Starts cameras; resolves when they answer. The first start on a machine encodes their scenes, which takes some seconds.
   * @param {string} name names the log file under target/e2e/
   * @param {{ cameras?: number, script?: object[], h265Every?: number, mainKbps?: number, subKbps?: number,
   *   sound?: "aac" | "pcma" | "none", scenes?: number, portEach?: boolean, listen?: string, user?: string, password?: string,
   *   prefix?: string[], words?: string[] }} wishes `script`: faults with times since the start; `prefix`: a command to run
   *   it by (a namespace); `words`: more of the command line
   */
  static async start(name, wishes = {}) {
    if (!existsSync(BINARY)) throw new Error(`${BINARY} is missing: cargo build -p lectern-loadtest`);
    const peer = new Cameras();
    const {
      cameras = 4, script = [], h265Every = 2, mainKbps = 4000, subKbps = 500, sound = "aac", scenes = 4, portEach = false,
      listen = "127.0.0.1:0", user = "exam", password = "peer-of-tests", prefix = [], words = [],
    } = wishes;
    Object.assign(peer, { name, user, password });
    peer.directory = await mkdtemp(join(tmpdir(), `lectern-cameras-${name}-`));
    // A directory: a file for each stream, and one for what happened. Half an hour of twenty cameras is too much for one.
    peer.ledger = join(peer.directory, "ledger");
    await mkdir(peer.ledger);
    const faults = join(peer.directory, "script.jsonl");
    await writeFile(faults, script.map((line) => `${JSON.stringify(line)}\n`).join(""));
    await mkdir(join(ROOT, "target/e2e"), { recursive: true });
    const log = createWriteStream(join(ROOT, `target/e2e/${name}.cameras.log`));
    const [command, ...line] = [
      ...prefix, BINARY, "cameras", "-n", cameras, "--listen", listen, "--h265-every", h265Every, "--main-kbps", mainKbps,
      "--sub-kbps", subKbps, "--sound", sound, "--scenes", scenes, "--user", user, "--password", password,
      "--script", faults, "--ledger", peer.ledger, "--cache", join(ROOT, "target/loadtest/cameras"),
      ...(portEach ? ["--port-each"] : []), ...words,
    ].map(String);
    const child = spawn(command, line, { stdio: ["ignore", "pipe", "pipe"] });
    peer.#process = child;
    child.stderr.pipe(log);
    peer.exited = new Promise((resolve) => child.on("exit", (code, signal) => resolve({ code, signal })));
    const first = new Promise((resolve) => createInterface({ input: child.stdout }).once("line", resolve));
    const line1 = await Promise.race([first, peer.exited.then((end) => { throw new Error(`the cameras ended: ${JSON.stringify(end)}; see ${log.path}`); })]);
    peer.#ready = JSON.parse(line1);
    peer.startedAt = Date.now();
    peer.port = peer.#ready.port;
    peer.url = new URL(peer.#ready.cameras[0].main.replace(/^rtsp:/, "http:")).origin.replace(/^http:/, "rtsp:");
    return peer;
  }

  get pid() {
    return this.#process.pid;
  }

  /** { camera, codec, main, sub } of each, as the ready line tells. */
  get list() {
    return this.#ready.cameras;
  }

  /**
   * The ledger's lines so far that `wanted` picks: of a stream (`3-main`), or of what happened. It is written each second;
   * a file that is not there yet has no lines.
   */
  async lines(wanted = () => true, file = "events") {
    const path = join(this.ledger, `${file}.jsonl`);
    const found = [];
    if (existsSync(path)) for await (const line of jsonLines(path)) if (wanted(line)) found.push(line);
    return found;
  }

  /**
   * When a fault of a camera really began or ended, Unix milliseconds; waits for it.
   * @param {number} camera
   * @param {"start" | "end"} edge
   * @param {{ fault?: string, stream?: "main" | "sub", after?: number, within?: number }} which without them: its first fault, any stream;
   *   `after`: Unix milliseconds
   */
  async faultEdge(camera, edge, { fault, stream, after = 0, within = 60_000 } = {}) {
    const wanted = (line) => line.t === "fault" && line.camera === camera && line.edge === edge && line.utc_ms >= after
      && (!fault || line.fault === fault) && (!stream || line.stream === null || line.stream === stream);
    return until(`camera ${camera}: ${edge} of ${fault ?? "its fault"}`, async () => (await this.lines(wanted))[0]?.utc_ms, within);
  }

  /** Ends the cameras; the ledger is whole then. */
  async stop() {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.#process.kill("SIGTERM");
    return this.exited;
  }

  /** Ends the cameras and removes the ledger; keeps it, and says where, when the test failed. */
  async close({ keep = false } = {}) {
    await this.stop();
    if (keep) console.log(`# ledger of ${this.name} kept in ${this.directory}`);
    else await rm(this.directory, { recursive: true, force: true });
  }
}
