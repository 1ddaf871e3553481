/** The three sentences for a camera or microphone that does not work. A refused permission names the place in *this* browser. */
import { t } from "../../i18n";
import type { Words } from "../../i18n/en";
import { browserOf, type DeviceFault } from "../../media/faults";

export function faultWords(kind: "camera" | "microphone", fault: DeviceFault): Words {
  const words = t.faults[fault][kind];
  return fault === "denied" ? { ...words, next: t.allow[browserOf(navigator.userAgent)] } : words;
}
