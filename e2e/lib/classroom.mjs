// What people do in the class page, in their own words: the buttons are found as a person or a screen reader finds them.

import { pictureFigures } from "./measure.mjs";
import { until } from "./wait.mjs";

/** Frame numbers tell who is seen: participant k's camera counts from k * 100,000, a shared screen from 400,000 above that. */
export const SPAN = 100_000;
export const sourceOf = (index) => ({ firstFrame: index * SPAN });
const isFrom = (index) => (frame) => frame >= index * SPAN && frame < (index + 1) * SPAN;

/** The number under which participant `index`'s shared screen is seen. */
export const screenOf = (index) => index + 4;

/** Makes the page a signed-in one, without the form. */
export const signedIn = (person, api) => person.context.addCookies(api.cookies());

/** Goes through the lobby into the class; returns when the button was pressed. */
export async function enter(person, server, code, { name, button = "进入课堂" } = {}) {
  const { page } = person;
  await page.goto(`${server.url}/c/${code}`);
  if (name) await page.getByLabel("您的姓名").fill(name);
  const press = page.getByRole("button", { name: button, exact: true });
  await press.click();
  return Date.now();
}

/** The teacher opens the class from the lobby. */
export const openClass = (teacher, server, code) => enter(teacher, server, code, { button: "开始上课" });

/** The probe's record of a participant's camera, once the page has decoded at least `frames` of it since `since`. */
export function seesCamera(person, index, { frames = 1, since = 0, within = 60_000 } = {}) {
  return until(`${person.name} sees ${frames} frames of participant ${index}`, async () => {
    const report = await person.report();
    const mine = (video) => video.frames.filter(([frame, , , at]) => isFrom(index)(frame) && at >= since);
    const video = report.videos.find((one) => mine(one).length >= frames);
    return video && { ...video, frames: mine(video), sound: report.audios, report };
  }, within, {
    detail: async () => ({
      ...(await seen(person.page)),
      videos: (await person.report()).videos.map((video) => ({ mid: video.mid, decoded: video.decoded, ...pictureFigures(video), delayMs: undefined })),
    }),
  });
}

/** The beeps heard since `since`, of the sound track that has most. */
export async function hears(person, { beeps = 2, since = 0, within = 60_000 } = {}) {
  return until(`${person.name} hears ${beeps} beeps`, async () => {
    const { audios } = await person.report();
    const heard = audios.map((audio) => ({ ...audio, beeps: audio.beeps.filter((at) => at >= since) }));
    return heard.find((audio) => audio.beeps.length >= beeps);
  }, within, { detail: async () => ({ ...(await seen(person.page)), audios: (await person.report()).audios.map(({ mid, chunks, beeps }) => ({ mid, chunks, beeps: beeps.length })) }) });
}

/** The page says that the lesson is being recorded. */
export const saysRecording = ({ name, page }) =>
  until(`${name}'s page says that it is recorded`, () => page.locator('[data-fact="recording"][data-state="on"]').isVisible(), 60_000);

export const raiseHand = ({ page }) => page.getByRole("button", { name: "举手" }).click();

/** Teacher: calls the one whose hand was up first, with the one key for it. */
export async function callOn({ page }, name) {
  await page.getByRole("button", { name: `请 ${name} 发言` }).first().waitFor();
  await page.keyboard.press("Space");
}

/** Teacher: opens the list of who is in class. */
export async function showPeople({ page }) {
  const tab = page.getByRole("tab", { name: "成员" });
  if (!(await tab.isVisible())) await page.locator('[data-control="people"]').click();
  await tab.click();
}

/** A classroom's screen: opens its page and, the first time, says which room it is. */
export async function setUpScreen({ page }, server, code, name) {
  await page.goto(`${server.url}/screen/${code}`);
  await page.getByRole("textbox").first().fill(name);
  await page.getByRole("button", { name: "就用这个名字" }).click();
}

/** What stands on a page, and what its browser thinks of the network: for failures. */
async function seen(page) {
  const told = await page.evaluate(async () => ({ online: navigator.onLine, peers: await window.lecternProbe?.peers(), text: document.body.innerText }));
  return { ...told, text: told.text.replace(/\s+/g, " ").slice(0, 300) };
}

/** Waits until the page shows all of these texts. */
export async function says({ page, name }, ...texts) {
  for (const text of texts) await until(`${name}'s page says “${text}”`, () => page.getByText(text).first().isVisible(), 30_000, { detail: () => seen(page) });
}

/** Teacher: ends the class for all, and says yes. */
export async function endClass({ page }) {
  await page.getByRole("button", { name: "下课", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "下课", exact: true }).click();
}
