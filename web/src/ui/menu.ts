/** Menus are `details.menu`: this closes them on a click elsewhere, on Escape (focus goes back), and after a choice. */
export function installMenus(): void {
  const openMenus = (): HTMLDetailsElement[] => [...document.querySelectorAll<HTMLDetailsElement>("details.menu[open]")];
  document.addEventListener("click", (event) => {
    const target = event.target as Element;
    for (const menu of openMenus()) {
      const inside = menu.contains(target);
      const chosen = target.closest("[data-closes]") !== null;
      if (inside && !chosen) continue;
      // An entry that goes out of sight takes the focus with it, and a dialog it opens could not give it back.
      const held = menu.contains(document.activeElement);
      menu.open = false;
      if (held) menu.querySelector("summary")?.focus({ preventScroll: true });
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = openMenus().at(-1);
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary")?.focus();
    event.preventDefault();
  });
}
