/** Cameras, microphones, speakers: what there is, opening one, noticing that it went. */
import { classify, type DeviceFault } from "./faults";

export interface DeviceList {
  cameras: MediaDeviceInfo[];
  microphones: MediaDeviceInfo[];
  speakers: MediaDeviceInfo[];
}

export type Opened = { track: MediaStreamTrack; fault: null } | { track: null; fault: DeviceFault };

const devices = (): MediaDevices | undefined => (navigator as { mediaDevices?: MediaDevices }).mediaDevices;

export async function listDevices(): Promise<DeviceList> {
  const all = (await devices()?.enumerateDevices().catch(() => [])) ?? [];
  const of = (kind: MediaDeviceKind) => all.filter((d) => d.kind === kind && d.deviceId !== "");
  return { cameras: of("videoinput"), microphones: of("audioinput"), speakers: of("audiooutput") };
}

/** Calls back when something is plugged in or pulled out. */
export function watchDevices(changed: () => void): () => void {
  const source = devices();
  source?.addEventListener?.("devicechange", changed);
  return () => source?.removeEventListener?.("devicechange", changed);
}

/** 720p at up to 30 frames: what the simulcast ladder is made for; a camera that has less gives what it has. */
const CAMERA: MediaTrackConstraints = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 25, max: 30 } };
const MICROPHONE: MediaTrackConstraints = {
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
  channelCount: 1,
};

export const openCamera = (deviceId: string): Promise<Opened> => open("camera", deviceId);
export const openMicrophone = (deviceId: string): Promise<Opened> => open("microphone", deviceId);

async function open(kind: "camera" | "microphone", deviceId: string): Promise<Opened> {
  const source = devices();
  if (!source?.getUserMedia) return { track: null, fault: globalThis.isSecureContext === false ? "insecure" : "unsupported" };
  const wish = (id: string): MediaStreamConstraints => {
    const base = kind === "camera" ? CAMERA : MICROPHONE;
    const constraints = id ? { ...base, deviceId: { exact: id } } : base;
    return kind === "camera" ? { video: constraints } : { audio: constraints };
  };
  const first = await attempt(() => source.getUserMedia(wish(deviceId)), kind);
  // The device chosen last week is gone: any other is better than none.
  if (first.track || first.fault !== "missing" || !deviceId) return first;
  return attempt(() => source.getUserMedia(wish("")), kind);
}

async function attempt(get: () => Promise<MediaStream>, kind: "camera" | "microphone"): Promise<Opened> {
  try {
    const stream = await get();
    const track = kind === "camera" ? stream.getVideoTracks()[0] : stream.getAudioTracks()[0];
    return track ? { track, fault: null } : { track: null, fault: "missing" };
  } catch (error) {
    return { track: null, fault: classify(error, kind) };
  }
}

export interface ScreenCapture {
  video: MediaStreamTrack;
  audio: MediaStreamTrack | null;
}

export function canShareScreen(): boolean {
  return typeof devices()?.getDisplayMedia === "function";
}

/** Slides want sharp letters, not motion: `detail` keeps the resolution and lowers the frame rate when the line is thin. */
export async function openScreen(): Promise<{ capture: ScreenCapture; fault: null } | { capture: null; fault: DeviceFault }> {
  const source = devices();
  if (!source?.getDisplayMedia) return { capture: null, fault: "unsupported" };
  try {
    const options: DisplayMediaStreamOptions & { systemAudio?: string; surfaceSwitching?: string; selfBrowserSurface?: string } = {
      video: { width: { max: 1920 }, height: { max: 1080 }, frameRate: { max: 15 } },
      // A shared video's own sound; our microphone's processing would ruin it.
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      systemAudio: "include",
      surfaceSwitching: "include",
      selfBrowserSurface: "exclude",
    };
    const stream = await source.getDisplayMedia(options);
    const video = stream.getVideoTracks()[0];
    if (!video) return { capture: null, fault: "missing" };
    video.contentHint = "detail";
    const audio = stream.getAudioTracks()[0] ?? null;
    if (audio) audio.contentHint = "music";
    return { capture: { video, audio }, fault: null };
  } catch (error) {
    return { capture: null, fault: classify(error, "screen") };
  }
}
