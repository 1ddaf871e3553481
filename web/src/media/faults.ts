/** Why a device cannot be used, and which browser this is (the way to its permission settings differs). Pure. */

export type DeviceFault =
  /** The person or a policy said no. */
  | "denied"
  /** The question was closed without an answer. */
  | "dismissed"
  /** There is none. */
  | "missing"
  /** Another program holds it, or the system failed to start it. */
  | "in_use"
  /** It was pulled out while in use. */
  | "unplugged"
  /** The page is not served securely, so the browser offers no devices at all. */
  | "insecure"
  | "unsupported"
  | "unknown";

/** `kind` matters: a cancelled screen picker and a refused camera are the same exception. */
export function classify(error: unknown, kind: "camera" | "microphone" | "screen"): DeviceFault {
  const name = (error as { name?: string } | null)?.name ?? "";
  const message = String((error as { message?: string } | null)?.message ?? "").toLowerCase();
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      if (kind === "screen") return message.includes("system") ? "denied" : "dismissed";
      return message.includes("dismissed") ? "dismissed" : "denied";
    case "NotFoundError":
    case "DevicesNotFoundError":
      return "missing";
    case "OverconstrainedError":
      return "missing";
    case "NotReadableError":
    case "TrackStartError":
    case "AbortError":
      return "in_use";
    case "NotSupportedError":
      return "unsupported";
    case "TypeError":
      return "insecure";
    default:
      return "unknown";
  }
}

export type Browser = "chrome" | "edge" | "firefox" | "safari" | "ios" | "android" | "wechat" | "other";

/** Told from the user agent: there is no better source for "where is the permission button in this browser". */
export function browserOf(userAgent: string): Browser {
  const ua = userAgent.toLowerCase();
  if (ua.includes("micromessenger")) return "wechat";
  if (/iphone|ipad|ipod/.test(ua)) return "ios";
  if (ua.includes("android")) return "android";
  if (ua.includes("edg/")) return "edge";
  if (ua.includes("firefox/")) return "firefox";
  if (ua.includes("chrome/") || ua.includes("chromium/")) return "chrome";
  if (ua.includes("safari/")) return "safari";
  return "other";
}
