/** One's place in a class, kept for this tab: a reload takes it again without asking. */
import type { JoinGrant, RoomRole } from "../protocol/generated/index";
import type { JoinOptions } from "./class-session";

export interface Kept {
  resume: string;
  name: string;
  classroom: boolean;
  /** What one was: a teacher looks at more people at once. */
  role: RoomRole;
  /** Whether one chose to load no pictures. */
  audioOnly: boolean;
}

const key = (code: string): string => `lectern.class.${code}`;

export function kept(code: string): Kept | null {
  try {
    const value = JSON.parse(sessionStorage.getItem(key(code)) ?? "null") as Partial<Kept> | null;
    if (typeof value?.resume !== "string" || typeof value.name !== "string") return null;
    return { resume: value.resume, name: value.name, classroom: value.classroom === true, role: value.role ?? "student", audioOnly: value.audioOnly === true };
  } catch {
    return null;
  }
}

export const resumeOf = (code: string): string | null => kept(code)?.resume ?? null;

export function keepResume({ code, name, classroom }: Pick<JoinOptions, "code" | "name" | "classroom">, { resume, role }: Pick<JoinGrant, "resume" | "role">, audioOnly: boolean): void {
  try {
    sessionStorage.setItem(key(code), JSON.stringify({ resume, role, name, classroom, audioOnly } satisfies Kept));
  } catch {
    // Without storage a reload leads through the lobby again.
  }
}

export function forgetResume(code: string): void {
  try {
    sessionStorage.removeItem(key(code));
  } catch {
    // Nothing was kept.
  }
}
