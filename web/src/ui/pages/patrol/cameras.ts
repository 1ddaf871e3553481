/** Cameras: by place, with their state; add, test, import, start and stop. */
import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Cctv, CirclePlay, CircleStop, CopyPlus, Ellipsis, FileUp, Pencil, Plus, Search, Trash2, Video, VideoOff } from "lucide";
import { problemWords, t } from "../../../i18n";
import { p } from "../../../i18n/patrol";
import type { Camera, CameraState, CameraSwitch, PatrolClock } from "../../../protocol/generated/index";
import * as patrol from "../../../protocol/patrol";
import { matches } from "../../../state/patrol/catalogue";
import { EMPTY_CATALOGUE, loadCatalogue, ownPlaces, type Catalogue } from "../../../state/patrol/load";
import { session } from "../../../state/session";
import { notify } from "../../announce";
import { icon } from "../../icon";
import { Page } from "../../page";
import { clockNote, readClock } from "../../patrol/clock-note";
import { editCamera } from "../../patrol/camera-form";
import { importCameras } from "../../patrol/camera-import";
import { patrolTabs } from "../../patrol/tabs";
import { clockWords, codecWords, isDead, lasting } from "../../patrol/words-of";
import { shell } from "../../shell";
import { define } from "../../view";
import { wordsNote } from "../../words";

const REFRESH_MS = 5_000;

class PageCameras extends Page {
  protected readonly section = "patrol";
  #catalogue: Catalogue = EMPTY_CATALOGUE;
  #clock: PatrolClock | null = null;
  #loaded = false;
  #error: unknown = null;
  #filter = "";
  #only: "all" | "wrong" = "all";
  #asking = false;

