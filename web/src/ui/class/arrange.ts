/**
 * Where the pictures stand: the lesson as large as it can be, everybody else beside or under it without scrolling. Pure.
 * Pictures stay in one container and only change their rectangle, so none is rebuilt when another becomes large.
 */
export interface Rect {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface Arrangement {
  main: Rect;
  strip: Rect[];
  /** How many found no place. */
  hidden: number;
}

export const GAP = 8;
/** A face is still a face at 96 × 54; below that a name in the list says more. */
const WIDTHS = [300, 270, 240, 216, 196, 176, 160, 144, 128, 112, 96];
/** The width that a strip picture should have, as a share of the whole: a class of faces is read from across the room. */
const WISHED_SHARE = 0.17;
/** What falling short of it costs, beside losing that share of the lesson's area. */
const SHORT_COST = 0.5;

const area16x9 = (width: number, height: number): number => {
  const w = Math.min(width, (height * 16) / 9);
  return w <= 0 ? 0 : (w * w * 9) / 16;
};

export function arrange(width: number, height: number, others: number): Arrangement {
  const whole: Rect = { left: 0, top: 0, width, height };
  if (others === 0 || width <= 0 || height <= 0) return { main: whole, strip: [], hidden: Math.max(0, others) };
  let best: { score: number; make: () => Arrangement } | null = null;
  const wished = Math.min(Math.max(width * WISHED_SHARE, WIDTHS.at(-1) ?? 0), WIDTHS[0] ?? 0);
  for (const w of WIDTHS) {
    const h = (w * 9) / 16;
    for (const lanes of [1, 2, 3]) {
      const thick = { side: lanes * (w + GAP), under: lanes * (h + GAP) };
      const fit = { side: lanes * Math.floor((height + GAP) / (h + GAP)), under: lanes * Math.floor((width + GAP) / (w + GAP)) };
      for (const where of ["side", "under"] as const) {
        const shown = Math.min(others, fit[where]);
        const main: Rect = where === "side" ? { ...whole, width: width - thick.side } : { ...whole, height: height - thick.under };
        // The lesson keeps at least half of its room, whoever else there is.
        if (shown === 0 || main.width < width / 2 || main.height < height / 2) continue;
        if (lanes > 1 && shown <= fit[where] - fit[where] / lanes) continue; // a lane would stay empty
        const missing = others - shown; // nobody is left out for size
        const short = Math.max(0, (wished - w) / wished);
        const score = area16x9(main.width, main.height) / (width * height) - SHORT_COST * short - missing;
        if (best && score <= best.score) continue;
        best = { score, make: () => ({ main, strip: place(where, main, w, h, lanes, shown), hidden: others - shown }) };
      }
    }
  }
  return best?.make() ?? { main: whole, strip: [], hidden: others };
}

function place(where: "side" | "under", main: Rect, w: number, h: number, lanes: number, shown: number): Rect[] {
  const perLane = Math.ceil(shown / lanes);
  return Array.from({ length: shown }, (_, i) => {
    const along = i % perLane;
    const lane = Math.floor(i / perLane);
    return where === "side"
      ? { left: main.width + GAP + lane * (w + GAP), top: along * (h + GAP), width: w, height: h }
      : { left: along * (w + GAP), top: main.height + GAP + lane * (h + GAP), width: w, height: h };
  });
}
