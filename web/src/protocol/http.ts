/** Requests to `/api/v1`: JSON in and out, problems (RFC 9457) as typed errors. No DOM, no state but the CSRF token. */
import type { Problem } from "./generated/index";

/** A request that the server refused, or that never reached it (`code` is then `offline` or `timeout`). */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    readonly detail: string,
    readonly requestId: string | null = null,
    readonly field: string | null = null,
  ) {
    super(`${code}: ${detail}`);
    this.name = "ApiError";
  }
}

/** How long a request may take before it is given up. A village line answers within two seconds; ten is a dead line. */
const TIMEOUT_MS = 10_000;

/**
 * What only reads and never reached the server is asked again after these pauses, in milliseconds: a browser breaks off all that is under
 * way when an interface of its machine gets or loses an address.
 */
const AGAIN_MS = [150, 600] as const;

let csrf: string | null = null;

/** The token of `Me`; goes back with every request that changes something. */
export function setCsrf(token: string | null): void {
  csrf = token;
}

/** The token, for the first word on a socket. */
export const csrfToken = (): string => csrf ?? "";

let proveAgain: (() => Promise<boolean>) | null = null;

/** Asked when the server wants the second factor first; resolves with whether it was shown. The request is then made again. */
export function onFactorNeeded(prove: () => Promise<boolean>): void {
  proveAgain = prove;
}

let signedOut: () => void = () => undefined;

/** Called whenever the server no longer knows who is asking. */
export function onSignedOut(told: () => void): void {
  signedOut = told;
}

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface RequestOptions {
  body?: unknown;
  /** Sent as it is, with this type, instead of JSON. */
  raw?: { type: string; bytes: Blob };
  signal?: AbortSignal;
  /** Lets the request outlive the page (a position saved while leaving). */
  keepalive?: boolean;
  /** Longer than usual, for what takes the server long. */
  timeoutMs?: number;
  /** The second factor was asked for already, or is what this request is about. */
  factorAsked?: boolean;
}

export async function request<T>(method: Method, path: string, options: RequestOptions = {}): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (method !== "GET" && csrf) headers["x-csrf-token"] = csrf;
  let body: string | Blob | undefined;
  if (options.raw) {
    headers["content-type"] = options.raw.type;
    body = options.raw.bytes;
  } else if (options.body !== undefined) {
    headers["content-type"] = "application/json";
    body = JSON.stringify(options.body);
  }
  const timeout = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
  const pauses = method === "GET" ? [...AGAIN_MS] : [];
  let response: Response | undefined;
  while (!response) {
    try {
      response = await fetch(path, {
        method,
        headers,
        credentials: "same-origin",
        keepalive: options.keepalive ?? false,
        signal: options.signal ? anySignal(options.signal, timeout) : timeout,
        ...(body === undefined ? {} : { body }),
      });
    } catch (cause) {
      if (options.signal?.aborted) throw cause;
      if (timeout.aborted) throw new ApiError("timeout", 0, "no answer in time");
      const pause = pauses.shift();
      if (pause === undefined) throw new ApiError("offline", 0, String(cause));
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
  if (!response.ok) {
    const error = await problem(response);
    if (error.code === "not_signed_in") signedOut();
    if (error.code === "needs_second_factor" && !options.factorAsked && proveAgain && (await proveAgain())) {
      return request(method, path, { ...options, factorAsked: true });
    }
    throw error;
  }
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** `AbortSignal.any` without asking for browsers of 2024. */
function anySignal(a: AbortSignal, b: AbortSignal): AbortSignal {
  const both = new AbortController();
  for (const signal of [a, b]) {
    if (signal.aborted) both.abort(signal.reason);
    signal.addEventListener("abort", () => both.abort(signal.reason), { once: true });
  }
  return both.signal;
}

/** What a refused answer says. */
export async function problem(response: Response): Promise<ApiError> {
  try {
    const p = (await response.json()) as Partial<Problem>;
    if (typeof p.code === "string") {
      return new ApiError(p.code, response.status, p.detail ?? p.title ?? "", p.request_id ?? null, p.field ?? null);
    }
  } catch {
    // Not a problem document: a proxy in between answered. The status alone has to do.
  }
  return new ApiError(`http_${response.status}`, response.status, response.statusText);
}
