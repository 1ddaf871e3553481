/** Adds or changes a camera. *Test* shows a picture of it, what it sends, and what is wrong with what to do about it. */
import { html, nothing, type TemplateResult } from "lit";
import { CircleCheck, PlugZap, TriangleAlert } from "lucide";
import { problemWords, t } from "../../i18n";
import { p } from "../../i18n/patrol";
import { ApiError } from "../../protocol/http";
import type { Camera, CameraForm, CameraGroup, CameraReport, CameraTransport, PlaceId } from "../../protocol/generated/index";
import * as patrol from "../../protocol/patrol";
import { ownPlaces, type Catalogue } from "../../state/patrol/load";
import { session } from "../../state/session";
import { openDialog } from "../dialog";
import { icon } from "../icon";
import { wordsNote } from "../words";
import { GROUPS } from "./wall-dialogs";
import { clockWords, codecWords } from "./words-of";

/** Pure: what the fields say, as the server takes it. User and password in an address are left to the server to take out. */
export function readForm(form: FormData, existing: Camera | null): CameraForm {
  const text = (name: string): string => String(form.get(name) ?? "").trim();
  const password = String(form.get("password") ?? "");
  return {
    place: text("place"), name: text("name"), group: text("group") as CameraGroup, code: text("code") || null,
    main_url: text("main_url"), sub_url: text("sub_url") || null, transport: text("transport") as CameraTransport, username: text("username"),
    // Nothing typed: the kept one stays. A new camera without one gets an empty one.
    password: password !== "" ? password : existing?.source?.has_password ? null : "",
    kbps_max: Math.round(Number(text("kbps_max")) || 8_000), record: form.get("record") !== null,
  };
}

/** Resolves with the camera that was made or changed. `like`: its settings are taken over. */
export function editCamera(catalogue: Catalogue, existing: Camera | null, place: PlaceId | null, like: Camera | null = null): Promise<Camera | null> {
  let error: unknown = null;
  let report: CameraReport | null = null;
  let busy: "test" | "save" | null = null;
  let testing: AbortController | null = null;
  const own = ownPlaces(catalogue.places, session.get().account);
  const model = existing ?? like;
  const source = model?.source;
  const done = openDialog<Camera>((close, update) => {
    const send = async (what: "test" | "save", form: HTMLFormElement): Promise<void> => {
      if (busy || !form.reportValidity()) return;
      const wish = readForm(new FormData(form), existing);
      busy = what;
      error = null;
      if (what === "test") report = null;
      update();
      try {
        if (what === "test") {
          testing = new AbortController();
          report = await patrol.testCamera(wish, existing?.id ?? null, testing.signal);
        } else {
          return close(existing ? await patrol.changeCamera(existing.id, wish) : await patrol.createCamera(wish));
        }
      } catch (e) {
        if (!testing?.signal.aborted) error = e;
      }
      busy = null;
      testing = null;
      update();
      if (report && what === "test") form.querySelector(".camera-report")?.scrollIntoView({ block: "nearest" });
    };
    const bad = error instanceof ApiError ? error.field : null;
    const words = error ? problemWords(error) : null;
    const field = (name: string, label: string, input: TemplateResult, hint = ""): TemplateResult =>
      html`<div class="field"><label for="cf-${name}">${label}</label>${input}${bad === name ? html`<span class="fault">${p.cameras.badField}</span>` : hint ? html`<span class="tiny muted">${hint}</span>` : nothing}</div>`;
    const input = (name: string, value: string, more: { type?: string; required?: boolean; max?: number; placeholder?: string; pattern?: string; focus?: boolean } = {}): TemplateResult =>
      html`<input class="input" id="cf-${name}" name=${name} type=${more.type ?? "text"} value=${value} ?required=${more.required ?? false} maxlength=${more.max ?? 300} placeholder=${more.placeholder ?? nothing} pattern=${more.pattern ?? nothing}
        autocomplete=${more.type === "password" ? "new-password" : "off"} spellcheck="false" autocapitalize="none" aria-invalid=${bad === name ? "true" : nothing} ?autofocus=${more.focus ?? false} />`;
    const select = (name: string, value: string, options: readonly (readonly [string, string])[]): TemplateResult =>
      html`<select class="input" id="cf-${name}" name=${name}>${options.map(([v, label]) => html`<option value=${v} .selected=${v === value}>${label}</option>`)}</select>`;
    const places = own.map((pl) => [pl.id, `${pl.name} (${t.levels[pl.level]})`] as const);
    const noSub = report?.faults.some((f) => f.fault === "no_substream") ?? false;
    return html`<form class="dialog-body camera-form" @submit=${(e: Event) => { e.preventDefault(); void send("save", e.target as HTMLFormElement); }}>
      <h2>${existing ? p.cameras.edit : p.cameras.add}</h2>
      <div class="two">
        ${field("name", p.cameras.name, input("name", existing?.name ?? "", { required: true, max: 60, placeholder: p.cameras.namePlaceholder, focus: true }))}
        ${field("place", p.cameras.place, select("place", existing?.place ?? place ?? like?.place ?? (own.find((pl) => pl.level === "exam_site") ?? own[0])?.id ?? "", places))}
        ${field("group", p.cameras.group, select("group", model?.group ?? "exam_room", GROUPS.map((g) => [g, p.groups[g]] as const)))}
        ${field("code", p.cameras.code, input("code", existing?.code ?? "", { max: 20, pattern: "[0-9]{20}" }), p.cameras.codeHint)}
      </div>
      ${field("main_url", p.cameras.mainUrl, input("main_url", existing ? (source?.main_url ?? "") : "", { required: true, placeholder: "rtsp://192.168.1.64:554/Streaming/Channels/101" }))}
      ${field("sub_url", p.cameras.subUrl, input("sub_url", existing ? (source?.sub_url ?? "") : "", { placeholder: "rtsp://192.168.1.64:554/Streaming/Channels/102" }), p.cameras.subHint)}
      <div class="two">
        ${field("username", p.cameras.username, input("username", source?.username ?? ""))}
        ${field("password", p.cameras.password, input("password", "", { type: "password", placeholder: existing?.source?.has_password ? p.cameras.passwordKept : "" }))}
        ${field("transport", p.cameras.transport, select("transport", source?.transport ?? "tcp", [["tcp", p.cameras.tcp], ["udp", "UDP"]]))}
        ${field("kbps_max", p.cameras.kbpsMax, html`<input class="input" id="cf-kbps_max" name="kbps_max" type="number" min="256" max="20000" value=${source?.kbps_max ?? 8_000} required />`)}
      </div>
      <label class="check"><input type="checkbox" name="record" ?checked=${model?.record ?? true} />${p.cameras.record}</label>
      ${words ? wordsNote(words, { tone: "bad", code: words.code }) : nothing}
      ${busy === "test" ? html`<div class="note" role="status"><div><p><strong>${p.cameras.testing}</strong></p><p class="muted">${p.cameras.testingLead}</p><div class="do"><button type="button" class="btn small" @click=${() => testing?.abort()}>${t.common.cancel}</button></div></div></div>` : nothing}
      ${report ? reportView(report) : nothing}
      ${noSub ? html`<p class="small">${p.cameras.withoutSub}</p>` : nothing}
      <div class="dialog-actions">
        <button type="button" class="btn start" aria-busy=${busy === "test" ? "true" : nothing} @click=${(e: Event) => void send("test", (e.target as Element).closest("form") as HTMLFormElement)}>${icon(PlugZap)}${p.cameras.test}</button>
        <button type="button" class="btn" @click=${() => close(null)}>${t.common.cancel}</button>
        <button class="btn primary" aria-busy=${busy === "save" ? "true" : nothing}>${existing ? t.common.save : p.cameras.add}</button>
      </div>
    </form>`;
  }, "wide-dialog camera-dialog");
  void done.then(() => testing?.abort());
  return done;
}

