/** The cameras that one may see, with their places. */
import * as api from "../../protocol/api";
import { cameras } from "../../protocol/patrol";
import type { Camera, Place } from "../../protocol/generated/index";
import { growCatalogue, type PlaceNode } from "./catalogue";

export interface Catalogue {
  places: Place[];
  /** Places above which one sees nothing. */
  roots: Place[];
  cameras: Camera[];
  byId: ReadonlyMap<string, Camera>;
  nodes: PlaceNode[];
  /** No picture is given before the second factor was shown. */
  needsFactor: boolean;
}

export const EMPTY_CATALOGUE: Catalogue = { places: [], roots: [], cameras: [], byId: new Map(), nodes: [], needsFactor: false };

export async function loadCatalogue(): Promise<Catalogue> {
  const places = await api.places();
  const ids = new Set(places.map((p) => p.id));
  const roots = places.filter((p) => p.parent === null || !ids.has(p.parent));
  const lists = await Promise.all(roots.map((root) => cameras(root.id)));
  const byId = new Map(lists.flatMap((l) => l.cameras).map((c): [string, Camera] => [c.id, c]));
  const all = [...byId.values()];
  return { places, roots, cameras: all, byId, nodes: growCatalogue(places, all), needsFactor: lists.some((l) => l.needs_second_factor) };
}
