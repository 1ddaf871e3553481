/** What the sending and the receiving connection have in common: configuration, watching whether the path lives. */

/** The server is ICE-lite with reachable addresses in its answer, so a client needs no server of its own to find a path. */
const CONFIGURATION: RTCConfiguration = { bundlePolicy: "max-bundle", rtcpMuxPolicy: "require", iceServers: [] };

/** A path that is `disconnected` often comes back within a second (a Wi-Fi hand-over); after that a new one is quicker. */
const DISCONNECTED_MS_MAX = 1_500;
/**
 * A path that has not come about by then is reported: probably no UDP. A browser that is given no network (a policy or an extension
 * forbids it) has nothing to try: it stays `new` and never fails. After twice this time that is reported, and another connection looks
 * for networks afresh.
 */
export const CONNECT_MS_MAX = 6_000;

/** What keeps media away: the network lets no UDP through, or the browser was given none to use. */
export type Obstacle = "udp" | "browser";

export interface PeerEvents {
  connected(): void;
  /** Nothing has come for some seconds: the path may be gone, and whatever else goes over the same network. */
  wavering?(): void;
  /** The path is gone for good; a new connection is needed. Told once per loss. */
  lost(): void;
  /** No path came about in time; it may still come. */
  stuck(obstacle: Obstacle): void;
}

export function makePeer(events: PeerEvents): RTCPeerConnection {
  const pc = new RTCPeerConnection(CONFIGURATION);
  let lostTimer: ReturnType<typeof setTimeout> | undefined;
  let stuckTimer: ReturnType<typeof setTimeout> | undefined;
  let told = false;
  const lost = (): void => {
    clearTimeout(lostTimer);
    clearTimeout(stuckTimer);
    if (told || pc.signalingState === "closed") return;
    told = true;
    events.lost();
  };
  /** Looks whether a path came about in time: twice where the browser has nothing to try, for its list of networks may be late. */
  const expectPath = (looks = 2): void => {
    stuckTimer ??= setTimeout(() => {
      stuckTimer = undefined;
      if (pc.connectionState === "connecting") return events.stuck("udp");
      if (pc.connectionState !== "new") return;
      if (looks > 1) return expectPath(looks - 1);
      events.stuck("browser");
      lost();
    }, CONNECT_MS_MAX);
  };
  const look = (): void => {
    clearTimeout(lostTimer);
    switch (pc.connectionState) {
      case "connecting":
        expectPath();
        break;
      case "connected":
        clearTimeout(stuckTimer);
        stuckTimer = undefined;
        told = false; // it came back by itself before anyone replaced it
        events.connected();
        break;
      case "disconnected":
        lostTimer = setTimeout(lost, DISCONNECTED_MS_MAX);
        events.wavering?.();
        break;
      case "failed":
        lost();
        break;
      case "closed":
        clearTimeout(stuckTimer);
        break;
    }
  };
  pc.addEventListener("connectionstatechange", look);
  pc.addEventListener("signalingstatechange", () => {
    if (pc.signalingState === "stable" && pc.remoteDescription && pc.connectionState === "new") expectPath();
    if (pc.signalingState === "closed") clearTimeout(stuckTimer);
  });
  // Firefox reports a dead path on the ICE state first.
  pc.addEventListener("iceconnectionstatechange", () => {
    if (pc.iceConnectionState === "failed") lost();
  });
  return pc;
}
