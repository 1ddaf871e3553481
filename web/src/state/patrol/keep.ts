/** A wall's place in this browser: what each screen shows survives a reload, a crash of the tab and a night without power. */
import type { WallContent } from "../../protocol/generated/index";
import { isWallSize } from "./grid";

export interface KeptWall {
  content: WallContent;
  layout: string | null;
  tree: boolean;
  rail: boolean;
  /** The most tiles ever used on this screen: as many lines are offered at once. */
  most: number;
  enlarged: number | null;
}

const key = (screen: string): string => `lectern.wall.${screen}`;

/** Which screen of a desk this window is: `/wall?screen=2`. */
export function screenOf(search: string): string {
  const given = new URLSearchParams(search).get("screen") ?? "1";
  return /^[1-9]$/.test(given) ? given : "1";
}

/** Pure: takes only what it knows, so that an older or damaged note does no harm. */
export function readKept(text: string | null): KeptWall | null {
  try {
    const value = JSON.parse(text ?? "null") as Partial<KeptWall> | null;
    const content = value?.content;
    if (!content || !isWallSize(content.tiles) || !Array.isArray(content.cameras)) return null;
    const cameras = content.cameras.slice(0, content.tiles).map((c) => (typeof c === "string" ? c : null));
    const tour = content.tour && typeof content.tour.place === "string" && Array.isArray(content.tour.groups) && typeof content.tour.dwell_s === "number" ? content.tour : null;
    return {
      content: { tiles: content.tiles, cameras, tour },
      layout: typeof value.layout === "string" ? value.layout : null,
      tree: value.tree !== false,
      rail: value.rail !== false,
      most: typeof value.most === "number" ? Math.min(64, Math.max(1, value.most)) : content.tiles,
      enlarged: typeof value.enlarged === "number" ? value.enlarged : null,
    };
  } catch {
    return null;
  }
}

export function keptWall(screen: string): KeptWall | null {
  try {
    return readKept(localStorage.getItem(key(screen)));
  } catch {
    return null;
  }
}

export function keepWall(screen: string, kept: KeptWall): void {
  try {
    localStorage.setItem(key(screen), JSON.stringify(kept));
  } catch {
    // Without storage a reload begins with an empty wall.
  }
}
