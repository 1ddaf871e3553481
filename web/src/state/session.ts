/** Who is signed in, and what that allows on the pages. The server decides again on every request. */
import { useZone } from "../i18n/zone";
import * as api from "../protocol/api";
import { ApiError, onSignedOut } from "../protocol/http";
import type { Account, FactorState, Me, Role } from "../protocol/generated/index";
import { createStore } from "./store";

export interface SessionState {
  /** `unknown` until the server has answered once. */
  phase: "unknown" | "in" | "out" | "unreachable";
  account: Account | null;
  /** Whether there is a camera that one may see, manage or answer for. */
  patrol: boolean;
  /** What of a second factor one has, and whether it is needed; `null` from a server that does not say. */
  factor: FactorState | null;
}

export const session = createStore<SessionState>({ phase: "unknown", account: null, patrol: false, factor: null });

// A session ends while a page is open: the page that shows it next leads to the sign-in.
onSignedOut(() => session.commit({ phase: "out", account: null }));

let asking: Promise<void> | null = null;

/** Asks the server who we are; joins a question that is under way. */
export function loadSession(): Promise<void> {
  asking ??= api
    .me()
    .then(entered)
    .catch((error: unknown) => {
      const out = error instanceof ApiError && (error.status === 401 || error.status === 403);
      session.commit({ phase: out ? "out" : "unreachable", account: null });
    })
    .finally(() => {
      asking = null;
    });
  return asking;
}

function entered(me: Me): void {
  // The page says it too (main.ts), except from a development server, and as it was when the page was loaded.
  if (me.zone) useZone(me.zone);
  // A server of before exam patrol says neither.
  session.commit({ phase: "in", account: me.account, patrol: me.patrol ?? false, factor: me.factor ?? null });
}

export async function signIn(login: string, password: string): Promise<void> {
  entered(await api.signIn(login, password));
}

export async function signOut(): Promise<void> {
  await api.signOut();
  session.commit({ phase: "out", account: null });
}

export function hasRole(account: Account | null, ...roles: Role[]): boolean {
  return account?.roles.some((held) => roles.includes(held.role)) ?? false;
}
