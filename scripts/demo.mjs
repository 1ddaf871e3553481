// `make demo`: a server with a school, a class, and a synthetic teacher who teaches it, to look around in. Everything is
// kept in the data directory, so a second start finds the same people. Ctrl-C ends all of it.
//
//   node scripts/demo.mjs --data DIR [--listen ADDR]

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Api } from "../e2e/lib/api.mjs";
import { firstLogin } from "../e2e/lib/login.mjs";
import { until } from "../e2e/lib/wait.mjs";
import { deviceToken, makeClass, makePerson, makeSchool, PASSWORD } from "../e2e/lib/world.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const { values: options } = parseArgs({ options: { data: { type: "string", default: "data/demo" }, listen: { type: "string", default: "127.0.0.1:7780" } } });
const binary = (name) => join(ROOT, "target/debug", name);
const children = [];

/** A child that ends with us, and whose end ends us. */
function start(name, words, { quiet = false } = {}) {
  const child = spawn(binary(name), words, { stdio: ["ignore", "pipe", "pipe"] });
  child.output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text) => {
      child.output = (child.output + text).slice(-100_000);
      if (!quiet) process.stderr.write(text);
    });
  }
  child.on("exit", (code) => end(code ?? 0, `${name} ended${code ? ` with code ${code}:\n${child.output.slice(-2000)}` : ""}`));
  children.push(child);
  return child;
}

let ending = false;
function end(code, why) {
  if (ending) return;
  ending = true;
  if (why) console.error(why);
  for (const child of children) child.kill("SIGTERM");
  process.exitCode = code;
}
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => end(0));

const url = `http://localhost:${options.listen.split(":").at(-1)}`;
mkdirSync(options.data, { recursive: true });
const server = start("lectern", ["serve", "--data", join(options.data, "server"), "--listen", options.listen], { quiet: true });
await until("the server answers", async () => {
  if (ending) throw new Error("the server ended");
  return (await fetch(`${url}/readyz`).catch(() => undefined))?.ok;
}, 60_000, { fatal: () => ending });

// People are made once; their log-ins are kept beside the data, where the demo's passwords are no secret.
const file = join(options.data, "people.json");
const admin = new Api(url);
let teacher;
let school;
if (existsSync(file)) {
  const kept = JSON.parse(readFileSync(file, "utf8"));
  await admin.signIn(kept.admin.login, kept.admin.password);
  teacher = new Api(url);
  await teacher.signIn(kept.teacher.login, kept.teacher.password);
  school = kept.school;
} else {
  const login = await until("the first log-in is printed", () => firstLogin(server.output));
  await admin.signIn(login.login, login.password);
  school = await makeSchool(admin);
  teacher = await makePerson(admin, { login: "wang", name: "王老师", role: "teacher", place: school.id });
  writeFileSync(file, JSON.stringify({ admin: login, teacher: { login: "wang", password: PASSWORD }, school }, null, 2), { mode: 0o600 });
}
const { admin: administrator } = JSON.parse(readFileSync(file, "utf8"));
const lesson = await makeClass(admin, teacher, school, { title: "演示课：三角形的内角和", duration_min: 600, record: true });
const { token, whip } = await deviceToken(teacher, lesson);
start("lectern-loadtest", ["publish", "--whip", url + whip, "--token", token, "--secs", "86400"], { quiet: true });

console.log(`
A class is being taught by a synthetic teacher.

  join it as a student     ${url}/c/${lesson.code}
  as a classroom screen    ${url}/screen/${lesson.code}
  be its teacher           ${url}/  as wang, password: ${PASSWORD}
  be the administrator     ${url}/  as ${administrator.login}, password: ${administrator.password}

Ctrl-C ends it. Everything is kept in ${options.data}/.
`);
