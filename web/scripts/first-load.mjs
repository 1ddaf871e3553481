// Measures what the first load of a page costs over the wire: the document, every script and style it needs (found by
// following static imports from the entry, the page's own chunk and the bigger dictionary), each as compressed as the server
// hands it out. Fails above the limit: a village line of 2 Mbit/s carries 150 kB in 0.6 s.
import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";

const LIMIT = 150_000;
const dist = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const manifest = JSON.parse(readFileSync(join(dist, "manifest.json"), "utf8"));
const PAGES = {
  "sign in": ["src/ui/pages/sign-in.ts"],
  today: ["src/ui/pages/today.ts"],
  class: ["src/ui/pages/class.ts"],
  "classroom screen": ["src/ui/pages/screen.ts"],
  library: ["src/ui/pages/library.ts"],
};
const LIMITED = new Set(["sign in", "class"]);
const size = (file) => statSync(join(dist, `${file}.br`)).size;

function files(keys) {
  const found = new Set(["index.html", "icon.svg"]);
  const seen = new Set();
  const visit = (key) => {
    if (seen.has(key)) return;
    seen.add(key);
    const chunk = manifest[key];
    if (!chunk) throw new Error(`${key} is not in dist/manifest.json`);
    found.add(chunk.file);
    for (const css of chunk.css ?? []) found.add(css);
    for (const next of chunk.imports ?? []) visit(next);
  };
  for (const key of keys) visit(key);
  return [...found];
}

let failed = false;
for (const [name, keys] of Object.entries(PAGES)) {
  const sizes = ["src/i18n/zh.ts", "src/i18n/en.ts"].map((language) => {
    const all = files(["index.html", language, ...keys]);
    return { total: all.reduce((sum, file) => sum + size(file), 0), count: all.length };
  });
  const { total, count } = sizes.sort((a, b) => b.total - a.total)[0];
  const over = LIMITED.has(name) && total > LIMIT;
  failed ||= over;
  console.log(`${name.padEnd(18)} ${(total / 1000).toFixed(1).padStart(7)} kB in ${count} files${LIMITED.has(name) ? ` (limit ${LIMIT / 1000} kB)${over ? "  TOO LARGE" : ""}` : ""}`);
}
process.exit(failed ? 1 : 0);
