/** The sending and the receiving connection against a server that refuses, stays away, comes back. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CONNECT_MS_MAX } from "../src/media/peer";
import { Receiver, type ReceiverPort } from "../src/media/receiver";
import { Sender } from "../src/media/sender";
import type { PublishLine } from "../src/protocol/generated/index";
import { fakeBrowser, FakePeer, track } from "./fakes";

beforeEach(() => void fakeBrowser());
afterEach(() => vi.unstubAllGlobals());

function sending() {
  const offers: string[][] = [];
  const refused = vi.fn();
  const unpublished: string[] = [];
  const server = { up: true };
  const sender = new Sender({
    publish: async (_sdp: string, lines: PublishLine[]) => {
      offers.push(lines.map((l) => l.source));
      if (!server.up) throw new Error("the line is down");
      return { sdp: "answer", tracks: lines.map((l) => `id-${l.source}`) };
    },
    unpublish: (id) => unpublished.push(id),
    connected: () => undefined,
    wavering: () => undefined,
    lost: () => undefined,
    stuck: () => undefined,
    refused,
  });
  return { sender, offers, refused, unpublished, server };
}

test("what was not agreed on is offered again, what was is not", async () => {
  const { sender, offers, refused, server } = sending();
  await sender.set("microphone", track("audio"));
  server.up = false;
  await expect(sender.set("camera", track("video"))).rejects.toThrow();
  expect(refused).toHaveBeenCalledTimes(1);
  expect(sender.trackId("camera")).toBeUndefined();
  server.up = true;
  await sender.sync();
  expect(offers).toEqual([["microphone"], ["microphone", "camera"], ["microphone", "camera"]]);
  expect(sender.trackId("camera")).toBe("id-camera");
  await sender.sync();
  await sender.set("camera", null);
  await sender.set("camera", track("video"));
  expect(offers).toHaveLength(3);
  expect(FakePeer.all).toHaveLength(1);
});

test("a share that stopped is withdrawn and offered no more; the next has a line of its own", async () => {
  const { sender, offers, unpublished } = sending();
  await sender.set("screen", track("video"));
  await sender.remove("screen");
  await sender.sync();
  expect(unpublished).toEqual(["id-screen"]);
  expect(offers).toHaveLength(1);
  await sender.set("screen", track("video"));
  expect(FakePeer.all[0]?.lines).toHaveLength(2);
});

test("a restart publishes everything on a new connection", async () => {
  const { sender, offers } = sending();
  await sender.set("microphone", track("audio"));
  await sender.set("camera", track("video"));
  await sender.restart();
  expect(offers.at(-1)).toEqual(["microphone", "camera"]);
  expect(FakePeer.all.map((pc) => pc.connectionState)).toEqual(["closed", "connected"]);
});

function receiving(subscribe: () => Promise<string> = async () => "answer") {
  const told: string[] = [];
  const tell = (what: string) => (): void => void told.push(what);
  const port: ReceiverPort = {
    subscribe, offered: tell("offered"), ready: tell("ready"), connected: tell("connected"), wavering: tell("wavering"), lost: tell("lost"), stuck: (obstacle) => told.push(`stuck: ${obstacle}`),
    refused: tell("refused"), soundBlocked: () => undefined,
  };
  return { told, receiver: new Receiver({ video: 1, audio: 2 }, port) };
}

test("an offer that cannot be made is told, leaves nothing open, and does not spoil the next", async () => {
  const { told, receiver } = receiving();
  FakePeer.offerFails = new Error("no codec");
  receiver.prepare();
  await receiver.connect();
  expect(told).toEqual(["refused"]);
  expect(FakePeer.all.map((pc) => pc.connectionState)).toEqual(["closed"]);
  FakePeer.offerFails = null;
  await receiver.connect();
  expect(told.slice(1)).toEqual(["offered", "ready", "connected"]);
  expect(receiver.mids).toEqual({ audio: ["0", "1"], video: ["2"] });
});

test("a new connection takes over only once it is agreed on", async () => {
  let up = true;
  const { told, receiver } = receiving(async () => {
    if (!up) throw new Error("away");
    return "answer";
  });
  await receiver.connect();
  const first = receiver.pc;
  up = false;
  await receiver.connect();
  expect(receiver.pc).toBe(first);
  expect(told.at(-1)).toBe("refused");
  up = true;
  await receiver.connect();
  expect(receiver.pc).not.toBe(first);
  expect((first as unknown as FakePeer).connectionState).toBe("closed");
});

test("a browser that is given no network is told of, and asked again in case it has one by then", async () => {
  vi.useFakeTimers();
  try {
    FakePeer.networks = false;
    const { told, receiver } = receiving();
    await receiver.connect();
    expect(told).toEqual(["offered", "ready"]);
    vi.advanceTimersByTime(CONNECT_MS_MAX);
    expect(told.slice(2), "its list of networks may be late").toEqual([]);
    vi.advanceTimersByTime(CONNECT_MS_MAX);
    expect(told.slice(2)).toEqual(["stuck: browser", "lost"]);
    // Then it has one, and that lets no UDP through.
    await receiver.connect();
    vi.advanceTimersByTime(CONNECT_MS_MAX);
    (receiver.pc as unknown as FakePeer).become("connecting");
    vi.advanceTimersByTime(CONNECT_MS_MAX);
    expect(told.at(-1)).toBe("stuck: udp");
    FakePeer.networks = true;
    await receiver.connect();
    expect(told.at(-1)).toBe("connected");
    vi.advanceTimersByTime(CONNECT_MS_MAX * 3);
    expect(told.at(-1)).toBe("connected");
  } finally {
    vi.useRealTimers();
  }
});

test("hung up, it carries nothing and can connect anew", async () => {
  const { receiver } = receiving();
  await receiver.connect();
  receiver.hangUp();
  expect([receiver.pc, receiver.stream("0")]).toEqual([null, undefined]);
  await receiver.connect();
  expect(receiver.stream("0")).toBeDefined();
});
