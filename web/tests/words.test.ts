import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { leaves, said } from "./dictionary";
import { en } from "../src/i18n/en";
import { problemWords, setDictionary } from "../src/i18n/index";
import { patrolEn } from "../src/i18n/patrol-en";
import { zh } from "../src/i18n/zh";
import { ApiError } from "../src/protocol/http";

test("Chinese has every word of English, of the same kind", () => {
  const kinds = (d: unknown) => new Map(leaves(d).map(([path, v]) => [path, typeof v]));
  expect(kinds(zh)).toEqual(kinds(en));
});

test("no word is empty, no placeholder is left, whatever it is called with", () => {
  for (const [name, dictionary] of [["en", en], ["zh", zh]] as const) {
    for (const [path, value] of leaves(dictionary)) {
      for (const text of said(value)) {
        expect(text.trim().length, `${name} ${path}`).toBeGreaterThan(0);
        expect(text, `${name} ${path}`).not.toMatch(/TODO|undefined|NaN|\[object|lorem/i);
      }
    }
  }
});

test("Chinese words are Chinese, English ones are not", () => {
  const han = /[\u4e00-\u9fff]/;
  // Only what is given, and a sign.
  const plain = new Set(["screen.at", "room.chatAnnounce"]);
  for (const [path, value] of leaves(zh)) {
    for (const text of said(value)) if (!plain.has(path)) expect(han.test(text.replaceAll(/[甲乙丙]/g, "")), `${path}: ${text}`).toBe(true);
  }
  for (const [path, value] of leaves(en)) {
    for (const text of said(value)) expect(han.test(text.replaceAll(/[甲乙丙]/g, "")), `${path}: ${text}`).toBe(false);
  }
});

test("every word is said somewhere", () => {
  const sources = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((f) => f.endsWith(".ts") && !/^(i18n\/(en|zh)|protocol)/.test(f.replaceAll("\\", "/")));
  const code = sources.map((f) => readFileSync(resolve("src", f), "utf8")).join("\n");
  // Looked up by what the server or the browser says.
  const byCode = new Set(["weekdays", "quality", "levels", "roles", "roomRoles", "closeReasons", "refusals", "faults", "allow", "problems"]);
  const dead = Object.entries(en).flatMap(([group, words]) => {
    if (typeof words !== "object" || byCode.has(group)) return [];
    const unsaid = Object.keys(words).filter((word) => !new RegExp(`\\.${group}\\.${word}\\b`).test(code));
    return unsaid.filter((word) => !(group === "library" && ["subject", "teacher", "school"].includes(word))).map((word) => `${group}.${word}`);
  });
  expect(dead).toEqual([]);
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
  const codes = [...readFileSync(source, "utf8").matchAll(/^\s+\w+ = "([a-z_]+)", [A-Z_]+,/gm)].map((m) => m[1] as string);
  expect(codes.length).toBeGreaterThan(20);
  // Codes of WHIP and WHEP clients and of wrong methods never reach a page.
  const machine = ["method_not_allowed", "not_acceptable", "precondition_failed", "precondition_required", "unsupported_type", "bad_range"];
  expect(codes.filter((code) => !machine.includes(code) && !(code in en.problems) && !(code in patrolEn.problems))).toEqual([]);
});

test("an unknown code falls back by status and keeps the code to copy", () => {
  setDictionary(en, "en");
  expect(problemWords(new ApiError("brand_new", 403, ""))).toMatchObject({ what: en.problems["forbidden"]?.what, code: "brand_new" });
  expect(problemWords(new ApiError("brand_new", 500, "", "req-7"))).toMatchObject({ what: en.problems["unknown"]?.what, code: "brand_new · req-7" });
});

test("every fault of an imported file has words", () => {
  const source = resolve("../library/src/import.rs");
  const codes = [...readFileSync(source, "utf8").matchAll(/= "(csv_[a-z0-9_]+)";/g)].map((m) => m[1] as string);
  expect(codes.length).toBeGreaterThan(10);
  expect(codes.filter((code) => !(code in en.csv.errors) && !(code in patrolEn.importErrors))).toEqual([]);
});
