/** The grid of a wall: how many tiles, in how many columns, and where an arrow key leads. Pure. */

export const WALL_SIZES = [1, 4, 9, 16, 25, 36, 64] as const;
export type WallSize = (typeof WALL_SIZES)[number];

/** Cameras give 16:9; the grid is chosen for that. */
const ASPECT = 16 / 9;

export function isWallSize(tiles: number): tiles is WallSize {
  return (WALL_SIZES as readonly number[]).includes(tiles);
}

/** The smallest wall that shows `count` cameras at once; 64 if none does. */
export function sizeFor(count: number): WallSize {
  return WALL_SIZES.find((size) => size >= count) ?? 64;
}

export interface Grid {
  columns: number;
  rows: number;
}

/**
 * The columns with which `tiles` pictures are largest in an area. The square grid stays as long as no other is a seventh
 * better, so that opening a side panel does not send every tile to another place.
 */
export function gridFor(tiles: number, width: number, height: number): Grid {
  const square = Math.max(1, Math.ceil(Math.sqrt(tiles)));
  const picture = (columns: number): number => Math.min(width / columns, (height / Math.ceil(tiles / columns)) * ASPECT);
  let best = square;
  if (width > 0 && height > 0) {
    for (let columns = 1; columns <= tiles; columns++) if (picture(columns) > picture(best) * 1.15) best = columns;
  }
  return { columns: best, rows: Math.ceil(tiles / best) };
}

/** A caption stands over its picture, instead of on it, where the grid leaves so much height (CSS pixels). */
export const CAPTION_PX = 22;

export interface Cell {
  width: number;
  height: number;
  /** There is room for the captions beside the pictures. */
  roomy: boolean;
}

/** The size of each tile in a grid with lines of one pixel: as large as its picture, so that pictures stand side by side and no black is between them. */
export function cellFor(grid: Grid, width: number, height: number): Cell {
  const [w, h] = [Math.max(0, Math.floor((width - grid.columns + 1) / grid.columns)), Math.max(0, Math.floor((height - grid.rows + 1) / grid.rows))];
  const picture = Math.min(h, Math.round(w / ASPECT));
  const roomy = h - picture >= CAPTION_PX;
  return { width: Math.min(w, Math.round(picture * ASPECT)), height: picture + (roomy ? CAPTION_PX : 0), roomy };
}

/** The height in device pixels at which a 16:9 picture stands in a tile of this size. */
export function pictureHeight(width: number, height: number, dpr: number): number {
  return Math.round(Math.min(height, width / ASPECT) * dpr);
}

export type Arrow = "ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown" | "Home" | "End";

/** Where an arrow leads from tile `at`: along the row and on to the next one; never off the wall. */
export function moveSelection(at: number, arrow: Arrow, columns: number, tiles: number): number {
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -at, End: tiles - 1 - at }[arrow];
  const to = at + step;
  return to < 0 || to >= tiles ? at : to;
}

/** Slice `page` of `list` in pages of `size`; pages wrap around. */
export function pageOf<T>(list: readonly T[], size: number, page: number): { items: readonly T[]; page: number; pages: number } {
  const pages = Math.max(1, Math.ceil(list.length / size));
  const at = ((page % pages) + pages) % pages;
  return { items: list.slice(at * size, (at + 1) * size), page: at, pages };
}

/** `cameras` in exactly `tiles` places: what is too much falls off the end, what lacks is empty. */
export function fitTo<T>(cameras: readonly (T | null)[], tiles: number): (T | null)[] {
  return Array.from({ length: tiles }, (_, i) => cameras[i] ?? null);
}

/** Going to a smaller wall keeps cameras rather than holes. */
export function resized<T>(cameras: readonly (T | null)[], tiles: number): (T | null)[] {
  if (tiles >= cameras.length) return fitTo(cameras, tiles);
  const holes = cameras.slice(tiles).some((c) => c !== null);
  return fitTo(holes ? cameras.filter((c) => c !== null) : cameras, tiles);
}
