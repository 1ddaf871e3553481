/** Every call of exam patrol to the HTTP API, one function each; bodies are in `signaling/protocol/src/api/patrol/`. */
import type {
  AlarmChange,
  AlarmItem,
  AlarmPage,
  AuditPage,
  AuditQuery,
  AuditSum,
  Bookmark,
  Camera,
  CameraDay,
  CameraForm,
  CameraGroup,
  CameraId,
  CameraList,
  CameraReport,
  CameraSwitch,
  ExportJob,
  FactorState,
  Hold,
  ImportResult,
  LookRule,
  MediaGrant,
  NewBookmark,
  NewExport,
  NewHold,
  NewLookRule,
  NewMediaGrant,
  NewWebhook,
  PlaceId,
  ReleaseIntent,
  ReleaseWish,
  PreExamReport,
  RecoveryCodes,
  Retention,
  RetentionRule,
  SeparateAdministrators,
  Separation,
  Thresholds,
  TotpSetup,
  WallLayout,
  WallLayoutForm,
  WebAuthnAnswer,
  WebAuthnOptions,
  Webhook,
  WebhookSecret,
  PatrolClock,
} from "./generated/index";
import { ApiError, problem, request, type RequestOptions } from "./http";

const V1 = "/api/v1/patrol";
const FACTOR = "/api/v1/session/factor";
const enc = encodeURIComponent;
const here = (place: PlaceId): string => `${V1}/places/${place}`;
/** The server connects to the camera and waits for its first keyframe. */
const TEST_MS = 40_000;
/** A site of hundreds is asked camera by camera. */
const CHECK_MS = 120_000;

function query(values: Record<string, string | number | boolean | null | undefined>): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) if (value !== null && value !== undefined && value !== "") params.set(key, String(value));
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}
const abortable = (signal: AbortSignal | undefined): RequestOptions => (signal ? { signal } : {});

// Cameras
/** `span`: those that hung there then, as they were. */
export const cameras = (place: PlaceId, span?: { from: number; to: number }): Promise<CameraList> =>
  request("GET", `${here(place)}/cameras${span ? query({ from: Math.round(span.from), to: Math.round(span.to) }) : ""}`);
export const createCamera = (form: CameraForm): Promise<Camera> => request("POST", `${V1}/cameras`, { body: form });
export const changeCamera = (id: CameraId, form: CameraForm): Promise<Camera> => request("PUT", `${V1}/cameras/${id}`, { body: form });
export const switchCamera = (id: CameraId, change: CameraSwitch): Promise<Camera> => request("PATCH", `${V1}/cameras/${id}`, { body: change });
export const deleteCamera = (id: CameraId): Promise<void> => request("DELETE", `${V1}/cameras/${id}`);
export const restoreCamera = (id: CameraId): Promise<Camera> => request("POST", `${V1}/cameras/${id}/restore`);
/** `camera`: whose kept password is tried when the form has none. */
export const testCamera = (form: CameraForm, camera: CameraId | null, signal?: AbortSignal): Promise<CameraReport> =>
  request("POST", `${V1}/cameras/test${query({ camera })}`, { body: form, timeoutMs: TEST_MS, ...abortable(signal) });
export const importCameras = (place: PlaceId, csv: Blob, dryRun: boolean): Promise<ImportResult> =>
  request("POST", `${here(place)}/cameras/import?dry_run=${dryRun}`, { raw: { type: "text/csv", bytes: csv }, timeoutMs: TEST_MS });
export const importTemplateUrl = (language: string): string => `${V1}/cameras/import-template?lang=${language === "en" ? "en" : "zh"}`;

// Day, playback, marks
export const day = (id: CameraId, from: number, to: number, signal?: AbortSignal): Promise<CameraDay> =>
  request("GET", `${V1}/cameras/${id}/day${query({ from: Math.round(from), to: Math.round(to) })}`, abortable(signal));
export const grant = (id: CameraId, wish: NewMediaGrant): Promise<MediaGrant> => request("POST", `${V1}/cameras/${id}/grants`, { body: wish });
export type MediaVariant = "main" | "sub" | "sound" | "keyframes";
export const playlistUrl = (token: string, stream: MediaVariant, from: number, to: number): string =>
  `${V1}/media/${enc(token)}/index.m3u8${query({ stream, from: Math.round(from), to: Math.round(to) })}`;
