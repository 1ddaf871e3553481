// `make demo`: a server, and `lectern-loadtest demo`, a synthetic teacher who gives a lesson on it, to look around in.
// Everything is kept in the data directory, so a second start finds the same people. Ctrl-C ends all of it: first the
// lesson, then the server.
//
//   node scripts/demo.mjs --data DIR [--listen ADDR]

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { firstLogin } from "../e2e/lib/login.mjs";
import { until } from "../e2e/lib/wait.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const { values: options } = parseArgs({ options: { data: { type: "string", default: "data/demo" }, listen: { type: "string", default: "127.0.0.1:7780" } } });
const url = `http://localhost:${options.listen.split(":").at(-1)}`;

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
  console.log(`\n  be the administrator     ${url}/  as ${admin.login}, password: ${admin.password}\n  Everything is kept in ${options.data}/; Ctrl-C ends it.`);
  start("lectern-loadtest", ["demo", "--url", url, "--login", admin.login, "--password-file", join(options.data, "admin.password"), "--cache", join(ROOT, "target/loadtest")]);
} catch (error) {
  if (!ending) await end(1, error.message);
}
