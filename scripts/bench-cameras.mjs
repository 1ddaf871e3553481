// `make bench`, the line of cameras: a server of the release build records 50 cameras of 4 Mbit/s over RTSP/TCP, and
// `lectern-loadtest camera-bench` measures it beside `ffmpeg -c copy` that records the same cameras. JSON stays in
// target/bench/cameras.json.
//
//   node scripts/bench-cameras.mjs [option of camera-bench…]

import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

const ROOT = new URL("..", import.meta.url).pathname;
process.env.LECTERN_BINARY ??= join(ROOT, "target/release/lectern");
const loadtest = process.env.E2E_LOADTEST ?? join(ROOT, "target/release/lectern-loadtest");
const { Server } = await import("../e2e/lib/server.mjs");
const { addCameras, allLive, makeSite } = await import("../e2e/lib/patrol.mjs");

const options = process.argv.slice(2);
const valueOf = (...names) => options.find((_, n) => names.includes(options[n - 1]));
const count = Number(valueOf("-n", "--cameras") ?? 50);
/** Caches and buffers fill in the first seconds of a recording. */
const SETTLE_MS = 15_000;
const json = join(ROOT, "target/bench/cameras.json");

/** Bytes of a process that are in memory (proc(5), VmRSS). */
const resident = (pid) => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024;

mkdirSync(join(ROOT, "target/bench"), { recursive: true });
const user = "bench";
const password = "bench";
const bench = spawn(loadtest, [
  "camera-bench", "--user", user, "--password", password, "--cache", join(ROOT, "target/loadtest/cameras"), "--json", json, ...options,
], { stdio: ["pipe", "pipe", "inherit"] });
const ended = new Promise((resolve) => bench.on("exit", (code, signal) => resolve(code ?? signal ?? 1)));
const lines = createInterface({ input: bench.stdout });
const ready = await Promise.race([
  new Promise((resolve) => lines.once("line", (line) => resolve(JSON.parse(line)))),
  ended.then((how) => { throw new Error(`camera-bench ended: ${how}`); }),
]);
lines.on("line", (line) => console.log(line));

const server = await Server.start("bench-cameras", { patrol: { allow_loopback: true } });
let code = 1;
try {
  const site = await makeSite(server);
  await pause(2000);
  const empty = resident(server.pid);
  const url = `rtsp://127.0.0.1:${ready.port}`;
  const list = Array.from({ length: count }, (_, n) => ({ main: `${url}/cam/${n + 1}/main`, sub: `${url}/cam/${n + 1}/sub` }));
  const peer = { url, list, user, password };
  await addCameras(site.manager, peer, site.site, count, () => ({ transport: "tcp" }));
  await allLive(site.manager, site.site, 120_000);
  await pause(SETTLE_MS);
  bench.stdin.end(`${JSON.stringify({ pid: server.pid, empty_bytes: empty })}\n`);
  code = await ended;
  const told = JSON.parse(readFileSync(json, "utf8"));
  const median = (of) => {
    const all = told.data.rounds.map(of).sort((a, b) => a - b);
    return all[Math.floor(all.length / 2)];
  };
  const cpu = { server: median(({ server: cost }) => cost.cpu_ms_per_camera_second), ffmpeg: median(({ ffmpeg: cost }) => cost.cpu_ms_per_camera_second) };
  told.line = {
    cameras: count, cpu_ms_per_camera_second: cpu, ratio_to_ffmpeg: cpu.server / cpu.ffmpeg,
    memory_bytes_per_camera: median(({ server: cost }) => cost.resident_bytes_per_camera), empty_bytes: empty,
  };
  writeFileSync(json, `${JSON.stringify(told, null, 2)}\n`);
  console.log(JSON.stringify(told.line));
} finally {
  await server.close();
  bench.kill("SIGTERM");
}
process.exit(typeof code === "number" ? code : 1);
