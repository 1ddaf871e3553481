/** Wheel and pointer on the rows of the timeline: zoom around the pointer, pan, mark a range, go to a moment. */
import type { CameraId } from "../../protocol/generated/index";
import { momentAt, pan, zoomAround, type View } from "../../state/patrol/zoom";

/** The page, as the pointer sees it. */
export interface Rowed {
  view(): View;
  bounds(): View;
  /** Pixels of the lane in which time runs, and where it begins. */
  lane(): DOMRect | undefined;
  look(view: View): void;
  select(camera: CameraId): void;
  mark(from: number, to: number): void;
  seek(at: number): void;
}

/** Nearer than this it was a click. */
const MOVED_PX = 4;
const ON_TRACK = ".axis, .row-track";

export class TimelinePointer {
  #drag: { x: number; view: View; moved: boolean; mark: number | null } | null = null;

  constructor(private readonly page: Rowed) {}

  #share(event: MouseEvent): number {
    const lane = this.page.lane();
    return lane && lane.width > 0 ? Math.min(1, Math.max(0, (event.clientX - lane.left) / lane.width)) : 0;
  }

  #width(): number {
    return Math.max(1, this.page.lane()?.width ?? 1);
  }

  // Not passive: the page must not scroll while one zooms.
  readonly wheel = {
    passive: false,
    handleEvent: (event: WheelEvent): void => {
      if (!(event.target as Element).closest(ON_TRACK)) return;
      event.preventDefault();
      const view = this.page.view();
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.page.look(pan(view, ((event.deltaX || event.deltaY) / this.#width()) * (view.to - view.from), this.page.bounds()));
      else this.page.look(zoomAround(view, this.#share(event), Math.exp(Math.min(120, Math.max(-120, event.deltaY)) * 0.002), this.page.bounds()));
    },
  };

  readonly down = (event: PointerEvent): void => {
    const target = event.target as Element;
    if (event.button !== 0 || !target.closest(ON_TRACK)) return;
    const view = this.page.view();
    const mark = event.shiftKey ? momentAt(view, this.#share(event)) : null;
    this.#drag = { x: event.clientX, view, moved: false, mark };
    const row = target.closest<HTMLElement>(".day-row")?.dataset["camera"];
    if (row) this.page.select(row);
    if (mark !== null) this.page.mark(mark, mark);
  };

  readonly move = (event: PointerEvent): void => {
    const drag = this.#drag;
    if (!drag) return;
    if (!drag.moved && Math.abs(event.clientX - drag.x) < MOVED_PX) return;
    if (!drag.moved) (event.currentTarget as Element).setPointerCapture(event.pointerId);
    drag.moved = true;
    if (drag.mark !== null) {
      const to = momentAt(this.page.view(), this.#share(event));
      this.page.mark(Math.min(drag.mark, to), Math.max(drag.mark, to));
    } else {
      this.page.look(pan(drag.view, ((drag.x - event.clientX) / this.#width()) * (drag.view.to - drag.view.from), this.page.bounds()));
    }
  };

  readonly up = (event: PointerEvent): void => {
    const drag = this.#drag;
    this.#drag = null;
    if (!drag || drag.moved || drag.mark !== null || (event.target as Element).closest("button")) return;
    this.page.seek(momentAt(this.page.view(), this.#share(event)));
  };

  readonly cancel = (): void => {
    this.#drag = null;
  };
}
