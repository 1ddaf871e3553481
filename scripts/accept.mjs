// `make accept [LINE=name]`: the long measured runs behind an issue's list, one line after the other, and one table of all
// that they measured. A line that was met on this very commit is not run again, so an interrupted run goes on where it was.
// JSON stays in target/accept/: what the suite measured, its verdict, and how busy the machine was before and after.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const LINES = {
  class: "Chromium teacher and three Chromium students: first frame, order, delay, lip-sync",
  recording: "the recording against what the SFU received; library, players",
  crash: "kill -9 in mid-class, ten times",
  thin: "viewers behind 4 Mbit/s, 800 and 250 kbit/s",
  interop: "aiortc, GStreamer, Firefox and Chromium by WHIP and WHEP",
  stage: "a shared screen with its sound, and a remote classroom",
  lesson: "chat, questions, waiting room, muting, reloading, removing",
  "bad-input": "what the page says when something is wrong",
  network: "an address that changes in class, and blocked UDP",
  disk: "a full disk in class",
  screenshots: "every page, both languages, phone to screen, light and dark",
  archive: "twenty cameras for half an hour against their own ledger; kill -9 twenty times",
  wall: "36 live tiles for five minutes: delay, drops, pages, main stream, replay, evidence, rights",
  "wall-sound": "sound of one tile: AAC, then G.711, then off",
  health: "faults by script on twenty cameras for twenty minutes: a confusion matrix",
  "patrol-pages": "every page of exam patrol, both languages",
  "security-key": "a security key as the second factor",
};

const git = (...words) => spawnSync("git", words, { cwd: ROOT, encoding: "utf8" }).stdout.trim();
const commit = `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain", "--untracked-files=no") ? "+" : ""}`;

const wanted = process.argv.slice(2).flatMap((word) => word.split(",")).filter(Boolean);
const unknown = wanted.filter((name) => !LINES[name]);
if (unknown.length > 0) {
  console.error(`no such line: ${unknown.join(", ")}; there are ${Object.keys(LINES).join(", ")}`);
  process.exit(2);
}

const file = (name) => `${ROOT}target/accept/${name}.json`;
const read = (name) => (existsSync(file(name)) ? JSON.parse(readFileSync(file(name), "utf8")) : undefined);

/** What a line measured on this commit; a work tree with changes has no past. */
const known = (name) => (commit.endsWith("+") || read(name)?.commit !== commit ? undefined : read(name));

const loads = () => loadavg().map((load) => Math.round(load * 100) / 100);

/** Runs a line. Its verdict is the whole suite's: aims that were met before a test failed are no success. */
function run(name) {
  rmSync(file(name), { force: true });
  const [started, before] = [Date.now(), loads()];
  const { status } = spawnSync("e2e/run", ["--accept", name], { cwd: ROOT, stdio: "inherit", env: { ...process.env, LECTERN_COMMIT: commit } });
  const measured = read(name) ?? { line: name, at: new Date().toISOString(), form: "long", commit, aims: [] };
  const aimsMet = measured.aims.every((aim) => aim.met);
  Object.assign(measured, {
    verdict: status === 0 && aimsMet ? "met" : "missed", suite: status === 0 ? "passed" : "failed", seconds: Math.round((Date.now() - started) / 1000),
    machine: { cores: cpus().length, cpu: cpus()[0]?.model.trim(), loadBefore: before, loadAfter: loads() },
  });
  writeFileSync(file(name), `${JSON.stringify(measured, null, 2)}\n`);
  return measured;
}

mkdirSync(`${ROOT}target/accept`, { recursive: true });
console.log(`commit ${commit}, ${cpus().length} cores (${cpus()[0]?.model.trim()}), load ${loads().join(" ")}`);
const rows = [];
let missed = 0;
for (const [name, title] of Object.entries(LINES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const kept = wanted.length === 0 && known(name)?.verdict === "met" ? known(name) : undefined;
  if (!kept) console.log(`\n=== ${name}: ${title}  (load ${loads()[0]})`);
  const measured = kept ?? run(name);
  const met = measured.verdict === "met";
  missed += met ? 0 : 1;
  rows.push([name, met ? "met" : "MISSED", `${measured.seconds} s, load ${measured.machine.loadBefore[0]} → ${measured.machine.loadAfter[0]}${kept ? ", kept from before" : ""}`]);
  if (measured.suite === "failed") rows.push(["", "MISSED", "a test of the suite failed"]);
  for (const aim of measured.aims) {
    const value = typeof aim.value === "number" ? Math.round(aim.value * 1000) / 1000 : aim.value;
    rows.push(["", aim.met ? "met" : "MISSED", `${aim.name} = ${value} (aim ${aim.relation} ${aim.limit})`]);
  }
}

const width = Math.max(...rows.map(([name]) => name.length));
console.log(`\n${"line".padEnd(width)}  verdict`);
for (const [name, verdict, what] of rows) console.log(`${name.padEnd(width)}  ${verdict.padEnd(7)}  ${what}`);
console.log(`\n${missed === 0 ? "all lines met" : `${missed} of ${rows.filter(([name]) => name).length} lines missed`}; JSON in target/accept/`);
process.exit(missed > 0 ? 1 : 0);
