/** What a key means on the timeline. Pure. */
export type TimelineKey =
  | { do: "seek"; by: number }
  | { do: "zoom"; factor: number }
  | { do: "rate"; by: 1 | -1 }
  | { do: "frame"; by: 1 | -1 }
  | { do: "jump"; to: "alarm" | "gap" | "bookmark"; by: 1 | -1 }
  | { do: "row"; by: 1 | -1 }
  | { do: "play" | "in" | "out" | "bookmark" | "hold" | "export" | "start" | "now" | "help" | "tree" | "enlarge" | "snapshot" | "sound" | "full" | "leave" };

/** `focused`: a button has the focus, and Enter and Space are its own. */
export function timelineKey(key: string, shift: boolean, focused: boolean): TimelineKey | null {
  switch (key) {
    case " ":
      return focused ? null : { do: "play" };
    case "Enter":
      return focused ? null : { do: "enlarge" };
    case "ArrowLeft":
      return { do: "seek", by: shift ? -60_000 : -5_000 };
    case "ArrowRight":
      return { do: "seek", by: shift ? 60_000 : 5_000 };
    case "ArrowUp":
      return { do: "row", by: -1 };
    case "ArrowDown":
      return { do: "row", by: 1 };
    case "+":
    case "=":
      return { do: "zoom", factor: 0.5 };
    case "-":
      return { do: "zoom", factor: 2 };
    case "[":
      return { do: "rate", by: -1 };
    case "]":
      return { do: "rate", by: 1 };
    case ",":
      return { do: "frame", by: -1 };
    case ".":
      return { do: "frame", by: 1 };
    case "Home":
      return { do: "start" };
    case "End":
      return { do: "now" };
    case "Escape":
      return { do: "leave" };
    case "?":
      return { do: "help" };
    default:
      break;
  }
  const by = shift ? -1 : 1;
  switch (key.toLowerCase()) {
    case "n":
      return { do: "jump", to: "alarm", by };
    case "g":
      return { do: "jump", to: "gap", by };
    case "k":
      return { do: "jump", to: "bookmark", by };
    case "i":
      return { do: "in" };
    case "o":
      return { do: "out" };
    case "b":
      return { do: "bookmark" };
    case "h":
      return { do: "hold" };
    case "e":
      return { do: "export" };
    case "t":
      return { do: "tree" };
    case "s":
      return { do: "snapshot" };
    case "m":
      return { do: "sound" };
    case "f":
      return { do: "full" };
    default:
      return null;
  }
}
