/** The dialogs of the second factor, with a key that answers when the test says so. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { en } from "../src/i18n/en";
import { setDictionary } from "../src/i18n/index";
import { setPatrolWords } from "../src/i18n/patrol";
import { patrolEn } from "../src/i18n/patrol-en";
import type { FactorState } from "../src/protocol/generated/index";
import { promptFactor } from "../src/ui/factor/prompt";
import { setUpFactor } from "../src/ui/factor/setup";

setDictionary(en, "en");
setPatrolWords(patrolEn);

const words = patrolEn.factor;
const state = (part: Partial<FactorState> = {}): FactorState => ({ totp: false, keys: ["Blue"], recovery_left: 7, shown_until: null, needed: true, ...part });
const OPTIONS = { state: "s", public_key: JSON.stringify({ challenge: "AQID", user: { id: "AQ" } }) };
let answers: Record<string, () => unknown>;
let asked: string[];
/** The browser's own question for the key: whether it was broken off. */
let signals: AbortSignal[];

beforeEach(() => {
  [asked, signals] = [[], []];
  answers = { "GET /api/v1/session/factor": () => state() };
  vi.stubGlobal("fetch", async (path: string, init: RequestInit = {}) => {
    const line = `${init.method ?? "GET"} ${path}`;
    asked.push(line);
    const answer = await answers[line]?.();
    return answer instanceof Response ? answer : new Response(JSON.stringify(answer ?? {}));
  });
  vi.stubGlobal("PublicKeyCredential", class {});
  vi.stubGlobal("isSecureContext", true);
  vi.stubGlobal("location", { ...location, hostname: "localhost", pathname: "/", search: "", origin: "http://localhost" });
  const waits = ({ signal }: { signal: AbortSignal }): Promise<never> => new Promise((_, reject) => {
    signals.push(signal);
    signal.addEventListener("abort", () => reject(new DOMException("over", "AbortError")));
  });
  Object.defineProperty(navigator, "credentials", { value: { get: waits, create: waits }, configurable: true });
});
afterEach(() => {
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

const dialog = (): HTMLDialogElement => {
  const found = [...document.querySelectorAll("dialog")].at(-1);
  if (!found) throw new Error("no dialog");
  return found;
};
const button = (name: string): HTMLButtonElement => {
  const found = [...dialog().querySelectorAll("button")].find((one) => one.textContent?.trim() === name);
  if (!found) throw new Error(`no button ${name}: ${dialog().textContent}`);
  return found;
};
const send = (): void => void dialog().querySelector("form")?.dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));

test("a code that is typed while the key is awaited is sent, and the key is not awaited any more", async () => {
  Object.assign(answers, { "POST /api/v1/session/factor/keys/challenge": () => OPTIONS, "POST /api/v1/session/factor": () => state({ shown_until: 9 }) });
  const done = promptFactor();
  await vi.waitFor(() => button(words.useKey));
  button(words.useKey).click();
  await vi.waitFor(() => expect(signals).toHaveLength(1));
  const code = dialog().querySelector<HTMLInputElement>("#fa-code");
  if (code) code.value = "abcd-efgh";
  send();
  expect(await done).toBe(true);
  expect(signals[0]?.aborted).toBe(true);
  expect(asked.at(-1)).toBe("POST /api/v1/session/factor");
});

test("a wrong code in place of the key is told as a wrong code, and the key can be asked again", async () => {
  Object.assign(answers, { "POST /api/v1/session/factor/keys/challenge": () => OPTIONS, "POST /api/v1/session/factor": () => new Response(JSON.stringify({ code: "wrong_code", status: 403, title: "", detail: "", request_id: "r", field: null }), { status: 403 }) });
  const done = promptFactor();
  await vi.waitFor(() => button(words.useKey));
  button(words.useKey).click();
  await vi.waitFor(() => expect(signals).toHaveLength(1));
  const code = dialog().querySelector<HTMLInputElement>("#fa-code");
  if (code) code.value = "1234";
  send();
  await vi.waitFor(() => expect(dialog().querySelector(".note")?.textContent).toContain("This code is not"));
  button(words.useKey).click();
  await vi.waitFor(() => expect(signals).toHaveLength(2));
  dialog().close();
  expect(await done).toBe(false);
  expect(signals[1]?.aborted).toBe(true);
});

test("closing the dialog before the key is asked asks it never", async () => {
  let go = (_: unknown): void => undefined;
  answers["POST /api/v1/session/factor/keys/options"] = () => new Promise((resolve) => (go = resolve));
  const done = setUpFactor(false, state());
  await vi.waitFor(() => button(words.addKey));
  button(words.addKey).click();
  await vi.waitFor(() => button(words.touchKey));
  const name = dialog().querySelector<HTMLInputElement>("#fa-name");
  if (name) name.value = "Green";
  send();
  await vi.waitFor(() => expect(asked).toContain("POST /api/v1/session/factor/keys/options"));
  dialog().close();
  expect(await done).toBe(true);
  go(OPTIONS);
  await new Promise((resolve) => setTimeout(resolve));
  expect(signals).toEqual([]);
});

test("who has a key alone sees how many recovery codes are left, and gets new ones", async () => {
  answers["POST /api/v1/session/factor/recovery"] = () => ({ codes: ["one-two", "three-four"] });
  const done = setUpFactor(false, state());
  await vi.waitFor(() => expect(dialog().textContent).toContain(words.codesLeft(7)));
  button(words.newCodes).click();
  await vi.waitFor(() => expect(dialog().querySelector("[data-recovery]")?.textContent).toContain("three-four"));
  button(words.kept).click();
  button(words.finish).click();
  expect(await done).toBe(true);
});
