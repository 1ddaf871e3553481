// `make test`: runs every check in order, counts what they counted, and ends with one line that says it all.
//
//   node scripts/test.mjs [step…]      only these steps: node scripts/test.mjs clippy e2e
//
// A step that fails does not hide the others, unless they need what it builds.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

// name, command, what the step needs (names of steps that must not have failed)
const STEPS = [
  ["format", "cargo fmt --all --check"],
  ["web", "cd web && npm run --silent check && npm test --silent && npm run --silent build && npm run --silent size"],
  ["clippy", "cargo clippy --workspace --all-targets --quiet -- -D warnings", ["web"]],
  ["rust", "cargo test --workspace --no-fail-fast", ["web"]],
  // With the tests, whose features the dependencies were just built with: without them nearly all would be built once more.
  ["build", "cargo build --workspace --bins --tests", ["web"]],
  ["types", "scripts/generated-types", ["rust"]],
  ["licences", "scripts/licences"],
  ["e2e", "e2e/run", ["web", "build"]],
];

/**
 * What the runners print when they close: [pattern, passed, failed] with the groups that hold the numbers.
 * Vitest: `Tests  1 failed | 41 passed (42)`.
 */
const COUNTS = [
  [/^test result: \w+\. (\d+) passed; (\d+) failed/, (found) => [found[1], found[2]]],
  [/^\s*Tests\s+(?:(\d+) failed \| )?(\d+) passed/, (found) => [found[2], found[1] ?? 0]],
  [/^ℹ pass (\d+)/, (found) => [found[1], 0]],
  [/^ℹ (?:fail|cancelled) (\d+)/, (found) => [0, found[1]]],
];

/** How the runners name what failed. Node and cargo do so again at their end, each with the error in the lines below. */
const FAILURES = [/^✖ (?!failing tests)(.+) \([\d.]+ms\)$/, /^---- (\S+) stdout ----$/, /^\s*FAIL\s+(.+)$/];
/** How much of what is said below a failure is said again at the very end, without the stack. */
const ERROR_LINES = 8;
const ERROR_CHARS_MAX = 400;

const plain = (line) => line.replace(/\x1b\[[0-9;]*m/g, "");

/** Runs one step, shows what it prints, and returns what it counted. */
async function runStep(name, command) {
  const started = Date.now();
  const child = spawn("bash", ["-c", command], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, CARGO_TERM_COLOR: "never", NO_COLOR: "1" } });
  let passed = 0;
  let failed = 0;
  /** What failed → the lines below the last time that it was named. */
  const failures = new Map();
  for (const [stream, out] of [[child.stdout, process.stdout], [child.stderr, process.stderr]]) {
    let rest = "";
    let below = [];
    stream.on("data", (data) => {
      out.write(data);
      const lines = (rest + data).split("\n");
      rest = lines.pop();
      for (const line of lines.map(plain)) {
        const failure = FAILURES.map((pattern) => pattern.exec(line)?.[1]).find(Boolean);
        if (failure) failures.set(failure, (below = []));
        else if (below.length < ERROR_LINES && line.trim() && !/^\s*at /.test(line)) below.push(line.trim());
        for (const [pattern, numbers] of COUNTS) {
          const found = pattern.exec(line);
          if (found) {
            const [more, less] = numbers(found);
            passed += Number(more);
            failed += Number(less);
          }
        }
      }
    });
  }
  const code = await new Promise((ended) => child.on("close", ended));
  if (passed + failed === 0) [passed, failed] = code === 0 ? [1, 0] : [0, 1]; // a check without tests counts as one
  if (code !== 0 && failed === 0) failed = 1; // it broke outside of its tests
  return { name, passed, failed, failures, seconds: Math.round((Date.now() - started) / 1000) };
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !STEPS.some(([step]) => step === name));
if (unknown.length > 0) {
  console.error(`no such step: ${unknown.join(", ")}; there are ${STEPS.map(([name]) => name).join(", ")}`);
  process.exit(2);
}

const results = [];
for (const [name, command, needs = []] of STEPS) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const broken = needs.filter((need) => results.some((result) => result.name === need && result.failed > 0));
  if (broken.length > 0) {
    console.log(`\n=== ${name}: not run, it needs ${broken.join(", ")}`);
    results.push({ name, passed: 0, failed: 1, failures: new Map(), seconds: 0 });
    continue;
  }
  console.log(`\n=== ${name}: ${command}`);
  results.push(await runStep(name, command));
}

console.log("");
for (const { name, passed, failed, seconds } of results) {
  console.log(`${failed > 0 ? "FAILED" : "ok    "}  ${name.padEnd(10)} ${String(passed).padStart(5)} passed ${String(failed).padStart(3)} failed ${String(seconds).padStart(5)} s`);
}
for (const { failures } of results) {
  for (const [failure, below] of failures) console.log(`${failure}: ${below.join(" ").slice(0, ERROR_CHARS_MAX)}`);
}
const passed = results.reduce((sum, result) => sum + result.passed, 0);
const failed = results.reduce((sum, result) => sum + result.failed, 0);
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
