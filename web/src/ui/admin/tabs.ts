/** The three pages of administration, side by side. */
import { html, nothing, type TemplateResult } from "lit";
import { t } from "../../i18n";

export function manageTabs(current: "people" | "places" | "classes"): TemplateResult {
  const tab = (id: typeof current, label: string): TemplateResult => html`<a href="/manage/${id}" aria-current=${id === current ? "page" : nothing}>${label}</a>`;
  return html`<nav class="manage-tabs" aria-label=${t.nav.admin}>${tab("people", t.nav.people)}${tab("places", t.nav.places)}${tab("classes", t.nav.classes)}</nav>`;
}
