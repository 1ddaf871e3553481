/** Which page an address shows. Pages load when they are first needed. */
import { announce } from "./announce";
import { allLoaded, cannotLoad, loaded } from "./load";
import { wear } from "./theme";

export interface Route {
  page: string;
  params: Record<string, string>;
}

interface Entry {
  pattern: RegExp;
  page: string;
  names: string[];
  where: "class" | "page";
  load: () => Promise<unknown>;
}

const entry = (path: string, page: string, load: () => Promise<unknown>, where: "class" | "page" = "page"): Entry => {
  const names: string[] = [];
  const source = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    names.push(name);
    return "([^/]+)";
  });
  return { pattern: new RegExp(`^${source}/?$`), page, names, load, where };
};

/** A page of exam patrol: its words come with it. */
const patrol = (path: string, page: string, load: () => Promise<unknown>, where: "class" | "page" = "page"): Entry =>
  entry(path, page, () => Promise.all([import("../i18n/patrol").then((m) => m.usePatrolWords()), load()]), where);

const entries: Entry[] = [
  entry("/", "page-today", () => import("./pages/today")),
  entry("/signin", "page-sign-in", () => import("./pages/sign-in")),
  entry("/welcome", "page-welcome", () => import("./pages/welcome")),
  entry("/c/{code}", "page-class", () => import("./pages/class"), "class"),
  entry("/screen/{code}", "page-screen", () => import("./pages/screen"), "class"),
  entry("/library", "page-library", () => import("./pages/library")),
  entry("/watch/{id}", "page-player", () => import("./pages/player")),
  entry("/manage/people", "page-people", () => import("./pages/people")),
  entry("/manage/places", "page-places", () => import("./pages/places")),
  entry("/manage/classes", "page-classes", () => import("./pages/classes")),
  patrol("/wall", "page-wall", () => import("./pages/patrol/wall"), "class"),
  patrol("/patrol/timeline", "page-timeline", () => import("./pages/patrol/timeline"), "class"),
  patrol("/patrol/cameras", "page-cameras", () => import("./pages/patrol/cameras")),
  patrol("/patrol/alarms", "page-alarms", () => import("./pages/patrol/alarms")),
  patrol("/patrol/audit", "page-audit", () => import("./pages/patrol/audit")),
  patrol("/patrol/check", "page-check", () => import("./pages/patrol/check")),
  patrol("/patrol/exports", "page-exports", () => import("./pages/patrol/exports")),
  patrol("/patrol/retention", "page-retention", () => import("./pages/patrol/retention")),
];

/** Pure: the route of a path, or nothing. */
export function matchRoute(path: string): (Route & { load: () => Promise<unknown>; where: "class" | "page" }) | null {
  for (const e of entries) {
    const match = e.pattern.exec(path);
    if (!match) continue;
    try {
      const params = Object.fromEntries(e.names.map((name, i) => [name, decodeURIComponent(match[i + 1] ?? "")]));
      return { page: e.page, params, load: e.load, where: e.where };
    } catch {
      return null; // Broken percent-encoding.
    }
  }
  return null;
}

let outlet: HTMLElement;
let turn = 0;

/** Shows the page of the address. `arrive`: somebody came from another page, and is told where they are. */
export async function show(arrive = false): Promise<void> {
  const mine = ++turn;
  const route = matchRoute(location.pathname);
  wear(route?.where ?? "page");
  const load = route ? route.load() : import("./pages/not-found");
  try {
    await loaded(load);
  } catch {
    if (mine === turn) cannotLoad(outlet);
    return;
  }
  if (mine !== turn) return;
  allLoaded();
  const page = document.createElement(route?.page ?? "page-not-found");
  for (const [name, value] of Object.entries(route?.params ?? {})) page.setAttribute(name, value);
  outlet.replaceChildren(page);
  scrollTo(0, 0);
  if (arrive) await settle(page);
}

/** After a change of page the focus would be nowhere: it goes to the heading, unless the page has put it somewhere. */
async function settle(page: HTMLElement & { updateComplete?: Promise<unknown> }): Promise<void> {
  await page.updateComplete;
  if (outlet.firstElementChild !== page) return;
  announce(document.title);
  if (document.activeElement && document.activeElement !== document.body) return;
  focusOn(page.querySelector<HTMLElement>("h1") ?? page.querySelector("main"));
}

function focusOn(target: HTMLElement | null): void {
  if (!target) return;
  if (!target.hasAttribute("tabindex")) target.tabIndex = -1;
  target.focus({ preventScroll: true });
}

export function go(path: string, replace = false): void {
  if (replace) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  void show(true);
}

export function installRouter(into: HTMLElement): void {
  outlet = into;
  addEventListener("popstate", () => void show(true));
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest<HTMLAnchorElement>("a[href]");
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (!matchRoute(link.pathname)) return;
    event.preventDefault();
    // Within the page ("skip to content") only the focus moves: no other page, no entry in the history.
    if (link.hash && link.pathname === location.pathname && link.search === location.search) {
      const target = document.getElementById(decodeURIComponent(link.hash.slice(1)));
      target?.scrollIntoView();
      return focusOn(target);
    }
    if (link.pathname !== location.pathname || link.search !== location.search) go(link.pathname + link.search + link.hash);
  });
}