  protected override named(): string {
    return p.cameras.title;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const timer = setInterval(() => this.#loaded && !this.#asking && document.visibilityState === "visible" && void this.load(), REFRESH_MS);
    this.until(() => clearInterval(timer));
  }

  protected override async load(): Promise<void> {
    this.#asking = true;
    try {
      [this.#catalogue, this.#clock] = await Promise.all([loadCatalogue(), readClock()]);
      this.#error = null;
      this.#loaded = true;
    } catch (error) {
      this.#error = error;
    }
    this.#asking = false;
    this.requestUpdate();
  }

  #mayManage(): boolean {
    const roles: readonly string[] = session.get().account?.roles.map((r) => r.role) ?? [];
    return this.#catalogue.cameras.some((c) => c.may.manage) || roles.some((r) => ["administrator", "site_administrator", "system_administrator"].includes(r));
  }

  async #edit(existing: Camera | null, like: Camera | null = null): Promise<void> {
    const saved = await editCamera(this.#catalogue, existing, null, like);
    if (!saved) return;
    notify({ text: existing ? p.cameras.saved(saved.name) : p.cameras.added(saved.name) });
    await this.load();
  }

  async #switch(camera: Camera, change: CameraSwitch): Promise<void> {
    try {
      const now = await patrol.switchCamera(camera.id, change);
      const undo: CameraSwitch = { enabled: change.enabled === null ? null : !change.enabled, record: change.record === null ? null : !change.record };
      const words = change.enabled !== null ? (now.enabled ? p.cameras.started : p.cameras.stopped) : now.record ? p.cameras.recordOn : p.cameras.recordOff;
      notify({ text: words(camera.name), action: { label: t.common.undo, run: () => void this.#switch(camera, undo) } });
      await this.load();
    } catch (error) {
      notify({ text: problemWords(error).what });
    }
  }

  async #delete(camera: Camera): Promise<void> {
    try {
      await patrol.deleteCamera(camera.id);
      notify({ text: p.cameras.deleted(camera.name), action: { label: t.common.undo, run: () => void patrol.restoreCamera(camera.id).then(() => this.load()).catch((error: unknown) => notify({ text: problemWords(error).what })) } });
      await this.load();
    } catch (error) {
      notify({ text: problemWords(error).what });
    }
  }

  async #import(): Promise<void> {
    const places = ownPlaces(this.#catalogue.places, session.get().account);
    const site = places.find((pl) => pl.level === "exam_site") ?? places[0];
    if (site && (await importCameras(places, site.id))) await this.load();
  }

  protected override content(): TemplateResult {
    const words = this.#error ? problemWords(this.#error) : null;
    const { cameras } = this.#catalogue;
    const wrong = cameras.filter((c) => c.enabled && isDead(c.status.state));
    const shown = (this.#only === "wrong" ? wrong : cameras).filter((c) => matches(c, "", this.#filter));
    const byPlace = new Map<string, Camera[]>();
    for (const c of shown) byPlace.set(c.place, [...(byPlace.get(c.place) ?? []), c]);
    const manage = this.#mayManage();
    return shell("patrol", html`${patrolTabs("cameras")}
      <div class="page-head">
        <h1>${p.cameras.title}</h1>
        ${cameras.length > 0 ? html`<div class="search small-search" role="search">${icon(Search)}<input class="input" type="search" aria-label=${t.common.search} placeholder=${p.tree.placeholder} @input=${(e: Event) => { this.#filter = (e.target as HTMLInputElement).value; this.requestUpdate(); }} /></div>` : nothing}
        ${manage ? html`<button class="btn" @click=${() => void this.#import()}>${icon(FileUp)}${p.importing.title}</button><button class="btn primary" @click=${() => void this.#edit(null)}>${icon(Plus)}${p.cameras.add}</button>` : nothing}
      </div>
      ${words ? wordsNote(words, { code: words.code, actions: html`<button class="btn" @click=${() => void this.load()}>${t.common.again}</button>` }) : nothing}
      ${clockNote(this.#clock, (clock) => { this.#clock = clock; this.requestUpdate(); })}
      ${!this.#loaded
        ? words ? nothing : html`<div aria-hidden="true">${[1, 2, 3, 4].map(() => html`<div class="skeleton line-skeleton"></div>`)}</div>`
        : cameras.length === 0
          ? html`<div class="empty">${icon(Cctv)}<h2>${p.cameras.none}</h2><p>${manage ? p.cameras.noneLead : p.cameras.noneViewer}</p>${manage ? html`<button class="btn primary" @click=${() => void this.#edit(null)}>${icon(Plus)}${p.cameras.add}</button>` : nothing}</div>`
          : html`<p class="sum-line"><span class="num">${p.cameras.sum(cameras.length, cameras.length - wrong.length - cameras.filter((c) => !c.enabled).length)}</span>
              ${wrong.length > 0 ? html`<button class="btn small" aria-pressed=${this.#only === "wrong"} @click=${() => { this.#only = this.#only === "wrong" ? "all" : "wrong"; this.requestUpdate(); }}>${p.cameras.onlyWrong(wrong.length)}</button>` : nothing}</p>
            ${[...byPlace.values()].map((list) => html`<section class="place-section"><h2>${list[0]?.place_name} <span class="muted num small">${list.length}</span></h2>
              <table class="dense compact"><thead><tr><th>${p.cameras.name}</th><th>${p.cameras.state}</th><th class="wide-cell">${p.cameras.streams}</th><th class="wide-cell">${p.cameras.clock}</th><th>${p.cameras.recording}</th><th><span class="sr">${t.people.actions}</span></th></tr></thead>
                <tbody>${repeat(list, (c) => c.id, (c) => this.#row(c))}</tbody></table></section>`)}
            ${shown.length === 0 ? html`<p class="muted">${p.tree.nothing}</p>` : nothing}`}`, true);
  }

  #row(c: Camera): TemplateResult {
    const { status } = c;
    const off = status.clock_offset_ms;
    return html`<tr class=${c.enabled ? "" : "faded"} data-camera=${c.id} data-state=${status.state}>
      <td><strong>${c.name}</strong> <span class="muted small">${p.groups[c.group]}</span></td>
      <td><span class="state ${tone(status.state)}"><span class="dot"></span>${p.state[status.state]}</span> <span class="muted small num">${lasting(Date.now() - status.since)}</span></td>
      <td class="wide-cell small num muted">${status.streams.filter((s) => s.stream !== "sound").map((s) => html`<span class="stream">${p.streams[s.stream]} ${codecWords(s.codec)} ${s.width}×${s.height} ${s.kbps} kbit/s${s.b_frames ? html` <span class="warn-text" title=${`${p.probe.b_frames.what} ${p.probe.b_frames.next}`}>${p.cameras.bFrames}</span>` : nothing}</span>`)}</td>
      <td class="wide-cell small num ${off !== null && Math.abs(off) > 1_000 ? "warn-text" : "muted"}">${off === null ? "—" : clockWords(off)}</td>
      <td>${status.recording ? html`<span class="badge live"><span class="dot"></span>REC</span>` : c.record ? html`<span class="badge warn">${p.tile.notRecordingShort}</span>` : html`<span class="badge">${p.cameras.notRecorded}</span>`}</td>
      <td class="act">${c.may.manage
        ? html`<details class="menu"><summary class="btn quiet icon-only small" aria-label=${`${t.people.actions}: ${c.name}`}>${icon(Ellipsis)}</summary><div class="panel">
            <button class="menu-item" data-closes @click=${() => void this.#edit(c)}>${icon(Pencil)}${p.cameras.edit}</button>
            <button class="menu-item" data-closes @click=${() => void this.#edit(null, c)}>${icon(CopyPlus)}${p.cameras.copy}</button>
            <button class="menu-item" data-closes @click=${() => void this.#switch(c, { enabled: !c.enabled, record: null })}>${icon(c.enabled ? CircleStop : CirclePlay)}${c.enabled ? p.cameras.stop : p.cameras.start}</button>
            <button class="menu-item" data-closes @click=${() => void this.#switch(c, { enabled: null, record: !c.record })}>${icon(c.record ? VideoOff : Video)}${c.record ? p.cameras.stopRecord : p.cameras.startRecord}</button>
            <button class="menu-item" data-closes @click=${() => void this.#delete(c)}>${icon(Trash2)}${t.common.delete}</button>
          </div></details>`
        : nothing}</td>
    </tr>`;
  }
}
define("page-cameras", PageCameras);

function tone(state: CameraState): "ok" | "warn" | "bad" | "off" {
  if (state === "live") return "ok";
  if (state === "off") return "off";
  return state === "connecting" ? "warn" : "bad";
}
