/** The saved layouts of a wall: what there is, saved, renamed, deleted and undone. What a layout shows is the wall's. */
import { problemWords, t } from "../../i18n";
import { p } from "../../i18n/patrol";
import type { WallContent, WallLayout } from "../../protocol/generated/index";
import * as patrol from "../../protocol/patrol";
import { notify } from "../announce";
import { askLayout } from "./wall-dialogs";

export interface LayoutsPort {
  /** What the wall shows now. */
  content(): WallContent;
  changed(): void;
}

export class WallLayouts {
  all: readonly WallLayout[] = [];

  constructor(
    /** The id of the one that is up. */
    public up: string | null,
    private readonly port: LayoutsPort,
  ) {}

  get current(): WallLayout | null {
    return this.all.find((l) => l.id === this.up) ?? null;
  }

  async load(): Promise<void> {
    this.all = await patrol.layouts();
    this.port.changed();
  }

  /** Under its own name, or as a new one that is asked for. */
  save(existing: WallLayout | null): Promise<void> {
    return this.#keep(async () => {
      const saved = existing ? await patrol.changeLayout(existing.id, { name: existing.name, ...this.port.content() }) : await askLayout(this.port.content(), null);
      if (saved) this.up = saved.id;
      return saved;
    });
  }

  rename(layout: WallLayout): Promise<void> {
    const { tiles, cameras, tour } = layout;
    return this.#keep(() => askLayout({ tiles, cameras, tour }, layout));
  }

  async #keep(keep: () => Promise<WallLayout | null>): Promise<void> {
    try {
      const saved = await keep();
      if (!saved) return;
      this.all = [...this.all.filter((l) => l.id !== saved.id), saved].sort((a, b) => a.name.localeCompare(b.name, "zh-CN"));
      notify({ text: p.wall.layoutSaved(saved.name) });
      this.port.changed();
    } catch (error) {
      notify({ text: problemWords(error).what });
    }
  }

  async remove(layout: WallLayout): Promise<void> {
    try {
      await patrol.deleteLayout(layout.id);
    } catch (error) {
      notify({ text: problemWords(error).what });
      return;
    }
    this.all = this.all.filter((l) => l.id !== layout.id);
    if (this.up === layout.id) this.up = null;
    this.port.changed();
    notify({ text: p.wall.layoutDeleted(layout.name), action: { label: t.common.undo, run: () => void this.#restore(layout) } });
  }

  async #restore({ name, tiles, cameras, tour }: WallLayout): Promise<void> {
    try {
      this.all = [...this.all, await patrol.createLayout({ name, tiles, cameras, tour })];
      this.port.changed();
    } catch (error) {
      notify({ text: problemWords(error).what });
    }
  }
}
