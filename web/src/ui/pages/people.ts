/** People: accounts, their rights at places, and the link with which each chooses a password. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Ellipsis, Eye, KeyRound, Pencil, Plus, Scale, Search, ShieldOff, UserCheck, UserPlus, UserX, X } from "lucide";
import { problemWords, t } from "../../i18n";
import { clock, day } from "../../i18n/format";
import * as api from "../../protocol/api";
import { resetFactor } from "../../protocol/patrol";
import type { Account, Invitation, Place, Role, RoleAt } from "../../protocol/generated/index";
import { hasRole, session } from "../../state/session";
import { manageTabs } from "../admin/tabs";
import { notify } from "../announce";
import { copyText } from "../clipboard";
import { confirmDialog, openDialog } from "../dialog";
import { icon } from "../icon";
import { Page } from "../page";
import { shell } from "../shell";
import { define } from "../view";
import { wordsNote } from "../words";
import "../admin/admin.css";

const ROLES: Role[] = ["teacher", "student", "staff", "patrol_officer", "site_administrator", "administrator", "system_administrator", "security_administrator", "audit_administrator"];

class PagePeople extends Page {
  protected readonly section = "admin";
  #accounts: Account[] | null = null;
  #places: Place[] = [];
  #error: unknown = null;
  #filter = "";

  protected override named(): string {
    return t.people.title;
  }

  protected override async load(): Promise<void> {
    try {
      [this.#accounts, this.#places] = await Promise.all([api.accounts(), api.places()]);
      this.#error = null;
    } catch (error) {
      this.#error = error;
    }
    this.requestUpdate();
  }

  #placeName(id: string): string {
    return this.#places.find((p) => p.id === id)?.name ?? "—";
  }

  async #edit(existing: Account | null): Promise<void> {
    const roles: RoleAt[] = existing ? existing.roles.map((r) => ({ ...r })) : [{ role: "teacher", place: (this.#places.find((p) => p.level === "school") ?? this.#places[0])?.id ?? "" }];
    let error: unknown = null;
    let busy = false;
    const done = await openDialog<Invitation | Account>((close, update) => {
      const submit = async (event: Event): Promise<void> => {
        event.preventDefault();
        if (busy) return;
        const form = new FormData(event.target as HTMLFormElement);
        const name = String(form.get("name")).trim();
        busy = true;
        update();
        try {
          close(existing ? await api.changeAccount(existing.id, { name, roles }) : await api.createAccount({ login: String(form.get("login")).trim(), name, roles }));
        } catch (e) {
          error = e;
          busy = false;
          update();
        }
      };
      const words = error ? problemWords(error) : null;
      return html`<form class="dialog-body" @submit=${submit}>
        <h2>${existing ? t.people.edit : t.people.create}</h2>
        <div class="field"><label for="p-name">${t.people.name}</label><input class="input" id="p-name" name="name" required maxlength="100" autofocus value=${existing?.name ?? ""} /></div>
        ${existing ? nothing : html`<div class="field"><label for="p-login">${t.people.login}</label><input class="input" id="p-login" name="login" required minlength="2" maxlength="64" autocomplete="off" autocapitalize="none" spellcheck="false" /></div>`}
        <fieldset class="field">
          <legend class="label">${t.people.roles}</legend>
          ${roles.map((held, i) => html`<div class="role-row">
            <select class="input" aria-label=${t.people.role} @change=${(e: Event) => { held.role = (e.target as HTMLSelectElement).value as Role; }}>${ROLES.map((r) => html`<option value=${r} .selected=${r === held.role}>${t.roles[r]}</option>`)}</select>
            <select class="input" aria-label=${t.people.place} @change=${(e: Event) => { held.place = (e.target as HTMLSelectElement).value; }}>${this.#places.map((p) => html`<option value=${p.id} .selected=${p.id === held.place}>${p.name} (${t.levels[p.level]})</option>`)}</select>
            <button type="button" class="btn quiet icon-only" aria-label=${t.people.removeRole} title=${t.people.removeRole} @click=${() => { roles.splice(i, 1); update(); }}>${icon(X)}</button>
          </div>`)}
          <button type="button" class="btn small" @click=${() => { roles.push({ role: "student", place: this.#places[0]?.id ?? "" }); update(); }}>${icon(Plus)}${t.people.addRole}</button>
        </fieldset>
        ${words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing}
        <div class="dialog-actions">
          <button type="button" class="btn" @click=${() => close(null)}>${t.common.cancel}</button>
          <button class="btn primary" aria-busy=${busy ? "true" : nothing}>${existing ? t.common.save : t.people.invite}</button>
        </div>
      </form>`;
    });
    if (!done) return;
    void this.load();
    if ("link" in done) await this.#showLink(done);
    else notify({ text: t.classForm.saved });
  }

  async #showLink(invitation: Invitation): Promise<void> {
    const link = new URL(invitation.link, location.origin).href;
    await openDialog((close) => html`<div class="dialog-body">
      <h2>${t.people.inviteTitle}</h2>
      <p>${t.people.inviteLead(invitation.account.name, `${day(invitation.expires)} ${clock(invitation.expires)}`)}</p>
      <input class="input" readonly value=${link} aria-label=${t.people.copyLink} data-invitation @focus=${(e: Event) => (e.target as HTMLInputElement).select()} />
      <div class="dialog-actions">
        <button class="btn" @click=${() => close(null)}>${t.common.close}</button>
        <button class="btn primary" autofocus @click=${() => void copyText(link)}>${t.people.copyLink}</button>
      </div>
    </div>`);
  }

  async #reset(account: Account): Promise<void> {
    try {
      await this.#showLink(await api.resetAccount(account.id));
    } catch (error) {
      notify({ text: problemWords(error).what });
    }
  }

  async #disable(account: Account, disabled: boolean): Promise<void> {
    try {
      await api.changeAccount(account.id, { disabled });
      notify({ text: disabled ? t.people.disabledDone(account.name) : t.people.enabledDone(account.name), action: { label: t.common.undo, run: () => void this.#disable(account, !disabled) } });
      await this.load();
    } catch (error) {
      notify({ text: problemWords(error).what });
    }
  }

  async #separate(): Promise<void> {
    const { separateAdministrators } = await import("../admin/separation");
    if (await separateAdministrators()) location.assign("/signin");
  }

  async #rules(account: Account): Promise<void> {
    const { editLookRules } = await import("../admin/look-rules");
    await editLookRules(account, this.#places);
  }

  async #resetFactor(account: Account): Promise<void> {
    const sure = await confirmDialog(t.people.resetFactor, t.people.resetFactorLead(account.name), [{ value: "yes", label: t.people.resetFactor, danger: true }], t.common.cancel);
    if (!sure) return;
    try {
      await resetFactor(account.id);
      notify({ text: t.people.resetFactorDone(account.name) });
    } catch (error) {
      notify({ text: problemWords(error).what });
    }
  }

  protected override content(): TemplateResult {
    const words = this.#error ? problemWords(this.#error) : null;
    const wanted = this.#filter.trim().toLowerCase();
    const shown = this.#accounts?.filter((a) => `${a.name} ${a.login}`.toLowerCase().includes(wanted)) ?? null;
    return shell(
      "admin",
      html`${manageTabs("people")}
        <div class="page-head">
          <h1>${t.people.title}</h1>
          <div class="search small-search" role="search">${icon(Search)}<input class="input" type="search" aria-label=${t.common.search} placeholder=${t.people.searchPlaceholder} @input=${(e: Event) => { this.#filter = (e.target as HTMLInputElement).value; this.requestUpdate(); }} /></div>
          ${hasRole(session.get().account, "administrator", "system_administrator", "security_administrator") ? html`<button class="btn" @click=${() => void this.#separate()}>${icon(Scale)}${t.people.separate}</button>` : nothing}
          <button class="btn primary" @click=${() => void this.#edit(null)}>${icon(UserPlus)}${t.people.create}</button>
        </div>
        ${words ? wordsNote(words, { code: words.code, actions: html`<button class="btn" @click=${() => void this.load()}>${t.common.again}</button>` }) : nothing}
        ${shown === null
          ? words ? nothing : html`<div aria-hidden="true">${[1, 2, 3, 4].map(() => html`<div class="skeleton line-skeleton"></div>`)}</div>`
          : shown.length === 0
            ? html`<div class="empty">${icon(UserPlus)}<h2>${wanted ? t.people.noMatch : t.people.none}</h2><p>${wanted ? nothing : t.people.noneLead}</p></div>`
            : html`<table class="dense">
                <thead><tr><th>${t.people.name}</th><th>${t.people.login}</th><th>${t.people.roles}</th><th>${t.people.status}</th><th><span class="sr">${t.people.actions}</span></th></tr></thead>
                <tbody>${repeat(shown, (a) => a.id, (a) => this.#row(a))}</tbody>
              </table>
              <p class="small muted num">${t.people.count(shown.length)}</p>`}`,
      true,
    );
  }

  #row(a: Account): TemplateResult {
    return html`<tr class=${a.disabled ? "faded" : ""} data-account=${a.login}>
      <td><strong>${a.name}</strong></td>
      <td class="muted">${a.login}</td>
      <td>${a.roles.map((r) => html`<span class="held">${t.roles[r.role]} <span class="muted">${this.#placeName(r.place)}</span></span>`)}</td>
      <td>${a.disabled ? html`<span class="badge">${t.people.disabled}</span>` : a.invited ? html`<span class="badge warn">${t.people.invited}</span>` : html`<span class="badge ok">${t.people.active}</span>`}</td>
      <td class="act">
        <details class="menu">
          <summary class="btn quiet icon-only small" aria-label=${`${t.people.actions}: ${a.name}`}>${icon(Ellipsis)}</summary>
          <div class="panel">
            <button class="menu-item" data-closes @click=${() => void this.#edit(a)}>${icon(Pencil)}${t.people.edit}</button>
            <button class="menu-item" data-closes @click=${() => void this.#reset(a)}>${icon(KeyRound)}${t.people.newLink}</button>
            <button class="menu-item" data-closes @click=${() => void this.#rules(a)}>${icon(Eye)}${t.people.lookRules}</button>
            <button class="menu-item" data-closes ?hidden=${a.id === session.get().account?.id} @click=${() => void this.#resetFactor(a)}>${icon(ShieldOff)}${t.people.resetFactor}</button>
            <button class="menu-item" data-closes ?hidden=${a.id === session.get().account?.id} @click=${() => void this.#disable(a, !a.disabled)}>${icon(a.disabled ? UserCheck : UserX)}${a.disabled ? t.people.enable : t.people.disable}</button>
          </div>
        </details>
      </td>
    </tr>`;
  }
}
define("page-people", PagePeople);
