import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { en } from "../src/i18n/en";
import { problemWords, setDictionary } from "../src/i18n/index";
import { zh } from "../src/i18n/zh";
import { ApiError } from "../src/protocol/http";

/** Every leaf of a dictionary with its path. */
function leaves(value: unknown, path = ""): [string, unknown][] {
  if (value !== null && typeof value === "object") return Object.entries(value).flatMap(([k, v]) => leaves(v, path ? `${path}.${k}` : k));
  return [[path, value]];
}

test("Chinese has every word of English, of the same kind", () => {
  const kinds = (d: unknown) => new Map(leaves(d).map(([path, v]) => [path, typeof v]));
  expect(kinds(zh)).toEqual(kinds(en));
});

test("no word is empty, no placeholder is left", () => {
  for (const [name, dictionary] of [["en", en], ["zh", zh]] as const) {
    for (const [path, value] of leaves(dictionary)) {
      if (typeof value === "string") expect(value.trim().length, `${name} ${path}`).toBeGreaterThan(0);
      expect(String(value), `${name} ${path}`).not.toMatch(/TODO|undefined|lorem/i);
    }
  }
});

test("Chinese words are Chinese", () => {
  const latin = /^(people\.|common\.code$|brand$)?$/;
  for (const [path, value] of leaves(zh)) {
    if (typeof value !== "string" || latin.test(path)) continue;
    expect(/[\u4e00-\u9fff]/.test(value), `${path}: ${value}`).toBe(true);
  }
});

test("each failure says what happened, what still works and what to do now", () => {
  for (const dictionary of [en, zh]) {
    for (const group of [dictionary.closeReasons, dictionary.refusals, dictionary.problems]) {
      for (const [code, words] of Object.entries(group)) {
        for (const part of ["what", "works", "next"] as const) expect(words[part].length, `${code}.${part}`).toBeGreaterThan(3);
      }
    }
  }
});

test("every code that the server can answer has words", () => {
  const source = resolve("../signaling/src/error.rs");
  if (!existsSync(source)) return;
  const codes = [...readFileSync(source, "utf8").matchAll(/^\s+\w+ = "([a-z_]+)", [A-Z_]+,/gm)].map((m) => m[1] as string);
  expect(codes.length).toBeGreaterThan(20);
  // Codes of WHIP and WHEP clients and of wrong methods never reach a page.
  const machine = ["method_not_allowed", "not_acceptable", "precondition_failed", "precondition_required", "unsupported_type", "bad_range"];
  expect(codes.filter((code) => !machine.includes(code) && !(code in en.problems))).toEqual([]);
});

test("an unknown code falls back by status and keeps the code to copy", () => {
  setDictionary(en, "en");
  expect(problemWords(new ApiError("brand_new", 403, ""))).toMatchObject({ what: en.problems["forbidden"]?.what, code: "brand_new" });
  expect(problemWords(new ApiError("brand_new", 500, "", "req-7"))).toMatchObject({ what: en.problems["unknown"]?.what, code: "brand_new · req-7" });
});

test("every fault of an imported timetable has words", () => {
  const source = resolve("../library/src/import.rs");
  if (!existsSync(source)) return;
  const codes = [...readFileSync(source, "utf8").matchAll(/= "(csv_[a-z0-9_]+)";/g)].map((m) => m[1] as string);
  expect(codes.length).toBeGreaterThan(10);
  expect(codes.filter((code) => !(code in en.csv.errors))).toEqual([]);
});
