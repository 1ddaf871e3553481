/** The tree of places from its flat list. Pure. */
import type { Place, PlaceLevel } from "../../protocol/generated/index";

export interface Branch {
  place: Place;
  children: Branch[];
}

/** Places whose parent is not in the list (because one administers only a part) become roots. */
export function grow(places: readonly Place[]): Branch[] {
  const branches = new Map(places.map((place): [string, Branch] => [place.id, { place, children: [] }]));
  const roots: Branch[] = [];
  for (const branch of branches.values()) {
    const parent = branch.place.parent === null ? undefined : branches.get(branch.place.parent);
    (parent && parent !== branch ? parent.children : roots).push(branch);
  }
  const sort = (list: Branch[]): void => {
    list.sort((a, b) => a.place.name.localeCompare(b.place.name, "zh-CN"));
    for (const branch of list) sort(branch.children);
  };
  sort(roots);
  return roots;
}

const ORDER: PlaceLevel[] = ["nation", "province", "city", "district", "school", "exam_site", "class"];

/** What may stand under a level: every lower one; nothing under a class or an exam site but classes under schools. */
export function levelsUnder(level: PlaceLevel): PlaceLevel[] {
  if (level === "class" || level === "exam_site") return [];
  if (level === "school") return ["class"];
  return ORDER.slice(ORDER.indexOf(level) + 1).filter((l) => l !== "class");
}
