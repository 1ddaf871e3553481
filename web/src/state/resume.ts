/** One's place in a class, kept for this tab: a reload takes it again without asking. */
import type { JoinGrant, RoomRole } from "../protocol/generated/index";
import type { JoinOptions } from "./class-session";

export interface Kept {
  resume: string;
  name: string;
  classroom: boolean;
  /** What one was: a teacher looks at more people at once. */
  role: RoomRole;
}

const key = (code: string): string => `lectern.class.${code}`;

export function kept(code: string): Kept | null {
  try {
    const value = JSON.parse(sessionStorage.getItem(key(code)) ?? "null") as Partial<Kept> | null;
    if (typeof value?.resume !== "string" || typeof value.name !== "string") return null;
    return { resume: value.resume, name: value.name, classroom: value.classroom === true, role: value.role ?? "student" };
  } catch {
    return null;
  }
}

export const resumeOf = (code: string): string | null => kept(code)?.resume ?? null;

export function keepResume(options: Pick<JoinOptions, "code" | "name" | "classroom">, grant: Pick<JoinGrant, "resume" | "role">): void {
  try {
    sessionStorage.setItem(key(options.code), JSON.stringify({ resume: grant.resume, role: grant.role, name: options.name, classroom: options.classroom } satisfies Kept));
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
