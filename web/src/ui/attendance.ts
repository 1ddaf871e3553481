/** Who was in a lesson, from when to when: to read here, and to take away as a file. */
import { html, nothing } from "lit";
import { Download } from "lucide";
import { language, problemWords, t } from "../i18n";
import { clock } from "../i18n/format";
import * as api from "../protocol/api";
import type { Attendance } from "../protocol/generated/index";
import { openDialog } from "./dialog";
import { icon } from "./icon";
import { wordsNote } from "./words";
import "./attendance.css";

export async function showAttendance(lesson: { id: string; title: string }): Promise<void> {
  let rows: Attendance[] | null = null;
  let error: unknown = null;
  let open = true;
  let asked = false;
  await openDialog<never>((close, update) => {
    const load = (): void => {
      asked = true;
      error = null;
      void api.attendance(lesson.id).then(
        (all) => {
          rows = all;
        },
        (e: unknown) => {
          error = e;
        },
      ).then(() => open && update());
    };
    if (!asked) load();
    const words = error ? problemWords(error) : null;
    return html`<div class="dialog-body">
      <h2>${t.attendance.title}</h2>
      <p class="muted">${lesson.title}</p>
      ${words
        ? wordsNote(words, { code: words.code, actions: html`<button class="btn" @click=${load}>${t.common.again}</button>` })
        : rows === null
          ? html`<div aria-hidden="true">${[1, 2, 3].map(() => html`<div class="skeleton line-skeleton"></div>`)}</div>`
          : rows.length === 0
            ? html`<p>${t.attendance.nobody}</p>`
            : html`<div class="attendance" tabindex="0" role="region" aria-label=${t.attendance.title}><table>
                <thead><tr><th>${t.people.name}</th><th>${t.people.role}</th><th>${t.attendance.from}</th><th>${t.attendance.to}</th></tr></thead>
                <tbody>${rows.map((r) => html`<tr><td>${r.name}</td><td class="muted">${t.roomRoles[r.role]}</td><td class="num">${clock(r.from)}</td><td class="num">${r.to === null ? "" : clock(r.to)}</td></tr>`)}</tbody>
              </table></div>`}
      <div class="dialog-actions">
        <button class="btn" autofocus @click=${() => close(null)}>${t.common.close}</button>
        ${rows === null ? nothing : html`<a class="btn primary" href=${api.attendanceUrl(lesson.id, language)} download>${icon(Download)}${t.attendance.file}</a>`}
      </div>
    </div>`;
  }, "wide-dialog").finally(() => {
    open = false;
  });
}
