/** Dragging on the wall: cameras from the tree onto a tile, and one tile onto another. */
import type { CameraId } from "../../protocol/generated/index";
import { DRAG_TYPE } from "./camera-tree";
import type { LecWallTile } from "./wall-tile";

const DRAG_SLOT = "application/x-lectern-slot";

export type Dropped = { slot: number | null } & ({ from: number } | { cameras: readonly CameraId[] });

export function dragStart(event: DragEvent): void {
  const tile = (event.target as Element).closest<LecWallTile>("lec-wall-tile");
  if (tile?.model.camera) event.dataTransfer?.setData(DRAG_SLOT, String(tile.model.slot));
}

/** Marks the tile over which it is held. */
export function dragOver(grid: Element, event: DragEvent): void {
  const types = event.dataTransfer?.types ?? [];
  if (!types.includes(DRAG_TYPE) && !types.includes(DRAG_SLOT)) return;
  event.preventDefault();
  const tile = (event.target as Element).closest(".wall-tile");
  for (const other of grid.querySelectorAll(".wall-tile.drop")) if (other !== tile) other.classList.remove("drop");
  tile?.classList.add("drop");
}

/** What was dropped, and on which tile; nothing if it is none of ours. */
export function dropped(grid: Element, event: DragEvent): Dropped | null {
  event.preventDefault();
  for (const tile of grid.querySelectorAll(".wall-tile.drop")) tile.classList.remove("drop");
  const slot = (event.target as Element).closest<LecWallTile>("lec-wall-tile")?.model.slot ?? null;
  const from = event.dataTransfer?.getData(DRAG_SLOT);
  if (from) return { slot, from: Number(from) };
  const cameras = event.dataTransfer?.getData(DRAG_TYPE).split("\n").filter(Boolean) ?? [];
  return cameras.length > 0 ? { slot, cameras } : null;
}
