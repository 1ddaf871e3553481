/** Rules of looking about one account: more than its roles allow, only at times, or not at all. */
import { html, nothing } from "lit";
import { Trash2 } from "lucide";
import { problemWords, t } from "../../i18n";
import { zoneWords } from "../../i18n/format";
import { p, usePatrolWords } from "../../i18n/patrol";
import { instantOf } from "../../i18n/zone";
import type { Account, CameraDeed, LookEffect, LookRule, NewLookRule, Place } from "../../protocol/generated/index";
import { addLookRule, deleteLookRule, lookRules } from "../../protocol/patrol";
import { EMPTY_CATALOGUE, loadCatalogue, type Catalogue } from "../../state/patrol/load";
import { openDialog } from "../dialog";
import { icon } from "../icon";
import { stamp } from "../patrol/words-of";
import { wordsNote } from "../words";
import "../patrol/patrol.css";

export const DEEDS: CameraDeed[] = ["see", "live", "listen", "play", "snapshot", "export"];

/** Pure: the form as it is sent. Places and cameras share one list: `p:` and `c:` tell them apart. */
export function readRule(form: FormData): NewLookRule {
  const scope = String(form.get("scope") ?? "");
  const moment = (name: string): number => instantOf(String(form.get(name) ?? ""));
  const [from, to] = [moment("from"), moment("to")];
  return {
    place: scope.startsWith("p:") ? scope.slice(2) : null,
    camera: scope.startsWith("c:") ? scope.slice(2) : null,
    effect: String(form.get("effect")) as LookEffect,
    deeds: DEEDS.filter((d) => form.get(`deed-${d}`) !== null),
    windows: Number.isNaN(from) || Number.isNaN(to) ? [] : [{ from, to }],
  };
}

export async function editLookRules(account: Pick<Account, "id" | "name">, places: readonly Place[]): Promise<void> {
  await usePatrolWords();
  let rules: LookRule[] | null = null;
  let catalogue: Catalogue = EMPTY_CATALOGUE;
  let error: unknown = null;
  let none = false;
  let render = (): void => undefined;
  const attempt = async (work: () => Promise<unknown>): Promise<void> => {
    error = null;
    try {
      await work();
      rules = await lookRules(account.id);
    } catch (e) {
      error = e;
    }
    render();
  };
  void attempt(async () => undefined);
  void loadCatalogue().then((c) => {
    catalogue = c;
    render();
  }).catch(() => undefined);
  await openDialog<void>((close, update) => {
    render = update;
    const words = error ? problemWords(error) : null;
    const where = (r: LookRule): string => (r.camera ? `${catalogue.byId.get(r.camera)?.place_name ?? ""} ${catalogue.byId.get(r.camera)?.name ?? "…"}` : (places.find((x) => x.id === r.place)?.name ?? "…"));
    const submit = (event: Event): void => {
      event.preventDefault();
      const rule = readRule(new FormData(event.target as HTMLFormElement));
      none = rule.deeds.length === 0;
      if (none) return update();
      void attempt(() => addLookRule(account.id, rule));
    };
    return html`<div class="dialog-body">
      <h2>${p.rules.title(account.name)}</h2><p class="small muted">${p.rules.lead}</p>
      ${words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing}
      ${rules === null ? (words ? nothing : html`<div class="skeleton line-skeleton"></div>`) : rules.length === 0 ? html`<p class="muted">${p.rules.none}</p>` : html`<ul class="hooks">${rules.map((r) => html`<li data-rule=${r.id}><span><strong>${p.rules.effects[r.effect]}: ${where(r)}</strong><span class="small muted">${r.deeds.map((d) => p.rules.deedNames[d]).join(" · ")}</span>
        <span class="small num">${r.windows.length === 0 ? p.rules.always : r.windows.map((w) => html`${stamp(w.from)} – ${stamp(w.to)}<br />`)}</span></span>
        <button class="btn quiet small icon-only" aria-label=${p.rules.remove} title=${p.rules.remove} @click=${() => void attempt(() => deleteLookRule(account.id, r.id))}>${icon(Trash2)}</button></li>`)}</ul>`}
      <form class="rules-form" @submit=${submit}>
        <div class="two">
          <div class="field"><label for="lr-effect">${p.rules.effect}</label><select class="input" id="lr-effect" name="effect">${(["deny", "limit", "allow"] as const).map((e) => html`<option value=${e}>${p.rules.effects[e]}</option>`)}</select></div>
          <div class="field"><label for="lr-scope">${p.rules.scope}</label><select class="input" id="lr-scope" name="scope">${places.map((pl) => html`<option value="p:${pl.id}">${pl.name} (${t.levels[pl.level]})</option>`)}${catalogue.cameras.map((c) => html`<option value="c:${c.id}">${c.place_name} ${c.name}</option>`)}</select></div>
        </div>
        <fieldset class="field"><legend class="label">${p.rules.deeds}</legend><div class="checks">${DEEDS.map((d) => html`<label class="check"><input type="checkbox" name="deed-${d}" ?checked=${d === "live"} />${p.rules.deedNames[d]}</label>`)}</div></fieldset>
        ${none ? html`<p class="fault small bad-text" role="alert">${p.rules.chooseDeed}</p>` : nothing}
        <fieldset class="field"><legend class="label">${p.rules.when}</legend><div class="two"><input class="input" type="datetime-local" name="from" aria-label=${p.rules.from} /><input class="input" type="datetime-local" name="to" aria-label=${p.rules.to} /></div>${zoneWords(Date.now()) ? html`<span class="small muted">${zoneWords(Date.now())}</span>` : nothing}</fieldset>
        <div class="dialog-actions"><button type="button" class="btn" @click=${() => close(null)}>${t.common.close}</button><button class="btn primary">${p.rules.add}</button></div>
      </form>
    </div>`;
  }, "wide-dialog");
}
