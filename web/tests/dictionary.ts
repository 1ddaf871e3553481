/** What is asked of every dictionary. */

/** Every leaf of a dictionary with its path. */
export function leaves(value: unknown, path = ""): [string, unknown][] {
  if (value !== null && typeof value === "object") return Object.entries(value).flatMap(([k, v]) => leaves(v, path ? `${path}.${k}` : k));
  return [[path, value]];
}

/** What a word says: one that is a function is called with what it may be called with. */
export function said(value: unknown): string[] {
  if (typeof value !== "function") return [String(value)];
  const word = value as (...args: unknown[]) => string;
  const of = (...calls: unknown[][]): string[] => calls.map((args) => word(...args.slice(0, word.length)));
  // A name given for a number is no number; a number given for a name is a strange name.
  const names = of(["甲", "乙", "丙"], ["甲", true, "丙"], ["甲", false, "丙"]).filter((text) => !text.includes("NaN"));
  return [...names, ...of([0, 0, 0], [1, 1, 1], [3, 3, 3], [90, 90, 90]), ...(word.length === 1 ? of([true], [false]) : [])];
}
