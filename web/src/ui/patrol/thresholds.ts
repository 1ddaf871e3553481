/** From when a fault is one: a form per group at a place. */
import { html, nothing, type TemplateResult } from "lit";
import { problemWords, t } from "../../i18n";
import { p } from "../../i18n/patrol";
import type { HealthFault, Place, Thresholds } from "../../protocol/generated/index";
import * as patrol from "../../protocol/patrol";
import { notify } from "../announce";
import { openDialog } from "../dialog";
import { wordsNote } from "../words";
import { GROUPS } from "./wall-dialogs";

export const FAULTS: HealthFault[] = ["no_stream", "frozen", "black", "white", "covered", "blurred", "moved", "wrong_clock", "no_sound", "bit_rate", "frame_rate", "undecodable", "not_recorded"];

/** The numbers with their limits, as the server has them. None of brightness: the server judges black and white by the share of
 *  the picture that is so. */
const NUMBERS = [
  ["silent_s", 1, 60], ["sharpness_percent", 1, 100], ["moved_percent", 1, 50], ["clock_ms", 50, 60_000], ["rate_percent", 10, 100],
] as const;

/** Pure: the form as it is sent. */
export function readThresholds(form: FormData, before: Thresholds): Thresholds {
  const number = (name: keyof Thresholds): number => Math.round(Number(form.get(name)));
  return {
    group: before.group, watched: FAULTS.filter((f) => form.get(`watch-${f}`) !== null), tone: form.get("tone") !== null,
    silent_s: number("silent_s"), sharpness_percent: number("sharpness_percent"),
    moved_percent: number("moved_percent"), clock_ms: number("clock_ms"), rate_percent: number("rate_percent"),
  };
}

export async function editThresholds(place: Place): Promise<void> {
  let sets: Thresholds[] | null = null;
  let group = GROUPS[0] as Thresholds["group"];
  let error: unknown = null;
  let render = (): void => undefined;
  const load = async (): Promise<void> => {
    try {
      sets = await patrol.thresholds(place.id);
      error = null;
    } catch (e) {
      error = e;
    }
    render();
  };
  void load();
  await openDialog<void>((close, update) => {
    render = update;
    const set = sets?.find((s) => s.group === group) ?? null;
    const words = error ? problemWords(error) : null;
    const act = async (work: () => Promise<Thresholds[]>): Promise<void> => {
      try {
        sets = await work();
        error = null;
        notify({ text: p.thresholds.saved(p.groups[group]) });
      } catch (e) {
        error = e;
      }
      update();
    };
    const submit = (event: Event): void => {
      event.preventDefault();
      if (set) void act(() => patrol.setThresholds(place.id, readThresholds(new FormData(event.target as HTMLFormElement), set)));
    };
    return html`<form class="dialog-body" @submit=${submit}>
      <h2>${p.thresholds.title(place.name)}</h2>
      <div class="segments groups" role="radiogroup" aria-label=${p.cameras.group}>${GROUPS.map((g) => html`<label><input type="radio" name="group" .checked=${g === group} @change=${(e: Event) => { e.stopPropagation(); group = g; update(); }} />${p.groups[g]}</label>`)}</div>
      ${words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing}
      ${set ? fields(set) : words ? nothing : html`<div class="skeleton line-skeleton"></div>`}
      <div class="dialog-actions">
        <button type="button" class="btn start" ?disabled=${!set} @click=${() => void act(() => patrol.clearThresholds(place.id, group))}>${p.thresholds.inherit}</button>
        <button type="button" class="btn" @click=${() => close(null)}>${t.common.close}</button><button class="btn primary" ?disabled=${!set}>${t.common.save}</button>
      </div>
    </form>`;
  }, "wide-dialog");
}

function fields(set: Thresholds): TemplateResult {
  return html`<fieldset class="field"><legend class="label">${p.thresholds.watched}</legend><div class="checks">${FAULTS.map((f) => html`<label class="check"><input type="checkbox" name="watch-${f}" .checked=${set.watched.includes(f)} />${p.faults[f]}</label>`)}</div></fieldset>
    <div class="two">${NUMBERS.map(([name, min, max]) => html`<div class="field"><label for="th-${name}">${p.thresholds.numbers[name]}</label><input class="input num" id="th-${name}" name=${name} type="number" min=${min} max=${max} required .value=${String(set[name])} /></div>`)}</div>
    <label class="check"><input type="checkbox" name="tone" .checked=${set.tone} />${p.thresholds.tone}</label>`;
}
