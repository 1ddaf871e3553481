/** Security keys by the browser (W3C Web Authentication Level 2): what the server's JSON says as bytes, and back. */
import type { WebAuthnAnswer, WebAuthnOptions } from "../../protocol/generated/index";

export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

export function toBase64Url(bytes: ArrayBuffer): string {
  let binary = "";
  for (const byte of new Uint8Array(bytes)) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** Whether a page at this host may use keys: the id of a relying party is a domain, never an address (W3C WebAuthn L2 §5.1.2). Pure. */
export const isDomain = (host: string): boolean => !host.startsWith("[") && !/^[\d.]+$/.test(host);

/** Whether this browser and this address can use keys at all. */
export const keysSupported = (): boolean => typeof PublicKeyCredential !== "undefined" && isSecureContext && isDomain(location.hostname);

/** The key's own part of what went wrong; the rest is a problem of the server. */
export function keyFault(error: unknown): "unanswered" | "known" | "refused" | null {
  const name = (error as { name?: string } | null)?.name;
  // The browser tells nobody whether somebody said no, nobody came, or the key is another one: no page may learn it (L2 §14.5).
  if (name === "NotAllowedError" || name === "AbortError") return "unanswered";
  if (name === "InvalidStateError") return "known";
  const code = (error as { code?: unknown } | null)?.code;
  return code === "wrong_code" ? "refused" : null;
}

type Json = Record<string, unknown>;
const withIds = (list: unknown): unknown => (Array.isArray(list) ? list.map((entry: Json) => ({ ...entry, id: fromBase64Url(String(entry["id"])) })) : list);

/** The JSON of `publicKey` with its binary members as bytes. */
export function readOptions(options: WebAuthnOptions): Json {
  const parsed = JSON.parse(options.public_key) as Json;
  const json = (parsed["publicKey"] as Json | undefined) ?? parsed;
  const user = json["user"] as Json | undefined;
  return {
    ...json,
    challenge: fromBase64Url(String(json["challenge"])),
    ...(user ? { user: { ...user, id: fromBase64Url(String(user["id"])) } } : {}),
    ...(json["excludeCredentials"] ? { excludeCredentials: withIds(json["excludeCredentials"]) } : {}),
    ...(json["allowCredentials"] ? { allowCredentials: withIds(json["allowCredentials"]) } : {}),
  };
}

export async function makeKey(options: WebAuthnOptions, name: string, signal: AbortSignal): Promise<WebAuthnAnswer> {
  const made = (await navigator.credentials.create({ publicKey: readOptions(options) as unknown as PublicKeyCredentialCreationOptions, signal })) as PublicKeyCredential;
  const response = made.response as AuthenticatorAttestationResponse;
  return { state: options.state, name, id: toBase64Url(made.rawId), client_data: toBase64Url(response.clientDataJSON), data: toBase64Url(response.attestationObject), signature: "" };
}

export async function useKey(options: WebAuthnOptions, signal: AbortSignal): Promise<WebAuthnAnswer> {
  const used = (await navigator.credentials.get({ publicKey: readOptions(options) as unknown as PublicKeyCredentialRequestOptions, signal })) as PublicKeyCredential;
  const response = used.response as AuthenticatorAssertionResponse;
  return { state: options.state, name: null, id: toBase64Url(used.rawId), client_data: toBase64Url(response.clientDataJSON), data: toBase64Url(response.authenticatorData), signature: toBase64Url(response.signature) };
}