/** A media address with another token in it: one lives a minute, a film longer. */
export const withToken = (url: string, token: string): string => url.replace(/(\/patrol\/media\/)[^/?#]+/, (_, path: string) => `${path}${enc(token)}`);
/** The entry of the audit log about a snapshot is written when its picture is fetched: fetched, looked at by nobody. */
export async function tellSnapshot(token: string, at: number | null): Promise<void> {
  let response: Response;
  try {
    response = await fetch(`${V1}/media/${enc(token)}/snapshot.mp4${query({ at: at === null ? null : Math.round(at) })}`, { credentials: "same-origin" });
  } catch (cause) {
    throw new ApiError("offline", 0, String(cause));
  }
  if (!response.ok) throw await problem(response);
  await response.body?.cancel();
}
export const addBookmark = (id: CameraId, bookmark: NewBookmark): Promise<Bookmark> => request("POST", `${V1}/cameras/${id}/bookmarks`, { body: bookmark });
export const deleteBookmark = (id: string): Promise<void> => request("DELETE", `${V1}/bookmarks/${id}`);
/** The server's clock, and whether days of recordings are counted by it. */
export const serverClock = (): Promise<PatrolClock> => request("GET", `${V1}/clock`);
/** `now`: what it showed to whoever says that it is right. */
export const confirmClock = (now: number): Promise<PatrolClock> => request("POST", `${V1}/clock`, { body: { now } });
export const holds = (place: PlaceId): Promise<Hold[]> => request("GET", `${here(place)}/holds`);
export const addHold = (hold: NewHold): Promise<Hold[]> => request("POST", `${V1}/holds`, { body: hold });
/** `intent`: what stood on the button; refused with `hold_changed` if the hold has come to something else since. */
export const releaseHold = (id: string, intent: ReleaseIntent): Promise<Hold> => {
  const wish: ReleaseWish = { intent };
  return request("POST", `${V1}/holds/${id}/release`, { body: wish });
};
export const keepHold = (id: string): Promise<Hold> => request("DELETE", `${V1}/holds/${id}/release`);
export const retention = (place: PlaceId): Promise<Retention> => request("GET", `${here(place)}/retention`);
export const setRetention = (rule: RetentionRule): Promise<Retention> => request("PUT", `${here(rule.place)}/retention`, { body: rule });
export const clearRetention = (place: PlaceId, group: CameraGroup): Promise<Retention> => request("DELETE", `${here(place)}/retention/${group}`);
export const thresholds = (place: PlaceId): Promise<Thresholds[]> => request("GET", `${here(place)}/thresholds`);
export const setThresholds = (place: PlaceId, set: Thresholds): Promise<Thresholds[]> => request("PUT", `${here(place)}/thresholds`, { body: set });
export const clearThresholds = (place: PlaceId, group: CameraGroup): Promise<Thresholds[]> => request("DELETE", `${here(place)}/thresholds/${group}`);

// Layouts of walls
export const layouts = (): Promise<WallLayout[]> => request("GET", `${V1}/layouts`);
export const createLayout = (form: WallLayoutForm): Promise<WallLayout> => request("POST", `${V1}/layouts`, { body: form });
export const changeLayout = (id: string, form: WallLayoutForm): Promise<WallLayout> => request("PUT", `${V1}/layouts/${id}`, { body: form });
export const deleteLayout = (id: string): Promise<void> => request("DELETE", `${V1}/layouts/${id}`);

// Alarms, webhooks, the check before an exam
export interface AlarmQuery {
  place?: PlaceId | undefined;
  camera?: CameraId | undefined;
  open?: boolean | undefined;
  after?: string | undefined;
  from?: number | undefined;
  to?: number | undefined;
}
export const alarms = (wish: AlarmQuery = {}, signal?: AbortSignal): Promise<AlarmPage> => request("GET", `${V1}/alarms${query({ ...wish })}`, abortable(signal));
export const changeAlarm = (id: string, change: AlarmChange): Promise<AlarmItem> => request("PATCH", `${V1}/alarms/${id}`, { body: change });
export const webhooks = (): Promise<Webhook[]> => request("GET", `${V1}/webhooks`);
export const createWebhook = (hook: NewWebhook): Promise<WebhookSecret> => request("POST", `${V1}/webhooks`, { body: hook });
export const deleteWebhook = (id: string): Promise<void> => request("DELETE", `${V1}/webhooks/${id}`);
export const checkSite = (place: PlaceId, signal?: AbortSignal): Promise<PreExamReport> => request("POST", `${here(place)}/check`, { timeoutMs: CHECK_MS, ...abortable(signal) });

// Evidence
export const exports = (): Promise<ExportJob[]> => request("GET", `${V1}/exports`);
export const createExport = (wish: NewExport): Promise<ExportJob> => request("POST", `${V1}/exports`, { body: wish });
export const cancelExport = (id: string): Promise<ExportJob> => request("DELETE", `${V1}/exports/${id}`);
/** Where the file is fetched from, once, within the minute. */
export const exportUrl = async (id: string): Promise<string> => `${V1}/media/${enc((await request<MediaGrant>("POST", `${V1}/exports/${id}/grants`)).token)}/export`;

// Audit
export type AuditWish = { [K in keyof AuditQuery]?: AuditQuery[K] | undefined };
export const audit = (wish: AuditWish, signal?: AbortSignal): Promise<AuditPage> => request("GET", `${V1}/audit${query({ ...wish })}`, abortable(signal));
export const auditSum = (place: PlaceId, from: number, to: number, signal?: AbortSignal): Promise<AuditSum[]> =>
  request("GET", `${here(place)}/audit/sum${query({ from, to })}`, abortable(signal));
export const auditExportUrl = (from: number, to: number, place?: PlaceId): string => `${V1}/audit/export${query({ from, to, place })}`;

// Rules of looking about one account
export const lookRules = (account: string): Promise<LookRule[]> => request("GET", `${V1}/accounts/${account}/rules`);
export const addLookRule = (account: string, rule: NewLookRule): Promise<LookRule> => request("POST", `${V1}/accounts/${account}/rules`, { body: rule });
export const deleteLookRule = (account: string, rule: string): Promise<void> => request("DELETE", `${V1}/accounts/${account}/rules/${rule}`);

// The second factor, and the separation of administrators
export const factor = (): Promise<FactorState> => request("GET", FACTOR);
const quiet = { factorAsked: true } as const; // these answer the question themselves
export const showCode = (code: string): Promise<FactorState> => request("POST", FACTOR, { body: { code }, ...quiet });
export const beginTotp = (): Promise<TotpSetup> => request("POST", `${FACTOR}/totp`);
export const confirmTotp = (code: string): Promise<RecoveryCodes> => request("PUT", `${FACTOR}/totp`, { body: { code }, ...quiet });
export const removeTotp = (): Promise<FactorState> => request("DELETE", `${FACTOR}/totp`);
export const newRecoveryCodes = (): Promise<RecoveryCodes> => request("POST", `${FACTOR}/recovery`);
export const keyOptions = (): Promise<WebAuthnOptions> => request("POST", `${FACTOR}/keys/options`);
/** The codes are none unless the key is the first factor. */
export const addKey = (answer: WebAuthnAnswer): Promise<RecoveryCodes> => request("POST", `${FACTOR}/keys`, { body: answer });
export const removeKey = (name: string): Promise<FactorState> => request("DELETE", `${FACTOR}/keys/${enc(name)}`);
export const keyChallenge = (): Promise<WebAuthnOptions> => request("POST", `${FACTOR}/keys/challenge`, { ...quiet });
export const showKey = (answer: WebAuthnAnswer): Promise<FactorState> => request("POST", `${FACTOR}/keys/verify`, { body: answer, ...quiet });
export const resetFactor = (account: string): Promise<void> => request("DELETE", `/api/v1/accounts/${account}/factor`);
export const separation = (): Promise<Separation> => request("GET", `${V1}/separation`);
/** Asks for its end, or agrees to it. */
export const endSeparation = (): Promise<Separation> => request("DELETE", `${V1}/separation`);
export const separate = (people: SeparateAdministrators): Promise<void> => request("POST", `${V1}/separation`, { body: people });
