// What a suite measured, kept as JSON under target/accept/. `make test` records figures and asserts states; `make accept`
// asserts the figures too, because it runs long enough, and alone.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { ROOT } from "./server.mjs";

/** Whether this is the long, measured run. */
export const ACCEPT = process.env.LECTERN_E2E === "accept";

/** The long form's number in `make accept`, the short form's in `make test`. */
export const pick = (short, long) => (ACCEPT ? long : short);

/**
 * Aims: { name: [value, "<=" | ">=" | "==", limit] }. Writes them with the verdict; throws in the long form if one is missed.
 * @param {string} line the line of the issue, and the file's name
 */
export async function record(line, figures, aims = {}) {
  const judged = Object.entries(aims).map(([name, [value, relation, limit]]) => ({
    name, value, relation, limit,
    met: value !== null && value !== undefined && (relation === "<=" ? value <= limit : relation === ">=" ? value >= limit : value === limit),
  }));
  const missed = judged.filter((aim) => !aim.met);
  const folder = join(ROOT, "target", ACCEPT ? "accept" : "e2e");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${line}.json`), `${JSON.stringify({
    line, at: new Date().toISOString(), form: ACCEPT ? "long" : "short", commit: process.env.LECTERN_COMMIT ?? null,
    machine: { cores: cpus().length, load: loadavg().map((load) => Math.round(load * 100) / 100) },
    verdict: missed.length === 0 ? "met" : "missed", aims: judged, figures,
  }, null, 2)}\n`);
  for (const aim of judged) {
    console.log(`# ${aim.met ? "met   " : "MISSED"} ${line}: ${aim.name} = ${round(aim.value)} (aim ${aim.relation} ${aim.limit})`);
  }
  if (ACCEPT && missed.length > 0) throw new Error(`missed: ${missed.map((aim) => `${aim.name} = ${round(aim.value)}`).join(", ")}`);
}

const round = (value) => (typeof value === "number" ? Math.round(value * 1000) / 1000 : value);

/** A line's last record, if there is one. */
export async function recorded(line) {
  return JSON.parse(await readFile(join(ROOT, "target/accept", `${line}.json`), "utf8"));
}
