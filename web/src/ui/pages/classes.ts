/** All timetable entries one may manage. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { CalendarPlus, Ellipsis, Link, MonitorPlay, Pencil, Plus, RadioTower, Trash2, Upload, UsersRound } from "lucide";
import { problemWords, t } from "../../i18n";
import { clock, day } from "../../i18n/format";
import { isoDay, today, wallOf } from "../../i18n/zone";
import * as api from "../../protocol/api";
import type { Class } from "../../protocol/generated/index";
import { lastDay } from "./last-day";
import { manageTabs } from "../admin/tabs";
import { notify } from "../announce";
import { copyText } from "../clipboard";
import { icon } from "../icon";
import { Page } from "../page";
import { shell } from "../shell";
import { define } from "../view";
import { wordsNote } from "../words";
import "../admin/admin.css";

class PageClasses extends Page {
  protected readonly section = "admin";
  #classes: Class[] | null = null;
  #error: unknown = null;

  protected override named(): string {
    return t.classesAdmin.title;
  }

  protected override async load(): Promise<void> {
    try {
      this.#classes = await api.classes();
      this.#error = null;
    } catch (error) {
      this.#error = error;
    }
    this.requestUpdate();
  }

  async #edit(existing: Class | null): Promise<void> {
    const { editClass } = await import("../class-form");
    if (await editClass(existing, today())) void this.load();
  }

  async #import(): Promise<void> {
    const { importTimetable } = await import("../csv-import");
    if (await importTimetable()) void this.load();
  }

  async #devices(c: Class): Promise<void> {
    const { deviceAccess } = await import("../device-access");
    await deviceAccess(c, true);
  }

  /** Of the class's last lesson that was held; earlier ones are found in the timetable of their day. */
  async #attendance(c: Class): Promise<void> {
    try {
      const [{ showAttendance }, lessons] = await Promise.all([import("../attendance"), api.lessons(isoDay(lastDay(c, Date.now())))]);
      const held = lessons.filter((l) => l.class === c.id && l.state === "over").at(-1);
      if (held) await showAttendance({ id: held.id, title: `${c.title} · ${day(held.starts)}` });
      else notify({ text: t.attendance.none });
    } catch (error) {
      notify({ text: problemWords(error).what });
    }
  }

  async #delete(c: Class): Promise<void> {
    try {
      await api.deleteClass(c.id);
      notify({ text: t.classForm.deleted, action: { label: t.common.undo, run: () => void api.restoreClass(c.id).then(() => this.load(), (error: unknown) => notify({ text: problemWords(error).what })) } });
      await this.load();
    } catch (error) {
      notify({ text: problemWords(error).what });
    }
  }

  #when(c: Class): string {
    return c.repeat === "weekly" ? t.classesAdmin.weekly(t.weekdays[wallOf(c.starts).weekday] ?? "", clock(c.starts)) : `${day(c.starts)} ${clock(c.starts)}`;
  }

  protected override content(): TemplateResult {
    const words = this.#error ? problemWords(this.#error) : null;
    return shell(
      "admin",
      html`${manageTabs("classes")}
        <div class="page-head">
          <h1>${t.classesAdmin.title}</h1>
          <button class="btn" @click=${() => void this.#import()}>${icon(Upload)}${t.today.import}</button>
          <button class="btn primary" @click=${() => void this.#edit(null)}>${icon(Plus)}${t.today.create}</button>
        </div>
        ${words ? wordsNote(words, { code: words.code, actions: html`<button class="btn" @click=${() => void this.load()}>${t.common.again}</button>` }) : nothing}
        ${this.#classes === null
          ? words ? nothing : html`<div aria-hidden="true">${[1, 2, 3].map(() => html`<div class="skeleton line-skeleton"></div>`)}</div>`
          : this.#classes.length === 0
            ? html`<div class="empty">${icon(CalendarPlus)}<h2>${t.classesAdmin.none}</h2><p>${t.classesAdmin.noneLead}</p></div>`
            : html`<table class="dense">
                <thead><tr><th>${t.classForm.name}</th><th>${t.classForm.teacher}</th><th>${t.classForm.place}</th><th>${t.classesAdmin.when}</th><th>${t.classesAdmin.code}</th><th><span class="sr">${t.people.actions}</span></th></tr></thead>
                <tbody>${repeat(this.#classes, (c) => c.id, (c) => this.#row(c))}</tbody>
              </table>`}`,
      true,
    );
  }

  #row(c: Class): TemplateResult {
    return html`<tr data-class=${c.code}>
      <td><strong>${c.title}</strong> <span class="muted small">${[c.subject, c.grade].filter(Boolean).join(" · ")}</span></td>
      <td>${c.teacher_name}</td>
      <td>${c.school}</td>
      <td class="num">${this.#when(c)} <span class="muted">${t.common.minutes(c.duration_min)}</span></td>
      <td><code>${c.code}</code></td>
      <td class="act">
        <details class="menu">
          <summary class="btn quiet icon-only small" aria-label=${`${t.people.actions}: ${c.title}`}>${icon(Ellipsis)}</summary>
          <div class="panel">
            <button class="menu-item" data-closes @click=${() => void this.#edit(c)}>${icon(Pencil)}${t.classesAdmin.edit}</button>
            <button class="menu-item" data-closes @click=${() => void copyText(`${location.origin}/c/${c.code}`)}>${icon(Link)}${t.today.copyLink}</button>
            <button class="menu-item" data-closes @click=${() => void copyText(`${location.origin}/screen/${c.code}`)}>${icon(MonitorPlay)}${t.today.screenLink}</button>
            <button class="menu-item" data-closes @click=${() => void this.#devices(c)}>${icon(RadioTower)}${t.devices.title}</button>
            ${c.starts < Date.now() ? html`<button class="menu-item" data-closes @click=${() => void this.#attendance(c)}>${icon(UsersRound)}${t.attendance.title}</button>` : nothing}
            <button class="menu-item" data-closes @click=${() => void this.#delete(c)}>${icon(Trash2)}${t.common.delete}</button>
          </div>
        </details>
      </td>
    </tr>`;
  }
}
define("page-classes", PageClasses);
