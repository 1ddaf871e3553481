/**
 * One's own camera, microphone and screen: asked for, opened, switched, lost, and what the browser confirmed about each.
 * Used by the lobby alone and by the class with a sender behind it.
 */
import { openCamera, openMicrophone, openScreen, watchDevices, listDevices } from "../media/devices";
import type { DeviceFault } from "../media/faults";
import type { TrackSource } from "../protocol/generated/index";
import type { OwnDevice, OwnScreen } from "./class-state";
import { changeSettings, settings } from "./settings";

export interface OwnMediaState {
  microphone: OwnDevice;
  camera: OwnDevice;
  screen: OwnScreen;
}

type Kind = "camera" | "microphone";

export class OwnMedia {
  #tracks = new Map<TrackSource, MediaStreamTrack>();
  /** What was asked for while a device was opening: it is done as soon as the browser has answered. */
  #wishes = new Map<Kind, boolean>();
  /** Counts openings and closings, so that what opens after it was let go is closed again. */
  #turns: Record<Kind | "screen", number> = { camera: 0, microphone: 0, screen: 0 };
  #unwatch: () => void;
  /** Told whenever what a source sends changed; `null` = silent but kept, `undefined` = gone. */
  onTrack: (source: TrackSource, track: MediaStreamTrack | null | undefined) => void = () => undefined;

  constructor(
    private readonly read: () => OwnMediaState,
    private readonly commit: (part: Partial<OwnMediaState>) => void,
  ) {
    this.#unwatch = watchDevices(() => void this.#devicesChanged());
  }

  track(source: TrackSource): MediaStreamTrack | null {
    return this.#tracks.get(source) ?? null;
  }

  /** Turns a device on or off, and remembers it for the next class. Resolves when the browser has done (or refused) it. */
  turn(kind: Kind, on: boolean): Promise<void> {
    changeSettings(kind === "camera" ? { cameraOn: on } : { microphoneOn: on });
    return this.#turn(kind, on);
  }

  /** Turns a device off at someone else's wish: what the person chose to come with stays as it was. */
  mute(kind: Kind): Promise<void> {
    return this.#turn(kind, false);
  }

  async #turn(kind: Kind, on: boolean): Promise<void> {
    if (this.read()[kind].busy) {
      this.#wishes.set(kind, on);
      return;
    }
    const live = this.#tracks.get(kind);
    if (kind === "microphone" && live?.readyState === "live") {
      // Kept open, so that one's first word after unmuting is heard.
      live.enabled = on;
      this.#set(kind, { on, fault: null });
      return;
    }
    if (!on) return this.#stop(kind);
    await this.#open(kind);
  }

  /** Uses another device from now on; opens it if the source is on. */
  async choose(kind: Kind, deviceId: string): Promise<void> {
    changeSettings(kind === "camera" ? { cameraId: deviceId } : { microphoneId: deviceId });
    const device = this.read()[kind];
    if (!device.on && !device.fault) return this.#stop(kind);
    await this.#open(kind);
  }

  async shareScreen(): Promise<void> {
    if (this.read().screen.busy) return;
    this.#setScreen({ busy: true, fault: null });
    const turn = ++this.#turns.screen;
    const { capture, fault } = await openScreen();
    if (turn !== this.#turns.screen) {
      capture?.video.stop();
      capture?.audio?.stop();
      return;
    }
    if (!capture) return this.#setScreen({ busy: false, fault: fault === "dismissed" ? null : fault });
    this.#tracks.set("screen", capture.video);
    if (capture.audio) this.#tracks.set("screen_audio", capture.audio);
    // The browser's own "stop sharing" bar ends the track.
    capture.video.addEventListener("ended", () => this.#tracks.get("screen") === capture.video && this.stopScreen());
    this.#setScreen({ on: true, busy: false, audio: capture.audio !== null });
    this.onTrack("screen", capture.video);
    if (capture.audio) this.onTrack("screen_audio", capture.audio);
  }

  stopScreen(): void {
    this.#turns.screen += 1;
    for (const source of ["screen", "screen_audio"] as const) {
      const track = this.#tracks.get(source);
      this.#tracks.delete(source);
      track?.stop();
      if (track) this.onTrack(source, undefined);
    }
    this.#setScreen({ on: false, busy: false, audio: false });
  }

  /** Lets go of everything: the camera's lamp goes out. */
  release(): void {
    if (this.read().screen.on || this.read().screen.busy) this.stopScreen();
    this.#stop("camera");
    this.#stop("microphone");
  }

  close(): void {
    this.#unwatch();
    for (const kind of ["camera", "microphone", "screen"] as const) this.#turns[kind] += 1;
    for (const track of this.#tracks.values()) track.stop();
    this.#tracks.clear();
  }

  async #open(kind: Kind): Promise<void> {
    const turn = ++this.#turns[kind];
    this.#set(kind, { busy: true, fault: null });
    const { cameraId, microphoneId } = settings.get();
    const opened = kind === "camera" ? await openCamera(cameraId) : await openMicrophone(microphoneId);
    if (turn !== this.#turns[kind]) {
      opened.track?.stop();
      return;
    }
    const off = this.#wishes.get(kind) === false;
    this.#wishes.delete(kind);
    this.#tracks.get(kind)?.stop();
    if (!opened.track) {
      this.#tracks.delete(kind);
      this.#set(kind, { on: false, busy: false, fault: opened.fault });
      this.onTrack(kind, null);
      return;
    }
    const { track } = opened;
    if (off && kind === "camera") {
      track.stop();
      return this.#stop(kind);
    }
    if (off) track.enabled = false;
    this.#tracks.set(kind, track);
    track.addEventListener("ended", () => {
      if (this.#tracks.get(kind) === track) void this.#ended(kind);
    });
    this.#set(kind, { on: !off, busy: false, fault: null, label: track.label, deviceId: track.getSettings().deviceId ?? "" });
    this.onTrack(kind, track);
  }

  #stop(kind: Kind): void {
    this.#turns[kind] += 1;
    this.#wishes.delete(kind);
    const track = this.#tracks.get(kind);
    this.#tracks.delete(kind);
    track?.stop();
    this.#set(kind, { on: false, busy: false, fault: null });
    if (track) this.onTrack(kind, null);
  }

  /** Pulled out, or taken away by the system: another device takes over if there is one. */
  async #ended(kind: Kind): Promise<void> {
    const wasOn = this.read()[kind].on;
    this.#stop(kind);
    if (!wasOn) return; // muted: another microphone must not open by itself
    const turn = this.#turns[kind];
    const list = await listDevices();
    if (turn !== this.#turns[kind]) return;
    const others = kind === "camera" ? list.cameras : list.microphones;
    if (others.length > 0) await this.#open(kind);
    if (this.#tracks.has(kind)) return;
    this.#set(kind, { on: false, fault: "unplugged" satisfies DeviceFault });
  }

  async #devicesChanged(): Promise<void> {
    const list = await listDevices();
    for (const kind of ["camera", "microphone"] as const) {
      const fault = this.read()[kind].fault;
      const there = kind === "camera" ? list.cameras : list.microphones;
      // A device that was missing was plugged in: use it without being asked twice.
      if ((fault === "missing" || fault === "unplugged") && there.length > 0) await this.#open(kind);
    }
  }

  #set(kind: Kind, part: Partial<OwnDevice>): void {
    this.commit({ [kind]: { ...this.read()[kind], ...part } });
  }

  #setScreen(part: Partial<OwnScreen>): void {
    this.commit({ screen: { ...this.read().screen, ...part } });
  }
}
