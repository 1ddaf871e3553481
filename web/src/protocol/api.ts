/** Every call of the HTTP API that the pages make, one function each. */
import type {
  Account,
  Attendance,
  Class,
  ClassPreview,
  DevicePurpose,
  DeviceToken,
  ImportResult,
  Invitation,
  JoinGrant,
  JoinRequest,
  LessonItem,
  Me,
  NewAccount,
  NewClass,
  NewPlace,
  Place,
  RecordingDetail,
  RecordingPage,
  RoleAt,
} from "./generated/index";
import { request, setCsrf } from "./http";

const V1 = "/api/v1";
const enc = encodeURIComponent;

function signedIn(me: Me): Me {
  setCsrf(me.csrf);
  return me;
}

export const me = async (): Promise<Me> => signedIn(await request<Me>("GET", `${V1}/me`));
export const signIn = async (login: string, password: string): Promise<Me> =>
  signedIn(await request<Me>("POST", `${V1}/session`, { body: { login, password } }));
export const signOut = async (): Promise<void> => {
  await request<void>("DELETE", `${V1}/session`);
  setCsrf(null);
};
export const choosePassword = (token: string, password: string): Promise<Me | undefined> =>
  request("POST", `${V1}/password`, { body: { token, password } });
export const changePassword = async (old: string, fresh: string): Promise<Me> =>
  signedIn(await request<Me>("POST", `${V1}/password/change`, { body: { old, new: fresh } }));

export const places = (): Promise<Place[]> => request("GET", `${V1}/places`);
export const createPlace = (place: NewPlace): Promise<Place> => request("POST", `${V1}/places`, { body: place });
export const renamePlace = (id: string, name: string): Promise<Place> => request("PATCH", `${V1}/places/${id}`, { body: { name } });
export const deletePlace = (id: string): Promise<void> => request("DELETE", `${V1}/places/${id}`);

export const accounts = (): Promise<Account[]> => request("GET", `${V1}/accounts`);
export const createAccount = (account: NewAccount): Promise<Invitation> => request("POST", `${V1}/accounts`, { body: account });
export interface AccountChange {
  name?: string;
  roles?: RoleAt[];
  disabled?: boolean;
}
export const changeAccount = (id: string, change: AccountChange): Promise<Account> =>
  request("PATCH", `${V1}/accounts/${id}`, { body: change });
/** A fresh link to choose a password: for an invitation that ran out, or a forgotten password. */
export const resetAccount = (id: string): Promise<Invitation> => request("POST", `${V1}/accounts/${id}/invitation`);

export const classes = (): Promise<Class[]> => request("GET", `${V1}/classes`);
export const createClass = (entry: NewClass): Promise<Class> => request("POST", `${V1}/classes`, { body: entry });
export const changeClass = (id: string, entry: NewClass): Promise<Class> => request("PUT", `${V1}/classes/${id}`, { body: entry });
export const deleteClass = (id: string): Promise<void> => request("DELETE", `${V1}/classes/${id}`);
export const restoreClass = (id: string): Promise<Class> => request("POST", `${V1}/classes/${id}/restore`);
/** The file goes as it is: the server tells a wrong encoding apart and says so. */
export const importClasses = (csv: Blob): Promise<ImportResult> => request("POST", `${V1}/classes/import`, { raw: { type: "text/csv", bytes: csv } });
/** A file to fill in, in the caller's language. */
export const templateUrl = `${V1}/classes/template`;

export const deviceToken = (id: string, purpose: DevicePurpose): Promise<DeviceToken> =>
  request("POST", `${V1}/classes/${id}/device-token`, { body: { purpose } });
/** Ends what all devices of the class publish and watch; their tokens are worth nothing any more. */
export const revokeDevices = (id: string): Promise<void> => request("DELETE", `${V1}/classes/${id}/device-token`);

export const lessons = (day: string, signal?: AbortSignal): Promise<LessonItem[]> =>
  request("GET", `${V1}/lessons?day=${enc(day)}`, signal ? { signal } : {});
export const classPreview = (code: string): Promise<ClassPreview> => request("GET", `${V1}/classes/by-code/${enc(code)}`);
export const joinClass = (code: string, join: JoinRequest): Promise<JoinGrant> =>
  request("POST", `${V1}/classes/${enc(code)}/join`, { body: join });
export const attendance = (lesson: string): Promise<Attendance[]> => request("GET", `${V1}/lessons/${lesson}/attendance`);
export const attendanceUrl = (lesson: string, language: string): string => `${V1}/lessons/${lesson}/attendance.csv?lang=${language}`;

export interface RecordingQuery {
  q?: string;
  subject?: string;
  teacher?: string;
  school?: string;
  cursor?: string;
}
export const recordings = (query: RecordingQuery, signal?: AbortSignal): Promise<RecordingPage> => {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value) params.set(key, value as string);
  return request("GET", `${V1}/recordings?${params}`, signal ? { signal } : {});
};
export const recording = (id: string): Promise<RecordingDetail> => request("GET", `${V1}/recordings/${id}`);
export const savePosition = (id: string, position_ms: number): Promise<void> =>
  request("PUT", `${V1}/recordings/${id}/position`, { body: { position_ms: Math.round(position_ms) }, keepalive: true });
export const deleteRecording = (id: string): Promise<void> => request("DELETE", `${V1}/recordings/${id}`);
export const restoreRecording = (id: string): Promise<void> => request("POST", `${V1}/recordings/${id}/restore`);
/** One file, MP4 or WebM, with the picture of `track` and the teacher's voice. */
export const downloadUrl = (id: string, track: string): string => `${V1}/recordings/${id}/download?tracks=${enc(track)}`;
