import { html, type TemplateResult } from "lit";
import { Compass } from "lucide";
import { t } from "../../i18n";
import { icon } from "../icon";
import { shell } from "../shell";
import { define, View } from "../view";

class PageNotFound extends View {
  override render(): TemplateResult {
    document.title = `${t.errors.page} · ${t.brand}`;
    return shell(null, html`<div class="empty">${icon(Compass)}<h1>${t.errors.page}</h1><a class="btn primary" href="/">${t.errors.toToday}</a></div>`);
  }
}
define("page-not-found", PageNotFound);
