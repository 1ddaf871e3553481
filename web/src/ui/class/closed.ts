/** Out of class: why, what still works, and the one thing to do next. */
import { html, nothing, type TemplateResult } from "lit";
import { CircleCheck, DoorClosed, TriangleAlert } from "lucide";
import { problemWords, t } from "../../i18n";
import type { Words } from "../../i18n/en";
import { ApiError } from "../../protocol/http";
import type { ClassState } from "../../state/class-state";
import { session } from "../../state/session";
import { icon } from "../icon";

export function closed(phase: Extract<ClassState["phase"], { name: "closed" | "refused" }>, again: () => void): TemplateResult {
  const words: Words & { code?: string } = phase.name === "closed" ? t.closeReasons[phase.reason] : problemWords(new ApiError(phase.code, 0, phase.detail));
  const reason = phase.name === "closed" ? phase.reason : phase.code;
  const good = reason === "ended" || reason === "left";
  const signedIn = session.get().phase === "in";
  const canReturn = ["left", "taken_over", "room_full", "refused", "not_authorised", "version_mismatch", "protocol_error", "grant_expired", "grant_invalid", "class_closed", "unknown"].includes(reason);
  const label = reason === "version_mismatch" || reason === "protocol_error" ? t.common.reload : reason === "ended" ? t.today.watch : t.lobby.join;
  return html`<main class="closed" data-closed=${reason}>
    <div class="empty">
      ${icon(good ? CircleCheck : reason === "removed" || reason === "refused" ? DoorClosed : TriangleAlert)}
      <h1>${words.what}</h1>
      <p>${words.works}<br />${words.next}</p>
      ${phase.name === "refused" ? html`<p class="tiny">${t.common.code} <code>${phase.code}</code></p>` : nothing}
      <div class="do">
        ${reason === "ended" && signedIn ? html`<a class="btn primary" href="/library">${t.errors.toLibrary}</a>` : nothing}
        ${reason === "not_signed_in" ? html`<a class="btn primary" href="/signin?next=${encodeURIComponent(location.pathname)}">${t.signIn.submit}</a>` : nothing}
        ${canReturn ? html`<button class="btn primary" @click=${again}>${label}</button>` : nothing}
        <a class="btn" href="/">${t.errors.toToday}</a>
      </div>
    </div>
  </main>`;
}
