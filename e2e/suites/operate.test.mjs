// What an operator meets: check of the configuration, health, metrics, an orderly end, data of a newer version.

import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ROOT, Server } from "../lib/server.mjs";

let server;
let scratch;

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), "lectern-e2e-operate-"));
  server = await Server.start("operate");
});

after(async () => {
  await server?.close();
  await rm(scratch, { recursive: true, force: true });
});

test("the example configuration is one that works", () => {
  const { code, stderr } = server.command("serve", "--check", "--config", join(ROOT, "packaging/lectern.example.toml"), "--data", join(scratch, "data"));
  assert.equal(code, 0, stderr);
});

test("every commented line of the example is a key that exists", async () => {
  const text = await readFile(join(ROOT, "packaging/lectern.example.toml"), "utf8");
  const keys = text.split("\n").filter((line) => /^(\[|#[a-z_]+ = )/.test(line)).map((line) => line.replace(/^#/, ""));
  // Alternatives stand one after the other there; TOML allows each key once, so the later ones are tried on their own.
  const seen = new Set();
  let section = "";
  const unique = keys.filter((line) => {
    if (line.startsWith("[")) section = line;
    const key = line.startsWith("[") ? line : `${section}.${line.split(" ")[0]}`;
    return seen.has(key) ? false : seen.add(key);
  }).filter((line) => !/^(cert|key) = /.test(line)); // these exclude tls = "off"
  const file = join(scratch, "all-keys.toml");
  await writeFile(file, unique.join("\n"));
  const { code, stderr } = server.command("serve", "--check", "--config", file, "--data", join(scratch, "data"));
  assert.equal(code, 0, stderr);
});

test("a wrong configuration is refused with file, line and key", async () => {
  const file = join(scratch, "wrong.toml");
  await writeFile(file, "[http]\nlisten = \"0.0.0.0:80\"\n[class]\nstage_max = 99\n");
  const { code, stdout, stderr } = server.command("serve", "--check", "--config", file, "--data", join(scratch, "data"));
  assert.notEqual(code, 0);
  assert.match(stdout + stderr, /wrong\.toml:2.*http\.listen/s);
  assert.match(stdout + stderr, /wrong\.toml:4.*class\.stage_max/s);
});

test("health, readiness and metrics answer", async () => {
  for (const path of ["/healthz", "/readyz"]) assert.equal((await fetch(server.url + path)).status, 200, path);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /^# TYPE lectern_/m);
});

test("SIGTERM ends it in order, and it starts again on the same data", async () => {
  await server.administrator();
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  await server.launch();
  assert.equal((await fetch(`${server.url}/readyz`)).status, 200);
  const me = await (await server.administrator()).get("/me");
  assert.ok(me.account, "the administrator's session outlived the restart");
});

test("data of a newer version is not touched, and it says so", async () => {
  await server.stop();
  const marker = (await readdir(server.data)).find((name) => /format|version/i.test(name));
  assert.ok(marker, "the data directory names its format");
  const file = join(server.data, marker);
  const kept = await readFile(file, "utf8");
  await writeFile(file, kept.replace(/\d+/, "999"));
  const { code, stdout, stderr } = server.command("serve", "--check", "--config", server.config, "--data", server.data);
  await writeFile(file, kept);
  assert.notEqual(code, 0);
  assert.match(stdout + stderr, /newer/);
});
