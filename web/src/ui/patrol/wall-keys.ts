/** What a key means on the wall. Pure; the help is written from the same table. */
import { WALL_SIZES, type Arrow, type WallSize } from "../../state/patrol/grid";

export type WallKey =
  | { do: "move"; arrow: Arrow }
  | { do: "size"; tiles: WallSize }
  | { do: "layout"; nth: number }
  | { do: "turn"; by: 1 | -1 }
  | { do: "enlarge" | "leave" | "hold" | "snapshot" | "sound" | "full" | "back" | "back_all" | "live" | "help" | "tree" | "rail" | "acknowledge" | "search" | "clear" };

const ARROWS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]);

/** `focused`: a button has the focus, and Enter and Space are its own. */
export function wallKey(key: string, focused: boolean): WallKey | null {
  if (ARROWS.has(key)) return { do: "move", arrow: key as Arrow };
  if (/^[1-7]$/.test(key)) return { do: "size", tiles: WALL_SIZES[Number(key) - 1] as WallSize };
  if (key === "8" || key === "9") return { do: "layout", nth: Number(key) - 8 };
  switch (key) {
    case "Enter":
      return focused ? null : { do: "enlarge" };
    case " ":
      return focused ? null : { do: "hold" };
    case "Escape":
      return { do: "leave" };
    case "PageDown":
      return { do: "turn", by: 1 };
    case "PageUp":
      return { do: "turn", by: -1 };
    case "B":
      return { do: "back_all" };
    case "Delete":
    case "Backspace":
      return { do: "clear" };
    case "?":
      return { do: "help" };
    case "/":
      return { do: "search" };
    default:
      break;
  }
  const letters = { s: "snapshot", m: "sound", f: "full", b: "back", l: "live", t: "tree", r: "rail", a: "acknowledge" } as const;
  const found = letters[key.toLowerCase() as keyof typeof letters];
  return found ? { do: found } : null;
}
