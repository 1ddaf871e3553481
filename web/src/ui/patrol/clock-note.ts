/** The server's clock is not believed: what happened, what goes on, what to do. */
import { html, nothing, type TemplateResult } from "lit";
import { problemWords, t } from "../../i18n";
import { p } from "../../i18n/patrol";
import type { PatrolClock } from "../../protocol/generated/index";
import * as patrol from "../../protocol/patrol";
import { notify } from "../announce";
import { confirmDialog } from "../dialog";
import { wordsNote } from "../words";
import { lasting, stamp } from "./words-of";

/** None if it can't be asked now: the page has more to say than this. */
export const readClock = (): Promise<PatrolClock | null> => patrol.serverClock().catch(() => null);

/** `quiet`: also while nobody has to act, as after a week-end without power. */
export function clockNote(clock: PatrolClock | null, changed: (clock: PatrolClock | null) => void, quiet = false): TemplateResult | typeof nothing {
  const doubt = clock?.doubt;
  if (!clock || !doubt || !(doubt.alarm || quiet)) return nothing;
  const off = lasting(Math.abs(doubt.ahead_ms));
  const what = doubt.ahead_ms > 0 ? p.clock.ahead(off) : p.clock.behind(off);
  const then = doubt.left_ms === null ? p.clock.never : p.clock.byItself(lasting(doubt.left_ms));
  const words = { what: `${what} ${p.clock.since(stamp(doubt.since), stamp(clock.now))}`, works: p.clock.works(stamp(doubt.counted)), next: `${then} ${clock.may_confirm ? p.clock.next : p.clock.nextOther}` };
  const confirm = async (): Promise<void> => {
    if (!(await confirmDialog(p.clock.title, p.clock.lead(stamp(clock.now)), [{ value: "yes", label: p.clock.yes, danger: true }], t.common.cancel))) return;
    try {
      await patrol.confirmClock(clock.now);
      notify({ text: p.clock.confirmed });
    } catch (error) {
      const { what: failed, next } = problemWords(error);
      notify({ text: `${failed} ${next}` });
    }
    changed(await readClock());
  };
  return html`<div data-clock=${doubt.alarm ? "alarm" : "quiet"}>${wordsNote(words, { tone: doubt.alarm ? "bad" : "warn", actions: html`${clock.may_confirm ? html`<button class="btn danger" @click=${() => void confirm()}>${p.clock.confirm}</button>` : nothing}<code>lectern recorder confirm-clock</code>` })}</div>`;
}
