// A school with a teacher and a class, made through the API as an administrator would.

import { Api } from "./api.mjs";

export const PASSWORD = "correct horse battery staple";

/** Makes a school below the root. */
export async function makeSchool(admin, name = "东山村小学") {
  const places = await admin.get("/places");
  const root = places.find((place) => place.parent === null);
  return admin.post("/places", { parent: root.id, level: "school", name });
}

/** Makes an account with a role at a place, and takes it through its invitation: an Api that is signed in. */
export async function makePerson(admin, { login, name, role, place }) {
  const invitation = await admin.post("/accounts", { login, name, roles: [{ role, place }] });
  const token = invitation.link.slice(invitation.link.indexOf("#") + 1);
  const person = new Api(admin.url);
  await person.post("/password", { token, password: PASSWORD });
  await person.signIn(login, PASSWORD);
  person.login = login;
  return person;
}

/** Makes a timetable entry that starts now. */
export async function makeClass(admin, teacher, place, entry = {}) {
  return admin.post("/classes", {
    title: "第十二课 三角形的内角和", subject: "数学", grade: "四年级", teacher: teacher.me.account.id, place: place.id, mode: "dedicated",
    starts: Date.now(), duration_min: 45, repeat: "once", until: null, waiting_room: false, record: true, ...entry,
  });
}

/** All of it: { admin, school, teacher, lesson } with `lesson.code` for the join link and `lesson.room` for WHIP and WHEP. */
export async function makeWorld(server, { entry } = {}) {
  const admin = await server.administrator();
  const school = await makeSchool(admin);
  const teacher = await makePerson(admin, { login: "wang", name: "王老师", role: "teacher", place: school.id });
  const lesson = await makeClass(admin, teacher, school, entry);
  return { admin, school, teacher, lesson };
}

/** A token with which a device publishes into and watches a class: { token, whip, whep }. */
export const deviceToken = (teacher, lesson) => 
  teacher.post(`/classes/${lesson.id}/device-token`, { purpose: "publish" });
