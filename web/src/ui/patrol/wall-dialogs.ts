/** What the wall asks: the tour, a layout's name, the help. */
import { html, nothing } from "lit";
import { problemWords, t } from "../../i18n";
import { p } from "../../i18n/patrol";
import type { CameraGroup, Tour, WallContent, WallLayout } from "../../protocol/generated/index";
import { changeLayout, createLayout } from "../../protocol/patrol";
import { camerasOf, type PlaceNode } from "../../state/patrol/catalogue";
import { openDialog } from "../dialog";
import { wordsNote } from "../words";

export const GROUPS: CameraGroup[] = ["exam_room", "sealed_room", "gate", "corridor", "other"];

function options(nodes: readonly PlaceNode[], depth = 0): { id: string; label: string }[] {
  return nodes.flatMap((n) => [{ id: n.place.id, label: `${"　".repeat(depth)}${n.place.name} (${n.total})` }, ...options(n.children, depth + 1)]);
}
export const placeOptions = options;

export function askTour(nodes: readonly PlaceNode[], before: Tour | null, tiles: number): Promise<Tour | null> {
  let place = before?.place ?? nodes[0]?.place.id ?? "";
  const groups = new Set<CameraGroup>(before?.groups ?? []);
  return openDialog<Tour>((close, update) => {
    const count = camerasOf(nodes, place, [...groups]).length;
    const submit = (event: Event): void => {
      event.preventDefault();
      const dwell = Number(new FormData(event.target as HTMLFormElement).get("dwell"));
      close({ place, groups: [...groups], dwell_s: Math.min(600, Math.max(3, Math.round(dwell))) });
    };
    return html`<form class="dialog-body" @submit=${submit}>
      <h2>${p.tour.title}</h2>
      <div class="field"><label for="tr-place">${p.tour.place}</label><select class="input" id="tr-place" autofocus @change=${(e: Event) => { place = (e.target as HTMLSelectElement).value; update(); }}>${options(nodes).map((o) => html`<option value=${o.id} .selected=${o.id === place}>${o.label}</option>`)}</select></div>
      <fieldset class="field"><legend class="label">${p.tour.groups}</legend><div class="checks">${GROUPS.map((g) => html`<label class="check"><input type="checkbox" .checked=${groups.has(g)} @change=${(e: Event) => { if ((e.target as HTMLInputElement).checked) groups.add(g); else groups.delete(g); update(); }} />${p.groups[g]}</label>`)}</div><p class="small muted">${p.tour.allGroups}</p></fieldset>
      <div class="field"><label for="tr-dwell">${p.tour.dwell}</label><input class="input" id="tr-dwell" name="dwell" type="number" min="3" max="600" required value=${before?.dwell_s ?? 15} /></div>
      <p class="small num" role="status">${p.tour.sum(count, Math.max(1, Math.ceil(count / tiles)))}</p>
      <div class="dialog-actions"><button type="button" class="btn" @click=${() => close(null)}>${t.common.cancel}</button><button class="btn primary" ?disabled=${count === 0}>${p.tour.start}</button></div>
    </form>`;
  });
}

/** Names a new layout, or renames one. */
export function askLayout(content: WallContent, existing: WallLayout | null): Promise<WallLayout | null> {
  let error: unknown = null;
  return openDialog<WallLayout>((close, update) => {
    const submit = async (event: Event): Promise<void> => {
      event.preventDefault();
      const form = { name: String(new FormData(event.target as HTMLFormElement).get("name")).trim(), ...content };
      try {
        close(existing ? await changeLayout(existing.id, form) : await createLayout(form));
      } catch (e) {
        error = e;
        update();
      }
    };
    const words = error ? problemWords(error) : null;
    return html`<form class="dialog-body" @submit=${submit}>
      <h2>${existing ? p.wall.rename : p.wall.saveAs}</h2>
      <div class="field"><label for="ly-name">${p.wall.layoutName}</label><input class="input" id="ly-name" name="name" required maxlength="60" autofocus value=${existing?.name ?? ""} /></div>
      ${words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing}
      <div class="dialog-actions"><button type="button" class="btn" @click=${() => close(null)}>${t.common.cancel}</button><button class="btn primary">${t.common.save}</button></div>
    </form>`;
  });
}

export function showKeys(title: string, rows: Readonly<Record<string, string>>): Promise<null> {
  return openDialog<null>((close) => html`<div class="dialog-body">
    <h2>${title}</h2>
    <dl class="keys-table">${Object.entries(rows).map(([key, words]) => html`<dt>${key.split(" ").map((k) => html`<kbd>${k === "Space" ? p.tour.space : k}</kbd> `)}</dt><dd>${words}</dd>`)}</dl>
    <div class="dialog-actions"><button class="btn" autofocus @click=${() => close(null)}>${t.common.close}</button></div>
  </div>`, "wide-dialog");
}
