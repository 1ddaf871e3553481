/** The words of exam patrol: a part of the dictionary that loads with its pages. `p` is a live binding, like `t`. */
import { addPart, addProblems } from "./index";
import type { PatrolWords } from "./patrol-en";
import type { Language } from "../state/settings";

export let p: PatrolWords;

async function load(wanted: Language): Promise<void> {
  p = wanted === "en" ? (await import("./patrol-en")).patrolEn : (await import("./patrol-zh")).patrolZh;
  addProblems(p.problems);
}

let loaded: Promise<void> | null = null;

/** To be awaited before a page of exam patrol renders. */
export function usePatrolWords(): Promise<void> {
  return (loaded ??= addPart(load));
}

/** For tests, which have the words already. */
export function setPatrolWords(words: PatrolWords): void {
  p = words;
  addProblems(words.problems);
}
