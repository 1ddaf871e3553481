/** Which theme the page wears: the person's choice; without one the class is dark and everything else follows the system. */
import { settings, type Theme } from "../state/settings";

let place: "class" | "page" = "page";

/** Pure, for the test. */
export function resolveTheme(choice: Theme, where: "class" | "page", systemDark: boolean): "light" | "dark" {
  if (choice !== "system") return choice;
  return where === "class" || systemDark ? "dark" : "light";
}

export function wear(where: "class" | "page"): void {
  place = where;
  dress();
}

const dark = (): MediaQueryList => matchMedia("(prefers-color-scheme: dark)");

function dress(): void {
  document.documentElement.dataset["theme"] = resolveTheme(settings.get().theme, place, dark().matches);
}

export function installTheme(): void {
  settings.subscribe(dress);
  dark().addEventListener("change", dress);
  dress();
}
