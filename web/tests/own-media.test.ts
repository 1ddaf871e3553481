import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { initialClassState } from "../src/state/class-state";
import { OwnMedia } from "../src/state/own-media";
import { changeSettings, settings } from "../src/state/settings";
import { createStore } from "../src/state/store";
import { fakeBrowser, FakeTrack, type FakeDevices } from "./fakes";

let devices: FakeDevices;
let own: OwnMedia;
let store: ReturnType<typeof createStore<ReturnType<typeof initialClassState>>>;

beforeEach(() => {
  ({ devices } = fakeBrowser());
  changeSettings({ cameraOn: true, microphoneOn: true, cameraId: "", microphoneId: "" });
  store = createStore(initialClassState());
  own = new OwnMedia(() => store.get(), (part) => store.commit(part));
});
afterEach(() => {
  own.close();
  vi.unstubAllGlobals();
});

const loseTrack = (of: FakeTrack): void => {
  of.stop();
  of.dispatchEvent(new Event("ended"));
};

test("a muted microphone stays open but silent; a camera that is off is let go", async () => {
  await own.turn("microphone", true);
  await own.turn("camera", true);
  await own.turn("microphone", false);
  await own.turn("camera", false);
  expect(devices.opened.map((t) => [t.enabled, t.readyState])).toEqual([[false, "live"], [true, "ended"]]);
  expect(settings.get()).toMatchObject({ microphoneOn: false, cameraOn: false });
});

test("muting for someone else leaves one's own choice", async () => {
  await own.turn("microphone", true);
  await own.mute("microphone");
  expect(store.get().microphone.on).toBe(false);
  expect(settings.get().microphoneOn).toBe(true);
});

test("the last wish while a device is opening is the one that counts", async () => {
  devices.slow = true;
  const opening = own.turn("camera", true);
  await own.turn("camera", false);
  const camera = new FakeTrack("video");
  devices.asked[0]?.(camera);
  await opening;
  expect(camera.readyState).toBe("ended");
  expect(store.get().camera).toMatchObject({ on: false, busy: false, fault: null });
  const again = own.turn("microphone", true);
  await own.turn("microphone", false);
  await own.turn("microphone", true);
  const microphone = new FakeTrack("audio");
  devices.asked[1]?.(microphone);
  await again;
  expect(microphone.enabled).toBe(true);
  expect(store.get().microphone.on).toBe(true);
});

test("an unplugged microphone is followed by another only if it was on", async () => {
  await own.turn("microphone", true);
  loseTrack(devices.opened[0] as FakeTrack);
  await vi.waitFor(() => expect(store.get().microphone.on).toBe(true));
  expect(devices.opened).toHaveLength(2);
  await own.turn("microphone", false);
  loseTrack(devices.opened[1] as FakeTrack);
  await devices.enumerateDevices();
  await Promise.resolve();
  expect(store.get().microphone).toMatchObject({ on: false, busy: false });
  expect(devices.opened).toHaveLength(2);
});

test("what opens after everything was let go is closed", async () => {
  devices.slow = true;
  const opening = own.turn("camera", true);
  own.release();
  const camera = new FakeTrack("video");
  devices.asked[0]?.(camera);
  await opening;
  expect(camera.readyState).toBe("ended");
  expect(own.track("camera")).toBeNull();
});

test("a refused permission says so and is asked again by the next press", async () => {
  devices.slow = true;
  const asked = own.turn("camera", true);
  devices.asked[0]?.(Object.assign(new Error("Permission denied"), { name: "NotAllowedError" }));
  await asked;
  expect(store.get().camera).toMatchObject({ on: false, busy: false, fault: "denied" });
  devices.slow = false;
  await own.turn("camera", true);
  expect(store.get().camera).toMatchObject({ on: true, fault: null });
});
