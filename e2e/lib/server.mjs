// Starts the real binary on free ports with a data directory of its own, and takes it through stop, kill and restart.

import { spawn, spawnSync } from "node:child_process";
import { createWriteStream, existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { createSocket } from "node:dgram";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Api } from "./api.mjs";
import { firstLogin } from "./login.mjs";
import { PATIENCE, until } from "./wait.mjs";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Half an hour of twenty cameras takes minutes to check. */
const COMMAND_MS = PATIENCE * (process.env.LECTERN_E2E === "accept" ? 1_200_000 : 120_000);
const BINARY = process.env.LECTERN_BINARY ?? join(ROOT, "target/debug/lectern");

/** A TCP port of 127.0.0.1 that nobody listened on a moment ago. */
async function freeTcpPort() {
  const server = createServer();
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

async function freeUdpPort() {
  const socket = createSocket("udp4");
  await new Promise((ready) => socket.bind(0, "0.0.0.0", ready));
  const { port } = socket.address();
  await new Promise((closed) => socket.close(closed));
  return port;
}

/** Quotes a value as TOML: strings, numbers, booleans and flat arrays are the same as in JSON. */
const toml = (value) => JSON.stringify(value);

export class Server {
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #process;
  #output = "";
  #log;

  /**
   * @param {string} name names the log file under target/e2e/
   * @param {{ prefix?: string[], url?: (port: number) => string, prepare?: (server: Server) => unknown }} place how to start
   *   it elsewhere, its address from here, and what is done to `server.data` before the first start
   */
  constructor(name, { prefix = [], url = (port) => `http://localhost:${port}` } = {}) {
    Object.assign(this, { name, prefix, urlOf: url });
  }

  /**
   * Makes the data directory and starts; resolves when /readyz says yes.
   * @param {string} name
   * @param {Record<string, Record<string, unknown>>} settings sections of lectern.toml that differ from the test's own
   */
  static async start(name, settings, place) {
    if (!existsSync(BINARY)) throw new Error(`${BINARY} is missing: cargo build -p lectern-server`);
    const server = new Server(name, place);
    server.directory = await mkdtemp(join(tmpdir(), `lectern-e2e-${name}-`));
    server.data = join(server.directory, "data");
    server.port = await freeTcpPort();
    server.mediaPort = await freeUdpPort();
    server.url = server.urlOf(server.port);
    // The data is small and the disk of a test machine may be, too. A port 0 in a setting stands for the free one.
    const own = {
      http: { listen: `127.0.0.1:${server.port}` },
      media: { listen: [`[::]:${server.mediaPort}`, `0.0.0.0:${server.mediaPort}`] },
      storage: { reserve_mib: 64 },
    };
    const withPort = (value, port) => (typeof value === "string" ? value.replace(/:0$/, `:${port}`) : value);
    const sections = { ...own };
    for (const [section, keys] of Object.entries(settings ?? {})) {
      const port = section === "http" ? server.port : server.mediaPort;
      const filled = Object.entries(keys).map(([key, value]) => [key, Array.isArray(value) ? value.map((one) => withPort(one, port)) : withPort(value, port)]);
      sections[section] = { ...own[section], ...Object.fromEntries(filled) };
    }
    server.config = join(server.directory, "lectern.toml");
    await writeFile(server.config, Object.entries(sections)
      .map(([section, keys]) => `[${section}]\n${Object.entries(keys).map(([key, value]) => `${key} = ${toml(value)}\n`).join("")}`)
      .join("\n"));
    await place?.prepare?.(server);
    await mkdir(join(ROOT, "target/e2e"), { recursive: true });
    server.logFile = join(ROOT, `target/e2e/${name}.server.log`);
    server.#log = createWriteStream(server.logFile);
    await server.launch();
    return server;
  }

  /** Starts the process (again) on the same ports and data. */
  async launch() {
    const [command, ...words] = [...this.prefix, BINARY, "serve", "--config", this.config, "--data", this.data];
    const child = spawn(command, words, {
      env: { ...process.env, RUST_BACKTRACE: "1", RUST_LOG: process.env.RUST_LOG ?? "info" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (text) => {
        this.#output += text;
        if (this.#output.length > 4_000_000) this.#output = this.#output.slice(-2_000_000);
        this.#log.write(text);
      });
    }
    this.exited = new Promise((resolve) => child.on("exit", (code, signal) => resolve({ code, signal })));
    await until(`${this.name} answers /readyz`, async () => {
      if (child.exitCode !== null) throw new Error(`the server ended with code ${child.exitCode}:\n${this.#output.slice(-4000)}`);
      const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
      return answer?.ok;
    }, 60_000, { fatal: (error) => /the server ended/.test(error.message), everyMs: 25 });
    this.readyAt = Date.now();
  }

  /** A signed-in API of the first administrator. The log-in is used once and kept. */
  async administrator() {
    if (!this.admin) {
      this.admin = new Api(this.url);
      const { login, password } = await until("the first log-in is printed", () => firstLogin(this.#output));
      await this.admin.signIn(login, password);
    }
    return this.admin;
  }

  /** Forgets the administrator and what was printed so far: the next start has nobody and makes a first one again. */
  forgetPeople() {
    this.admin = undefined;
    this.#output = "";
  }

  get pid() {
    return this.#process?.pid;
  }

  /** What was printed so far. */
  get output() {
    return this.#output;
  }

  /** kill -9: no chance to say good-bye. */
  async kill() {
    this.killedAt = Date.now();
    this.#process.kill("SIGKILL");
    await this.exited;
  }

  /** SIGTERM and wait: an orderly end. */
  async stop() {
    if (!this.#process || this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill("SIGTERM");
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), 20_000 * PATIENCE);
    const end = await this.exited;
    clearTimeout(timer);
    return end;
  }

  /** Stops and removes the data; keeps it, and says where, when the test failed. */
  async close({ keep = false } = {}) {
    if (keep) await this.#keepMetrics();
    await this.stop();
    this.#log.end();
    if (keep) console.log(`# data of ${this.name} kept in ${this.directory}, log in ${this.logFile}`);
    else await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  /** The counters at the moment of a failure, beside the log. */
  async #keepMetrics() {
    const answer = await fetch(`${this.url}/metrics`).catch(() => undefined);
    if (answer?.ok) await writeFile(this.logFile.replace(/\.server\.log$/, ".metrics.txt"), await answer.text());
  }

  /** Runs another subcommand of the binary: { code, stdout, stderr }. */
  command(...words) {
    const { status, stdout, stderr } = spawnSync(BINARY, words, { encoding: "utf8", timeout: COMMAND_MS });
    return { code: status, stdout, stderr };
  }

  /** Value of a metric, summed over its label sets that contain all of `labels`. */
  async metric(name, labels = {}) {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .filter((line) => Object.entries(labels).every(([key, value]) => line.includes(`${key}="${value}"`)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
  }

  async log() {
    return readFile(this.logFile, "utf8");
  }
}
