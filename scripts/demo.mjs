// `make demo`: a server, `lectern-loadtest demo`, a synthetic teacher who gives a lesson on it, and `lectern-loadtest cameras`,
// an exam site of twelve cameras with a fault now and then, to look around in. Everything is kept in the data directory, so a
// second start finds the same people. Ctrl-C ends all of it: first the lesson and the cameras, then the server.
//
//   node scripts/demo.mjs --data DIR [--listen ADDR]

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { Api } from "../e2e/lib/api.mjs";
import { totp } from "../e2e/lib/factor.mjs";
import { firstLogin } from "../e2e/lib/login.mjs";
import { addCameras, makeSite } from "../e2e/lib/patrol.mjs";
import { until } from "../e2e/lib/wait.mjs";
import { PASSWORD } from "../e2e/lib/world.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const { values: options } = parseArgs({ options: { data: { type: "string", default: "data/demo" }, listen: { type: "string", default: "127.0.0.1:7780" } } });
const port = Number(options.listen.split(":").at(-1));
const url = `http://localhost:${port}`;
/** Where the cameras are, the same at every start. */
const cameras = { url: `rtsp://127.0.0.1:${port + 1}`, user: "demo", password: "cameras of the demo", count: 12 };

/** Started in this order, ended in the other. */
const children = [];

/** A child whose end ends everything. A process group of its own: Ctrl-C reaches us alone, and we end them in order. */
function start(name, words, { quiet = false } = {}) {
  const child = spawn(join(ROOT, "target/debug", name), words, { stdio: ["ignore", quiet ? "pipe" : "inherit", quiet ? "pipe" : "inherit"], detached: true });
  child.output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (text) => (child.output = (child.output + text).slice(-100_000)));
  child.ended = new Promise((resolve) => {
    const over = (code, why) => {
      resolve();
      end(code, why && `${why}${child.output ? `:\n${child.output.slice(-2000)}` : ""}`);
    };
    child.on("error", (error) => over(1, `${name} could not be started: ${error.message}`));
    child.on("exit", (code, signal) => over(code ?? 1, code === 0 ? undefined : `${name} ended with ${signal ?? `code ${code}`}`));
  });
  children.push(child);
  return child;
}

/** The exam site with an officer who may look; made once. The officer's second factor is kept beside the log-in. */
async function site(admin) {
  const file = join(options.data, "patrol.json");
  if (!existsSync(file)) {
    const administrator = new Api(url);
    await administrator.signIn(admin.login, admin.password);
    const made = await makeSite({ url, administrator: async () => administrator });
    await addCameras(made.manager, cameras, made.site, cameras.count);
    writeFileSync(file, JSON.stringify({ login: made.officer.login, secret: made.officer.secret }), { mode: 0o600 });
  }
  return JSON.parse(readFileSync(file, "utf8"));
}

let ending = false;
async function end(code, why) {
  if (ending) return;
  ending = true;
  process.exitCode = code;
  if (why) console.error(why);
  for (const child of children.toReversed()) {
    child.kill("SIGTERM");
    await child.ended;
  }
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => end(0));

mkdirSync(options.data, { recursive: true });
const kept = join(options.data, "admin.json");
// The cameras are addresses of this machine, which a server refuses unless it is told otherwise.
process.env.LECTERN_PATROL_ALLOW_LOOPBACK = "true";
const server = start("lectern", ["serve", "--data", join(options.data, "server"), "--listen", options.listen], { quiet: true });
try {
  await until("the server answers", async () => {
    if (ending) throw new Error("the server ended");
    return (await fetch(`${url}/readyz`).catch(() => undefined))?.ok;
  }, 60_000, { fatal: () => ending });
  // The log-in is printed once. It is kept beside the data, in a file that only its owner reads.
  if (!existsSync(kept)) {
    const login = await until("the first log-in is printed (if the data is older than this demo: make clean-data)", () => firstLogin(server.output), 10_000);
    writeFileSync(kept, JSON.stringify(login), { mode: 0o600 });
    writeFileSync(join(options.data, "admin.password"), login.password, { mode: 0o600 });
  }
  const admin = JSON.parse(readFileSync(kept, "utf8"));
  console.log(`\n  be the administrator     ${url}/  as ${admin.login}, password: ${admin.password}`);
  const peer = start("lectern-loadtest", [
    "cameras", "-n", String(cameras.count), "--listen", `127.0.0.1:${port + 1}`, "--main-kbps", "2000", "--user", cameras.user,
    "--password", cameras.password, "--now-and-then", "60", "--cache", join(ROOT, "target/loadtest/cameras"),
  ], { quiet: true });
  console.log("  Making the scenes of the cameras; the first time this takes up to a minute …");
  await until("the cameras are ready", () => peer.output.includes('"ready":true') || ending, 600_000);
  const patrol = await site(admin);
  const code = () => console.log(`  be the officer           ${url}/wall  as ${patrol.login}, password: ${PASSWORD}, code now: ${totp(patrol.secret)}  (Enter: the next one)`);
  code();
  createInterface({ input: process.stdin }).on("line", code);
  console.log(`  Everything is kept in ${options.data}/; Ctrl-C ends it.`);
  start("lectern-loadtest", ["demo", "--url", url, "--login", admin.login, "--password-file", join(options.data, "admin.password"), "--cache", join(ROOT, "target/loadtest")]);
} catch (error) {
  if (!ending) await end(1, error.message);
}
