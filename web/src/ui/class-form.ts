/** Plans a class or changes one. Resolves with the class as the server keeps it, or nothing. */
import { html, nothing } from "lit";
import { problemWords, t } from "../i18n";
import { clock, zoneWords } from "../i18n/format";
import { instant, isoDay, spanOfDay, today } from "../i18n/zone";
import * as api from "../protocol/api";
import type { Account, Class, ClassMode, NewClass, Place, Repeat } from "../protocol/generated/index";
import { hasRole, session } from "../state/session";
import { notify } from "./announce";
import { openDialog } from "./dialog";
import { wordsNote } from "./words";
import "./class-form.css";

export async function editClass(existing: Class | null, day: string): Promise<Class | null> {
  const account = session.get().account;
  let places: Place[] = [];
  let teachers: Account[] = account ? [account] : [];
  let error: unknown = null;
  let busy = false;
  // A teacher who may not list people plans for herself.
  const [p, a] = await Promise.allSettled([api.places(), hasRole(account, "administrator") ? api.accounts() : Promise.resolve(teachers)]);
  if (p.status === "fulfilled") places = p.value;
  if (a.status === "fulfilled") {
    const all = a.value.filter((person) => !person.disabled && (person.id === account?.id || hasRole(person, "teacher", "administrator")));
    if (all.length > 0) teachers = all;
  }
  const schools = places.filter((place) => place.level === "school" || place.level === "class");
  const choices: { id: string; name: string }[] = [...(schools.length > 0 ? schools : places)];
  const people: { id: string; name: string }[] = [...teachers];
  // Whoever changes the time must not hand the class to another teacher or school only because a list lacks the present one.
  if (existing && !people.some((person) => person.id === existing.teacher)) people.unshift({ id: existing.teacher, name: existing.teacher_name });
  if (existing && !choices.some((place) => place.id === existing.place)) choices.unshift({ id: existing.place, name: places.find((place) => place.id === existing.place)?.name ?? existing.school });
  if (p.status === "rejected") error = p.reason;
  else if (a.status === "rejected") error = a.reason;
  const start = existing ? existing.starts : nextSlot(day);
  const zone = zoneWords(Date.now());
  let mode: ClassMode = existing?.mode ?? "dedicated";
  let repeat: Repeat = existing?.repeat ?? "once";

  return openDialog<Class>((close, update) => {
    const submit = async (event: Event): Promise<void> => {
      event.preventDefault();
      if (busy) return;
      const form = new FormData(event.target as HTMLFormElement);
      const text = (name: string): string => String(form.get(name) ?? "").trim();
      const until = text("until");
      const entry: NewClass = {
        title: text("title"),
        subject: text("subject"),
        grade: text("grade"),
        teacher: text("teacher"),
        place: text("place"),
        mode,
        starts: instant(text("date"), text("time")),
        duration_min: Number(text("duration")),
        repeat,
        until: repeat === "weekly" && until ? instant(until, "23:59") : null,
        waiting_room: form.has("waiting_room"),
        record: form.has("record"),
      };
      busy = true;
      update();
      try {
        const saved = existing ? await api.changeClass(existing.id, entry) : await api.createClass(entry);
        notify({ text: existing ? t.classForm.saved : t.classForm.created });
        close(saved);
      } catch (e) {
        error = e;
        busy = false;
        update();
      }
    };
    const words = error ? problemWords(error) : null;
    const radio = <V extends string>(name: string, legend: string, value: V, options: [V, string, string?][], choose: (v: V) => void) => html`<fieldset class="field">
      <legend class="label">${legend}</legend>
      <div class="segments">
        ${options.map(([v, label, lead]) => html`<label title=${lead ?? nothing}><input type="radio" name=${name} .checked=${v === value} @change=${() => { choose(v); update(); }} />${label}</label>`)}
      </div>
    </fieldset>`;
    return html`<form class="dialog-body class-form" @submit=${submit}>
      <h2>${existing ? t.classForm.edit : t.classForm.title}</h2>
      <div class="field wide"><label for="f-title">${t.classForm.name}</label><input class="input" id="f-title" name="title" required maxlength="200" autofocus placeholder=${t.classForm.namePlaceholder} value=${existing?.title ?? ""} /></div>
      <div class="field"><label for="f-date">${t.classForm.date}</label><input class="input" id="f-date" type="date" name="date" required value=${isoDay(start)} /></div>
      <div class="pair">
        <div class="field"><label for="f-time">${t.classForm.time}</label><input class="input" id="f-time" type="time" name="time" required value=${clock(start)} /></div>
        <div class="field"><label for="f-duration">${t.classForm.duration}</label><input class="input" id="f-duration" type="number" name="duration" required min="1" max="600" value=${existing?.duration_min ?? 40} /></div>
      </div>
      ${zone ? html`<p class="small muted wide" data-zone>${zone}</p>` : nothing}
      <div class="field"><label for="f-teacher">${t.classForm.teacher}</label>
        <select class="input" id="f-teacher" name="teacher">${people.map((person) => html`<option value=${person.id} ?selected=${person.id === (existing?.teacher ?? account?.id)}>${person.name}</option>`)}</select></div>
      <div class="field"><label for="f-place">${t.classForm.place}</label>
        <select class="input" id="f-place" name="place" required>${choices.map((place) => html`<option value=${place.id} ?selected=${place.id === existing?.place}>${place.name}</option>`)}</select></div>
      <div class="field"><label for="f-subject">${t.classForm.subject}</label><input class="input" id="f-subject" name="subject" maxlength="50" value=${existing?.subject ?? ""} /></div>
      <div class="field"><label for="f-grade">${t.classForm.grade}</label><input class="input" id="f-grade" name="grade" maxlength="50" value=${existing?.grade ?? ""} /></div>
      ${radio<ClassMode>("mode", t.classForm.mode, mode, [["dedicated", t.classForm.dedicated, t.classForm.dedicatedLead], ["famous", t.classForm.famous, t.classForm.famousLead]], (v) => { mode = v; })}
      ${radio<Repeat>("repeat", t.classForm.repeat, repeat, [["once", t.classForm.once], ["weekly", t.classForm.weekly]], (v) => { repeat = v; })}
      ${repeat === "weekly" ? html`<div class="field wide"><label for="f-until">${t.classForm.until} (${t.common.optional})</label><input class="input" id="f-until" type="date" name="until" value=${existing?.until ? isoDay(existing.until) : ""} /></div>` : nothing}
      <div class="wide">
        <label class="check"><input type="checkbox" name="record" ?checked=${existing?.record ?? true} />${t.classForm.record}</label>
        <label class="check"><input type="checkbox" name="waiting_room" ?checked=${existing?.waiting_room ?? false} />${t.classForm.waitingRoom}</label>
      </div>
      ${words ? html`<div class="wide">${wordsNote(words, { tone: "bad", code: words.code })}</div>` : nothing}
      <div class="dialog-actions wide">
        <button type="button" class="btn" @click=${() => close(null)}>${t.common.cancel}</button>
        <button class="btn primary" aria-busy=${busy ? "true" : nothing}>${existing ? t.classForm.save : t.classForm.create}</button>
      </div>
    </form>`;
  }, "wide-dialog");
}

/** The next quarter of an hour on that day, its last one before midnight; 08:00 on another day than today. */
function nextSlot(day: string): number {
  return day === today() ? Math.min(Math.ceil(Date.now() / 900_000) * 900_000, spanOfDay(day).to - 900_000) : instant(day, "08:00");
}