function reportView(report: CameraReport): TemplateResult {
  return html`<section class="camera-report" aria-label=${p.cameras.test} role="status">
    ${report.picture === null ? nothing : report.picture.startsWith("data:image") ? html`<img src=${report.picture} alt=${p.cameras.picture} />` : html`<video src=${report.picture} muted autoplay playsinline></video>`}
    <div>
      <p class=${report.usable ? "good" : "bad"}>${icon(report.usable ? CircleCheck : TriangleAlert)}<strong>${report.usable ? p.cameras.usable : p.cameras.unusable}</strong></p>
      <ul class="small num">${report.streams.map((s) => html`<li><strong>${p.streams[s.stream]}</strong> ${codecWords(s.codec)}${s.width > 0 ? ` ${s.width}×${s.height}` : ""}${s.fps_x10 > 0 ? ` ${p.cameras.fps(s.fps_x10 / 10)}` : ""} ${s.kbps > 0 ? `${s.kbps} kbit/s` : ""}${s.keyframe_ms > 0 ? ` · ${p.cameras.keyframe(s.keyframe_ms / 1_000)}` : ""}</li>`)}
        ${report.clock_offset_ms === null ? nothing : html`<li>${p.cameras.clockOff(clockWords(report.clock_offset_ms))}</li>`}</ul>
      ${report.faults.map((f) => {
        const words = p.probe[f.fault];
        return html`<p class="probe-fault small"><strong>${f.stream ? `${p.streams[f.stream]}: ` : ""}${words.what}</strong> ${words.next}${f.detail && f.fault !== "clock_off" ? html` <code class="tiny muted">${f.detail}</code>` : nothing}</p>`;
      })}
    </div>
  </section>`;
}

