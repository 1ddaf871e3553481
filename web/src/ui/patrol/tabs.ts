/** The pages of exam patrol, side by side. Who may do less finds less; the server decides again on every request. */
import { html, nothing, type TemplateResult } from "lit";
import { ref } from "lit/directives/ref.js";
import { p } from "../../i18n/patrol";
import { session } from "../../state/session";
import "../admin/admin.css";
import "./patrol.css";

export type PatrolTab = "timeline" | "cameras" | "alarms" | "check" | "exports" | "retention" | "audit";

const ADMINISTRATORS: readonly string[] = ["system_administrator", "security_administrator", "audit_administrator"];

const READ_AUDIT: readonly string[] = ["administrator", "site_administrator", "audit_administrator"];

/** Pure: which pages somebody with these roles has to do with. Who holds only a separated office does not see pictures. */
export function tabsFor(roles: readonly string[]): (PatrolTab | "wall")[] {
  const sees = roles.some((r) => !ADMINISTRATORS.includes(r));
  const all: (PatrolTab | "wall")[] = sees ? ["wall", "timeline", "cameras", "alarms", "check", "exports", "retention"] : [];
  if (roles.includes("system_administrator")) for (const tab of ["cameras", "alarms", "check", "retention"] as const) if (!all.includes(tab)) all.push(tab);
  if (roles.some((r) => READ_AUDIT.includes(r))) all.push("audit");
  return all;
}

const href = (id: PatrolTab | "wall"): string => (id === "wall" ? "/wall" : `/patrol/${id}`);
const mine = (): (PatrolTab | "wall")[] => tabsFor(session.get().account?.roles.map((r) => r.role as string) ?? []);

/** The same pages as entries of a menu, for wall and timeline, which have no room for tabs. */
export function patrolMenu(current: PatrolTab | "wall"): TemplateResult {
  return html`${mine().filter((id) => id !== current).map((id) => html`<a class="menu-item" data-closes href=${href(id)}>${p.nav[id]}</a>`)}`;
}

/** A phone shows four of eight tabs: the one that is open has to be among them. */
function reveal(nav?: Element): void {
  if (!nav) return;
  requestAnimationFrame(() => {
    const tab = nav.querySelector("[aria-current]")?.getBoundingClientRect();
    const strip = nav.getBoundingClientRect();
    if (tab) nav.scrollLeft += tab.left + tab.width / 2 - (strip.left + strip.width / 2);
  });
}

export function patrolTabs(current: PatrolTab): TemplateResult {
  return html`<nav class="manage-tabs patrol-tabs no-print" aria-label=${p.nav.patrol} ${ref(reveal)}>
    ${mine().map((id) => html`<a href=${href(id)} aria-current=${id === current ? "page" : nothing}>${p.nav[id]}</a>`)}
  </nav>`;
}
