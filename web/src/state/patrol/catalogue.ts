/** Cameras in their tree of places, and finding one by what people type. Pure. */
import type { Camera, CameraGroup, CameraId, Place, PlaceId } from "../../protocol/generated/index";

export interface PlaceNode {
  place: { id: PlaceId; name: string };
  children: PlaceNode[];
  cameras: Camera[];
  /** Cameras here and below. */
  total: number;
}

const collator = new Intl.Collator("zh-CN", { numeric: true });

/** Places without a camera below them are left out; cameras whose place is not in the list stand under its name. */
export function growCatalogue(places: readonly Place[], cameras: readonly Camera[]): PlaceNode[] {
  const nodes = new Map<PlaceId, PlaceNode>();
  const parents = new Map<PlaceId, PlaceId | null>();
  for (const { id, name, parent } of places) {
    nodes.set(id, { place: { id, name }, children: [], cameras: [], total: 0 });
    parents.set(id, parent);
  }
  for (const camera of cameras) {
    let node = nodes.get(camera.place);
    if (!node) {
      node = { place: { id: camera.place, name: camera.place_name }, children: [], cameras: [], total: 0 };
      nodes.set(camera.place, node);
      parents.set(camera.place, null);
    }
    node.cameras.push(camera);
  }
  const roots: PlaceNode[] = [];
  for (const [id, node] of nodes) {
    const parent = nodes.get(parents.get(id) ?? "");
    (parent && parent !== node ? parent.children : roots).push(node);
  }
  const prune = (list: PlaceNode[]): PlaceNode[] => {
    for (const node of list) {
      node.children = prune(node.children);
      node.cameras.sort((a, b) => collator.compare(a.name, b.name));
      node.total = node.cameras.length + node.children.reduce((sum, c) => sum + c.total, 0);
    }
    return list.filter((node) => node.total > 0).sort((a, b) => collator.compare(a.place.name, b.place.name));
  };
  return prune(roots);
}

/** All cameras below a node, in the order in which the tree shows them. */
export function camerasBelow(node: PlaceNode): Camera[] {
  return [...node.cameras, ...node.children.flatMap(camerasBelow)];
}

export function findPlace(nodes: readonly PlaceNode[], id: PlaceId): PlaceNode | null {
  for (const node of nodes) {
    if (node.place.id === id) return node;
    const below = findPlace(node.children, id);
    if (below) return below;
  }
  return null;
}

/** Cameras below a place (of all places if there is none), of these groups (all if empty), that may be seen live. */
export function camerasOf(nodes: readonly PlaceNode[], place: PlaceId | null, groups: readonly CameraGroup[] = []): CameraId[] {
  const node = place === null ? null : findPlace(nodes, place);
  const all = place === null ? nodes.flatMap(camerasBelow) : node ? camerasBelow(node) : [];
  return all.filter((c) => c.may.live && (groups.length === 0 || groups.includes(c.group))).map((c) => c.id);
}

const words = (text: string): string[] => text.trim().toLowerCase().split(/\s+/).filter(Boolean);

/** Whether every word of the query is in the camera's name, its place or its code. */
export function matches(camera: Camera, path: string, query: string): boolean {
  const text = `${camera.name} ${camera.place_name} ${path} ${camera.code ?? ""}`.toLowerCase();
  return words(query).every((word) => text.includes(word));
}

/** The tree with only the cameras that a query finds. A place whose own name matches keeps all of its cameras. */
export function search(nodes: readonly PlaceNode[], query: string, path = ""): PlaceNode[] {
  if (words(query).length === 0) return [...nodes];
  return nodes.flatMap((node) => {
    const here = `${path} ${node.place.name}`;
    const cameras = node.cameras.filter((c) => matches(c, here, query));
    const children = search(node.children, query, here);
    const total = cameras.length + children.reduce((sum, c) => sum + c.total, 0);
    return total === 0 ? [] : [{ ...node, cameras, children, total }];
  });
}
