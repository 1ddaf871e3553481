// Reads `cargo metadata` on standard input and checks every crate's licence and source against the lists of deny.toml.

import { readFileSync } from "node:fs";

const deny = readFileSync(new URL("../deny.toml", import.meta.url), "utf8");
const list = (key) => new Set([...(new RegExp(`^${key} = \\[([^\\]]*)\\]`, "m").exec(deny)?.[1] ?? "").matchAll(/"([^"]+)"/g)].map(([, word]) => word));
const allowed = list("allow");
if (allowed.size === 0) throw new Error("deny.toml names no allowed licence");

/** SPDX expressions are small: OR needs one side, AND both, WITH belongs to the name before it; `/` is the old way to say OR. */
function acceptable(expression) {
  const words = expression.replaceAll("/", " OR ").replace(/([()])/g, " $1 ").trim().split(/\s+/);
  let at = 0;
  const either = () => {
    let good = both();
    while (words[at] === "OR") {
      at += 1;
      good = both() || good;
    }
    return good;
  };
  const both = () => {
    let good = one();
    while (words[at] === "AND") {
      at += 1;
      good = one() && good;
    }
    return good;
  };
  const one = () => {
    if (words[at] === "(") {
      at += 1;
      const good = either();
      at += 1;
      return good;
    }
    let name = words[at++];
    if (words[at] === "WITH") {
      name += ` WITH ${words[at + 1]}`;
      at += 2;
    }
    return allowed.has(name);
  };
  return either();
}

const { packages } = JSON.parse(readFileSync(0, "utf8"));
const faults = [];
for (const { name, version, license, source } of packages) {
  if (source === null) continue; // our own
  if (!license || !acceptable(license)) faults.push(`${name} ${version}: licence ${license ?? "not stated"}`);
  if (!source.startsWith("registry+")) faults.push(`${name} ${version}: comes from ${source}`);
}
for (const fault of faults) console.error(fault);
console.log(`${packages.length} crates looked at, ${faults.length} not acceptable under deny.toml`);
process.exit(faults.length > 0 ? 1 : 0);
