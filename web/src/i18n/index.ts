/** The dictionary in force. `t` is a live binding: read it while rendering, never keep a word of it. */
import type { Dictionary, Words } from "./en";
import type { Language } from "../state/settings";
import { ApiError } from "../protocol/http";

export let t: Dictionary;
export let language: Language = "zh-CN";

/** Parts of the dictionary that only some pages need. */
const parts: ((wanted: Language) => Promise<void>)[] = [];

/** From now on this part follows the language. Resolves when its words are there. */
export function addPart(load: (wanted: Language) => Promise<void>): Promise<void> {
  parts.push(load);
  return load(language);
}

let moreProblems: Record<string, Words> = {};

/** Words for codes that only these pages meet. */
export function addProblems(problems: Record<string, Words>): void {
  moreProblems = problems;
}

/** Loads a language (one small file each, so that nobody loads both) and puts it in force. */
export async function useLanguage(wanted: Language): Promise<void> {
  await Promise.all(parts.map((load) => load(wanted)));
  t = wanted === "en" ? (await import("./en")).en : (await import("./zh")).zh;
  language = wanted;
  document.documentElement.lang = wanted;
}

/** For tests, which have the dictionary already. */
export function setDictionary(dictionary: Dictionary, of: Language): void {
  t = dictionary;
  language = of;
}

/** A proxy in between, or a newer server: the status has to do. */
const BY_STATUS: Record<number, string> = { 401: "not_signed_in", 403: "forbidden", 404: "not_found", 413: "too_large", 429: "too_often", 502: "busy", 503: "busy", 504: "busy" };

/** The three sentences for a failed request, and the code to copy. */
export function problemWords(error: unknown): Words & { code: string } {
  const code = error instanceof ApiError ? error.code : "unknown";
  const status = error instanceof ApiError ? error.status : 0;
  const words = moreProblems[code] ?? t.problems[code] ?? t.problems[BY_STATUS[status] ?? ""] ?? (t.problems["unknown"] as Words);
  const request = error instanceof ApiError && error.requestId ? ` · ${error.requestId}` : "";
  return { ...words, code: `${code}${request}` };
}
