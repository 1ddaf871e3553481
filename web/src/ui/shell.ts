/** The frame of every page outside of class: brand, sections, settings and who is signed in. On a phone the sections
 *  move to the lower edge, under the thumb. */
import { html, nothing, type TemplateResult } from "lit";
import { CalendarDays, Cctv, KeyRound, LibraryBig, Settings, ShieldCheck, Users, LogOut, LogIn } from "lucide";
import { t } from "../i18n";
import { zoneWords } from "../i18n/format";
import { changeSettings, settings, type Language, type Theme } from "../state/settings";
import { hasRole, session, signOut, type SessionState } from "../state/session";
import { icon } from "./icon";
import { go } from "./router";
import "./shell.css";

export type Section = "today" | "library" | "patrol" | "admin" | null;

/** Roles that have to do with cameras even before there is one; for all others the server says so (`Me`). */
const PATROL_ROLES: readonly string[] = ["patrol_officer", "site_administrator", "system_administrator", "audit_administrator"];

/** Where exam patrol begins for somebody: at the wall, or at what they answer for; nowhere if cameras are not their concern. */
export function patrolHome({ account, patrol }: Pick<SessionState, "account" | "patrol">): string | null {
  const roles: readonly string[] = account?.roles.map((r) => r.role) ?? [];
  if (!patrol && !roles.some((r) => PATROL_ROLES.includes(r))) return null;
  if (roles.some((r) => ["administrator", "patrol_officer", "site_administrator"].includes(r))) return "/wall";
  if (roles.includes("system_administrator")) return "/patrol/cameras";
  if (roles.includes("audit_administrator")) return "/patrol/audit";
  // Who answers for people and rights alone sees no picture: their pages are those of administration.
  return roles.includes("security_administrator") ? null : "/wall";
}

export function shell(section: Section, content: TemplateResult, wide = false): TemplateResult {
  const { account } = session.get();
  const link = (id: Section, href: string, label: string, mark: TemplateResult): TemplateResult =>
    html`<a class="section" href=${href} aria-current=${section === id ? "page" : nothing}>${mark}<span>${label}</span></a>`;
  return html`
    <a class="skip" href="#content">${t.common.skip}</a>
    <header class="bar">
      <a class="brand" href="/"><img src="/icon.svg" alt="" width="28" height="28" /><span>${t.brand}</span></a>
      ${account
        ? html`<nav aria-label=${t.common.sections}>
            ${link("today", "/", t.nav.today, icon(CalendarDays))} ${link("library", "/library", t.nav.library, icon(LibraryBig))}
            ${patrolHome(session.get()) === null ? nothing : link("patrol", patrolHome(session.get()) ?? "/wall", t.nav.patrol, icon(Cctv))}
            ${hasRole(account, "administrator", "system_administrator", "security_administrator") ? link("admin", "/manage/people", t.nav.admin, icon(Users)) : nothing}
          </nav>`
        : nothing}
      ${settingsMenu()}
    </header>
    <main id="content" class=${wide ? "wide" : ""} tabindex="-1">${content}</main>
  `;
}

/** Language, appearance, sign out. Also used in the corner of the sign-in page and the lobby. */
export function settingsMenu(): TemplateResult {
  const { account, phase } = session.get();
  const now = settings.get();
  const zone = zoneWords(Date.now());
  const segment = <V extends string>(name: string, legend: string, value: V, options: [V, string][], choose: (v: V) => void): TemplateResult =>
    html`<fieldset>
      <legend class="label">${legend}</legend>
      <div class="segments">
        ${options.map(
          ([option, label]) =>
            html`<label><input type="radio" name=${name} .checked=${option === value} @change=${() => choose(option)} />${label}</label>`,
        )}
      </div>
    </fieldset>`;
  return html`<details class="menu settings">
    <summary class="btn quiet ${account ? "" : "icon-only"}" aria-label=${t.settings.title} title=${t.settings.title}>
      ${icon(Settings)}${account ? html`<span class="clip who">${account.name}</span>` : nothing}
    </summary>
    <div class="panel">
      ${segment<Language>("language", t.settings.language, now.language, [["zh-CN", "中文"], ["en", "English"]], (language) => changeSettings({ language }))}
      ${segment<Theme>("theme", t.settings.theme, now.theme, [["system", t.settings.system], ["light", t.settings.light], ["dark", t.settings.dark]], (theme) => changeSettings({ theme }))}
      ${zone ? html`<p class="small muted" data-zone>${zone}</p>` : nothing}
      ${account
        ? html`<p class="small muted">${t.settings.signedInAs(account.name)}</p>
            <button class="menu-item" data-closes @click=${() => void password(account.login)}>${icon(KeyRound)}${t.password.title}</button>
            <button class="menu-item" data-closes @click=${() => void secondFactor()}>${icon(ShieldCheck)}${t.settings.factor}</button>
            <button class="menu-item" data-closes @click=${leave}>${icon(LogOut)}${t.settings.signOut}</button>`
        : phase === "out" && location.pathname !== "/signin"
          ? html`<a class="menu-item" data-closes href="/signin">${icon(LogIn)}${t.settings.signIn}</a>`
          : nothing}
    </div>
  </details>`;
}

async function password(login: string): Promise<void> {
  const { editPassword } = await import("./password");
  await editPassword(login);
}

async function secondFactor(): Promise<void> {
  const { setUpFactor } = await import("./factor/setup");
  await setUpFactor();
}

async function leave(): Promise<void> {
  await signOut().catch(() => undefined);
  session.commit({ phase: "out", account: null, patrol: false, factor: null });
  go("/signin");
}
