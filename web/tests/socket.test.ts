import { expect, test, vi } from "vitest";
import type { ServerMessage } from "../src/protocol/generated/index";
import { Refusal, RoomSocket, socketUrl } from "../src/protocol/socket";

class FakeSocket {
  readyState = 1;
  sent: string[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((e: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  send(text: string): void {
    this.sent.push(text);
  }
  close(): void {
    this.readyState = 3;
  }
  say(message: unknown): void {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }
}

function open() {
  const fake = new FakeSocket();
  const heard: ServerMessage[] = [];
  const closed = vi.fn();
  const socket = new RoomSocket("ws://x/ws", { open: () => undefined, message: (m) => heard.push(m), closed }, () => fake as unknown as WebSocket);
  return { fake, heard, closed, socket };
}

test("an answer reaches who asked, by number", async () => {
  const { fake, socket } = open();
  const a = socket.ask({ type: "subscribe", sdp: "a" });
  const b = socket.ask({ type: "subscribe", sdp: "b" });
  fake.say({ type: "answer", req: 2, sdp: "B", tracks: [] });
  fake.say({ type: "answer", req: 1, sdp: "A", tracks: [] });
  expect(await a).toMatchObject({ sdp: "A" });
  expect(await b).toMatchObject({ sdp: "B" });
});

test("a refusal rejects with its code", async () => {
  const { fake, socket } = open();
  const asked = socket.ask({ type: "publish", sdp: "", lines: [] });
  fake.say({ type: "refused", req: 1, code: "not_on_stage", detail: "…" });
  await expect(asked).rejects.toMatchObject({ code: "not_on_stage" });
});

test("a lost line rejects every question and tells once", async () => {
  const { fake, closed, socket } = open();
  const asked = socket.ask({ type: "ping" });
  fake.onclose?.();
  fake.onclose?.();
  await expect(asked).rejects.toBeInstanceOf(Refusal);
  expect(closed).toHaveBeenCalledTimes(1);
  expect(socket.send({ type: "open" })).toBe(false);
});

test("what cannot be read is passed over", () => {
  const { fake, heard } = open();
  fake.say("{not json");
  fake.say({ type: "count", participants: 3 });
  expect(heard).toHaveLength(1);
});

test("the socket's address follows the page's", () => {
  expect(socketUrl({ protocol: "https:", host: "a.example" })).toBe("wss://a.example/ws");
  expect(socketUrl({ protocol: "http:", host: "localhost:7780" })).toBe("ws://localhost:7780/ws");
});
