// An exam site with its administrator, an officer who may look, and cameras; made through the API as people would.

import { totp } from "./factor.mjs";
import { until } from "./wait.mjs";
import { makePerson } from "./world.mjs";

/** Sets up the second factor of a person and shows it: { secret }. */
export async function withFactor(person) {
  const { secret } = await person.post("/session/factor/totp");
  // A code counts once: the one that confirms is not good for showing it.
  await person.call("PUT", "/api/v1/session/factor/totp", { code: totp(secret) });
  person.secret = secret;
  const state = await person.get("/session/factor");
  if (!state.shown_until) await person.post("/session/factor", { code: totp(secret, Date.now() + 30_000) });
  return person;
}

/** { admin, site, manager, officer }: a site below the root, who manages it and who looks. Both have shown their factor. */
export async function makeSite(server, { name = "第一中学考点" } = {}) {
  const admin = await server.administrator();
  const places = await admin.get("/places");
  const root = places.find((place) => place.parent === null);
  const site = await admin.post("/places", { parent: root.id, level: "exam_site", name });
  const manager = await withFactor(await makePerson(admin, { login: "li", name: "李主任", role: "site_administrator", place: site.id }));
  const officer = await withFactor(await makePerson(admin, { login: "zhao", name: "赵巡查", role: "patrol_officer", place: site.id }));
  return { admin, root, site, manager, officer };
}

/** What the form of a camera of the peer holds. */
export const cameraForm = (peer, site, number, more = {}) => ({
  place: site.id, name: `考场 ${String(number).padStart(2, "0")}`, group: "exam_room", code: null,
  main_url: peer.list[number - 1].main, sub_url: peer.list[number - 1].sub,
  transport: number % 2 === 0 ? "udp" : "tcp", username: peer.user, password: peer.password, kbps_max: 8000, record: true, ...more,
});

/** Adds cameras 1 to `count` of the peer to the site; returns them by number. */
export async function addCameras(manager, peer, site, count, more = () => ({})) {
  const cameras = new Map();
  for (let number = 1; number <= count; number += 1) {
    cameras.set(number, await manager.post("/patrol/cameras", cameraForm(peer, site, number, more(number))));
  }
  return cameras;
}

/** Waits until every camera of the site is live (and recorded, if it should be). */
export function allLive(person, site, within = 60_000) {
  return until("every camera is live", async () => {
    const { cameras } = await person.get(`/patrol/places/${site.id}/cameras`);
    const bad = cameras.filter(({ status, record, enabled }) => enabled && (status.state !== "live" || (record && !status.recording)));
    if (bad.length > 0) throw new Error(bad.map(({ name, status }) => `${name} ${status.state} ${status.recording ? "" : "not recorded"}`).join(", "));
    return cameras;
  }, within);
}
