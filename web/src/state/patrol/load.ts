/** The cameras that one may see, with their places. */
import * as api from "../../protocol/api";
import { cameras } from "../../protocol/patrol";
import type { Account, Camera, Place } from "../../protocol/generated/index";
import { camerasBelow, growCatalogue, type PlaceNode } from "./catalogue";

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

/** `span`: the cameras of that time, as they hung then. */
export async function loadCatalogue(span?: { from: number; to: number }): Promise<Catalogue> {
  const places = await api.places();
  const ids = new Set(places.map((p) => p.id));
  const roots = places.filter((p) => p.parent === null || !ids.has(p.parent));
  const lists = await Promise.all(roots.map((root) => cameras(root.id, span)));
  const byId = new Map(lists.flatMap((l) => l.cameras).map((c): [string, Camera] => [c.id, c]));
  const nodes = growCatalogue(places, [...byId.values()]);
  // One order everywhere: that of the tree.
  return { places, roots, cameras: nodes.flatMap(camerasBelow), byId, nodes, needsFactor: lists.some((l) => l.needs_second_factor) };
}

/** Roles that mean something for cameras. Others of the same person say nothing about where they patrol. */
const PATROL_ROLES: readonly string[] = ["administrator", "site_administrator", "system_administrator", "audit_administrator", "security_administrator", "patrol_officer"];

/** The places at and below which one holds such a role; all that are known if there is none (rules about single cameras). Pure. */
export function ownPlaces(places: readonly Place[], account: Pick<Account, "roles"> | null): Place[] {
  const own = new Set(account?.roles.filter((r) => PATROL_ROLES.includes(r.role)).map((r) => r.place));
  const parents = new Map(places.map((p) => [p.id, p.parent]));
  const below = (id: string): boolean => {
    // A tree of places is seven levels deep; a circle would be a fault of the server.
    for (let at: string | null = id, depth = 0; at !== null && depth < 20; at = parents.get(at) ?? null, depth++) if (own.has(at)) return true;
    return false;
  };
  const found = places.filter((p) => below(p.id));
  return found.length > 0 ? found : [...places];
}

/** The highest of them: where lists begin. */
export function homePlace(places: readonly Place[], account: Pick<Account, "roles"> | null): Place | null {
  const own = ownPlaces(places, account);
  const ids = new Set(own.map((p) => p.id));
  return own.find((p) => p.parent === null || !ids.has(p.parent)) ?? own[0] ?? null;
}
