// `make accept [LINE=name]`: the long measured runs behind an issue's list, one line after the other. A line that was met
// on this very commit is not run again, so an interrupted run goes on where it was. JSON stays in target/accept/.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const LINES = {
  class: "Chromium teacher and three Chromium students: first frame, order, delay, lip-sync",
  recording: "the recording against what the SFU received; library, players",
  crash: "kill -9 in mid-class, ten times",
  thin: "viewers behind 4 Mbit/s, 800 and 250 kbit/s",
  interop: "aiortc, GStreamer, Firefox and Chromium by WHIP and WHEP",
  "bad-input": "what the page says when something is wrong",
  screenshots: "every page, both languages, phone to screen, light and dark",
};

const git = (...words) => spawnSync("git", words, { cwd: ROOT, encoding: "utf8" }).stdout.trim();
const commit = `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain", "--untracked-files=no") ? "+" : ""}`;

const wanted = process.argv.slice(2).flatMap((word) => word.split(",")).filter(Boolean);
const unknown = wanted.filter((name) => !LINES[name]);
if (unknown.length > 0) {
  console.error(`no such line: ${unknown.join(", ")}; there are ${Object.keys(LINES).join(", ")}`);
  process.exit(2);
}

/** A line's verdict on this commit; a work tree with changes has none. */
function known(name) {
  const file = `${ROOT}target/accept/${name}.json`;
  if (commit.endsWith("+") || !existsSync(file)) return undefined;
  const kept = JSON.parse(readFileSync(file, "utf8"));
  return kept.commit === commit ? kept : undefined;
}

mkdirSync(`${ROOT}target/accept`, { recursive: true });
console.log(`commit ${commit}, ${cpus().length} cores (${cpus()[0]?.model.trim()}), load ${loadavg().map((load) => load.toFixed(2)).join(" ")}`);
const verdicts = [];
for (const [name, title] of Object.entries(LINES)) {
  if (wanted.length > 0 ? !wanted.includes(name) : known(name)?.verdict === "met") {
    if (wanted.length === 0) verdicts.push([name, "met (kept from before)"]);
    continue;
  }
  console.log(`\n=== ${name}: ${title}  (load ${loadavg()[0].toFixed(2)})`);
  const { status } = spawnSync("e2e/run", ["--accept", name], { cwd: ROOT, stdio: "inherit", env: { ...process.env, LECTERN_COMMIT: commit } });
  verdicts.push([name, status === 0 ? "met" : "MISSED"]);
}

console.log("");
for (const [name, verdict] of verdicts) console.log(`${verdict.padEnd(24)} ${name}`);
process.exit(verdicts.some(([, verdict]) => verdict === "MISSED") ? 1 : 0);
