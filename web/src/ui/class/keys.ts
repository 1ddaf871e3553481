/** The class' keyboard: a table, so that the help shows exactly what works. */
import { html, type TemplateResult } from "lit";
import { t } from "../../i18n";
import { openDialog } from "../dialog";

export type Key = "call" | "muteAll" | "mute" | "camera" | "share" | "hand" | "chat" | "questions" | "people" | "full" | "help";

/** What a key press means for this role; pure. `onButton` = a button has the focus, so Space is its own. */
export function keyFor(key: string, teacher: boolean, onButton: boolean): Key | null {
  switch (key.length === 1 ? key.toLowerCase() : key) {
    case " ":
      return teacher && !onButton ? "call" : null;
    case "m":
      return teacher ? "muteAll" : "mute";
    case "d":
      return teacher ? "mute" : null;
    case "v":
      return "camera";
    case "s":
      return "share";
    case "h":
      return teacher ? null : "hand";
    case "c":
      return "chat";
    case "q":
      return "questions";
    case "p":
      return "people";
    case "f":
      return "full";
    case "?":
      return "help";
    default:
      return null;
  }
}

export function showKeys(teacher: boolean): Promise<null> {
  const rows: [string, string][] = teacher
    ? [["Space", t.room.keys.call], ["M", t.room.keys.muteAll], ["D", t.room.keys.mute], ["V", t.room.keys.camera], ["S", t.room.keys.share]]
    : [["H", t.room.keys.hand], ["M", t.room.keys.mute], ["V", t.room.keys.camera], ["S", t.room.keys.share]];
  rows.push(["C", t.room.keys.chat], ["Q", t.room.keys.questions], ["P", t.room.keys.people], ["F", t.room.keys.full], ["?", t.room.keys.help]);
  return openDialog<never>((close) => keysBody(rows, t.room.keyboardTitle, () => close(null)));
}

export function keysBody(rows: [string, string][], title: string, close: () => void): TemplateResult {
  return html`<div class="dialog-body">
    <h2>${title}</h2>
    <dl class="keys">${rows.map(([key, what]) => html`<dt><kbd>${key}</kbd></dt><dd>${what}</dd>`)}</dl>
    <div class="dialog-actions"><button class="btn" autofocus @click=${close}>${t.common.close}</button></div>
  </div>`;
}
