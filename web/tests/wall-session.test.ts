/** The session of a wall: one connection, what is said on it, and how it comes back. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { en } from "../src/i18n/en";
import { setDictionary } from "../src/i18n/index";
import { setPatrolWords } from "../src/i18n/patrol";
import { patrolEn } from "../src/i18n/patrol-en";
import { delayOf, type InboundCounts } from "../src/media/delay";
import type { CameraStatus, Tile, WallMessage, WallRequest } from "../src/protocol/generated/index";
import { withToken } from "../src/protocol/patrol";
import { FirstFrame } from "../src/state/patrol/first-frame";
import { EMPTY_WALL, reduce, type WallState } from "../src/state/patrol/wall";
import { LINES_MAX, WallSession, type WallTold } from "../src/state/patrol/wall-session";
import { readOptions, toBase64Url } from "../src/ui/factor/webauthn";
import "../src/ui/patrol/wall-tile";
import type { LecWallTile, TileModel } from "../src/ui/patrol/wall-tile";
import { fakeBrowser, FakePeer, FakeSocket } from "./fakes";

setDictionary(en, "en");
setPatrolWords(patrolEn);

/** A server that takes every offer and shows everything. */
class WallServer extends FakeSocket {
  static refuse: string | null = null;
  /** Takes no more messages. */
  static deaf = false;
  /** What it says right after the next answers to offers. */
  static early: WallMessage[] = [];
  get heard(): WallRequest[] {
    return this.said as unknown as WallRequest[];
  }
  tell(message: WallMessage): void {
    this.say(message as never);
  }
  override send(text: string): void {
    const message = JSON.parse(text) as WallRequest;
    (this.said as unknown as WallRequest[]).push(message);
    if (message.type === "hello") this.tell({ type: "welcome", now: Date.now() + 5_000, watermark: "Li li" });
    if (message.type === "offer") {
      this.tell({ type: "answer", req: message.req, sdp: "answer" });
      // A message of its own: a browser carries out what follows from the one before first.
      setTimeout(() => WallServer.early.forEach((told) => this.tell(told)), 1);
    }
    if (message.type === "show" && WallServer.deaf) this.tell({ type: "refused", req: message.req, code: "too_often", detail: "" });
    else if (message.type === "show" || message.type === "listen") this.tell({ type: "shown", req: message.req, refused: WallServer.refuse && message.type === "show" ? message.tiles.map((t) => ({ mid: t.mid, camera: t.camera, reason: WallServer.refuse as "busy" })) : [] });
    if (message.type === "ping") this.tell({ type: "pong", req: message.req, now: Date.now() });
  }
  shows(): Tile[][] {
    return this.heard.flatMap((m) => (m.type === "show" ? [m.tiles] : []));
  }
}

const server = (): WallServer => FakeSocket.all.at(-1) as WallServer;
const wait = (ms: number): Promise<void> => vi.advanceTimersByTimeAsync(ms).then(() => undefined);
let session: WallSession;
let told: Record<keyof WallTold, ReturnType<typeof vi.fn>>;

function begin(lines = 4, wall: WallState = reduce(reduce(EMPTY_WALL, { type: "size", tiles: 4 }), { type: "put", slot: 0, cameras: ["a", "b"] })): void {
  told = { welcomed: vi.fn(), camerasChanged: vi.fn(), exported: vi.fn(), soundRefused: vi.fn(), needsFactor: vi.fn(async () => true) };
  session = new WallSession(wall, lines, told as unknown as WallTold);
  for (let slot = 0; slot < 4; slot++) session.measured(slot, 300);
  session.start();
}

beforeEach(() => {
  vi.useFakeTimers();
  fakeBrowser();
  vi.stubGlobal("WebSocket", WallServer);
  WallServer.refuse = null;
  WallServer.deaf = false;
  WallServer.early = [];
});
afterEach(() => {
  session?.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test("hello, one offer with all lines, then what the tiles show", async () => {
  begin();
  server().accept();
  await wait(100);
  expect(server().heard.map((m) => m.type)).toEqual(["hello", "offer", "show"]);
  expect(FakePeer.all).toHaveLength(1);
  expect(FakePeer.all[0]?.lines.map((l) => [l.receiver.track.kind, l.direction])).toEqual([["audio", "recvonly"], ...Array.from({ length: 4 }, () => ["video", "recvonly"])]);
  expect(server().shows()[0]).toEqual([{ mid: "1", camera: "a", height_px: 360, thumbnail: false }, { mid: "2", camera: "b", height_px: 360, thumbnail: false }]);
  expect(session.store.get().link).toMatchObject({ phase: "up", media: "up", watermark: "Li li" });
  expect(session.now() - Date.now(), "delays are counted by the server's clock").toBeGreaterThan(4_900);
});

test("the same thing is not said twice, and tiles that settle in steps say one thing", async () => {
  begin();
  server().accept();
  await wait(100);
  for (const height of [200, 250, 320]) session.measured(0, height);
  session.measured(1, 0);
  await wait(100);
  expect(server().shows()).toHaveLength(2);
  expect(server().shows()[1]?.map((t) => t.height_px)).toEqual([360, 0]);
  session.measured(0, 321);
  await wait(100);
  expect(server().shows()).toHaveLength(2);
});

test("a lost socket is dialled again, and everything is said anew on a new connection", async () => {
  begin();
  server().accept();
  await wait(100);
  server().drop();
  await wait(0);
  expect(session.store.get().link.phase).toBe("lost");
  await wait(1_000);
  expect(FakeSocket.all).toHaveLength(2);
  server().accept();
  await wait(100);
  expect(server().heard.map((m) => m.type)).toEqual(["hello", "offer", "show"]);
  expect(session.store.get().link).toMatchObject({ phase: "up", since: null });
  expect(told.welcomed, "lists are asked for anew").toHaveBeenCalledTimes(2);
  expect(FakePeer.all.filter((p) => p.connectionState !== "closed"), "the old connection is let go").toHaveLength(1);
});

test("a hundred losses leave one connection, one socket and one line per tile", async () => {
  begin();
  for (let i = 0; i < 100; i++) {
    server().accept();
    await wait(100);
    server().drop();
    await wait(6_000);
  }
  server().accept();
  await wait(100);
  expect(FakePeer.all.filter((p) => p.connectionState !== "closed")).toHaveLength(1);
  expect(session.store.get().link.phase).toBe("up");
});

test("a dead path is met by a new connection on the same socket; the lines keep their tiles", async () => {
  begin();
  server().accept();
  await wait(100);
  FakePeer.all[0]?.become("failed");
  await wait(2_000);
  expect(FakeSocket.all).toHaveLength(1);
  expect(FakePeer.all).toHaveLength(2);
  expect(server().shows()).toHaveLength(2);
  server().tell({ type: "peer_lost" });
  await wait(2_000);
  expect(FakePeer.all).toHaveLength(3);
});

test("more tiles than lines: all lines are offered, once for good", async () => {
  begin();
  server().accept();
  await wait(100);
  session.dispatch({ type: "size", tiles: 9 });
  await wait(100);
  expect(FakePeer.all.at(-1)?.lines).toHaveLength(LINES_MAX + 1);
  session.dispatch({ type: "size", tiles: 64 });
  await wait(100);
  expect(FakePeer.all).toHaveLength(2);
});

test("sound of one camera at a time, told again after a loss", async () => {
  begin();
  server().accept();
  await wait(100);
  session.dispatch({ type: "sound", camera: "a" });
  await wait(0);
  expect(server().heard.at(-1)).toMatchObject({ type: "listen", mid: "0", camera: "a" });
  expect(server().heard.filter((m) => m.type === "listen")).toHaveLength(1);
  server().drop();
  await wait(1_000);
  server().accept();
  await wait(100);
  expect(server().heard.some((m) => m.type === "listen" && m.camera === "a")).toBe(true);
  expect(told.soundRefused).not.toHaveBeenCalled();
});

test("a sound that turns out unplayable ends, is told, and leaves the picture alone", async () => {
  begin();
  server().accept();
  await wait(100);
  session.dispatch({ type: "sound", camera: "a" });
  await wait(100);
  const listen = server().heard.findLast((m) => m.type === "listen");
  server().tell({ type: "withdrawn", tile: { mid: listen?.type === "listen" ? listen.mid : "", camera: "a", reason: "sound_not_playable" } });
  await wait(100);
  const { wall } = session.store.get();
  expect([wall.sound, wall.mute, wall.refused.size]).toEqual([null, "a", 0]);
  expect(told.soundRefused).toHaveBeenCalledExactlyOnceWith("sound_not_playable");
  session.dispatch({ type: "sound", camera: "b" });
  expect(session.store.get().wall.mute, "another is heard").toBeNull();
});

test("states, figures and what lines carry come in", async () => {
  begin();
  server().accept();
  await wait(100);
  const status: CameraStatus = { state: "live", since: 7, streams: [], clock_offset_ms: null, recording: true, durable: null };
  server().tell({ type: "carries", mid: "1", camera: "a", stream: "sub", thumbnail: false, limited: false, main_not_playable: false });
  server().tell({ type: "camera", camera: "a", status });
  server().tell({ type: "camera_state", camera: "z", state: "silent", since: 9 });
  server().tell({ type: "withdrawn", tile: { mid: "2", camera: "b", reason: "not_now" } });
  await wait(300);
  const { wall } = session.store.get();
  expect(wall.carried.get("1")?.camera).toBe("a");
  expect(wall.known.get("a")?.status?.recording).toBe(true);
  expect(wall.known.get("z")).toEqual({ state: "silent", since: 9, status: null });
  expect(wall.refused.get("b")).toBe("not_now");
});

const carries = (mid: string, camera: string): void => server().tell({ type: "carries", mid, camera, stream: "sub", thumbnail: false, limited: false, main_not_playable: false });
const carried = (mid: string): string | null => session.store.get().wall.carried.get(mid)?.camera ?? null;
const put = async (slot: number, camera: string): Promise<void> => {
  session.dispatch({ type: "put", slot, cameras: [camera] });
  await wait(100);
};

test("a line knows since when it was asked for a camera, whatever else changes, and of no other one", async () => {
  begin();
  await wait(10);
  expect(session.askedAt(0, "a"), "nothing was said yet").toBe(Infinity);
  server().accept();
  await wait(100);
  const first = session.askedAt(0, "a");
  expect(first).toBeGreaterThan(0);
  await wait(1_000);
  session.dispatch({ type: "put", slot: 1, cameras: ["c"] });
  expect([session.askedAt(1, "c"), session.askedAt(0, "c")], "put, but not said").toEqual([Infinity, Infinity]);
  await wait(100);
  expect(session.askedAt(0, "a")).toBe(first);
  expect(session.askedAt(1, "c")).toBeGreaterThan(first);
  expect(session.askedAt(1, "b")).toBe(Infinity);
});

test("what a line carried for another camera is forgotten with the message that changes it, and nothing else is", async () => {
  begin();
  server().accept();
  await wait(100);
  carries("1", "a");
  carries("2", "b");
  await wait(50);
  await put(0, "c");
  expect([carried("1"), carried("2")]).toEqual([null, "b"]);
  await put(0, "a");
  carries("1", "c");
  await wait(50);
  expect(carried("1"), "late, but the server's word").toBe("c");
  carries("1", "a");
  await wait(50);
  expect(carried("1")).toBe("a");
  session.still("ask");
  session.measured(0, 600);
  await wait(100);
  expect(carried("1"), "the same camera stays on its line").toBe("a");
});

test("a message that the server does not take forgets nothing", async () => {
  begin();
  server().accept();
  await wait(100);
  carries("1", "a");
  await wait(50);
  const asked = session.askedAt(0, "a");
  WallServer.deaf = true;
  await put(0, "c");
  expect([carried("1"), session.askedAt(0, "a"), session.askedAt(0, "c")]).toEqual(["a", asked, Infinity]);
  WallServer.deaf = false;
  await put(0, "a");
  expect([carried("1"), session.askedAt(0, "a")], "it never was another's").toEqual(["a", asked]);
});

test("what the server told of the new lines before they were ready is not lost", async () => {
  begin();
  server().accept();
  await wait(100);
  carries("1", "z");
  await wait(50);
  WallServer.early = [{ type: "carries", mid: "2", camera: "b", stream: "sub", thumbnail: false, limited: false, main_not_playable: false }];
  const slow = vi.spyOn(FakePeer.prototype, "setRemoteDescription").mockImplementationOnce(async function (this: FakePeer) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    this.become("connected");
  });
  FakePeer.all[0]?.become("failed");
  await wait(4_000);
  expect([carried("1"), carried("2")]).toEqual([null, "b"]);
  slow.mockRestore();
});

/** A tile on a page whose decoder brings frames when the test says so. */
async function tileOf(camera: string): Promise<{ tile: LecWallTile; frame: (receiveTime?: number) => Promise<string>; show: (camera: string) => Promise<void> }> {
  const tile = document.createElement("lec-wall-tile") as LecWallTile;
  let callback: ((now: number, frame: unknown) => void) | null = null;
  const model = (id: string): TileModel => ({
    slot: 0, camera: { id, name: id, place_name: "", may: {}, status: { streams: [] } } as unknown as TileModel["camera"], state: "live", since: 0, recording: false, carried: session.store.get().wall.carried.get("1") ?? null,
    refusal: null, alarm: null, delayMs: null, delayWhole: false, clockTold: false, soundless: null, selected: false, enlarged: false, hidden: false, heard: false, mute: false, replaying: false, linkUp: true, clockOffset: 0,
  });
  const show = async (id: string): Promise<void> => {
    tile.model = model(id);
    await tile.updateComplete;
    await tile.updateComplete;
  };
  tile.session = session;
  tile.act = () => undefined;
  vi.stubGlobal("ResizeObserver", class { observe(): void {} disconnect(): void {} });
  Object.assign(HTMLVideoElement.prototype, { requestVideoFrameCallback: (next: typeof callback) => ((callback = next), 1), play: async () => undefined });
  tile.model = model(camera);
  document.body.append(tile);
  await tile.updateComplete;
  const frame = async (receiveTime?: number): Promise<string> => {
    const due = callback;
    callback = null;
    due?.(performance.now(), { receiveTime });
    await tile.updateComplete;
    return tile.querySelector<HTMLElement>(".wall-tile")?.dataset["phase"] ?? "";
  };
  return { tile, frame, show };
}

test.each([true, false])("A, B and A again: no late frame of B is shown as A's, and A's picture comes (times of receipt are told: %s)", async (told) => {
  begin();
  await wait(10);
  server().accept();
  await wait(100);
  carries("1", "a");
  await wait(50);
  const { tile, frame, show } = await tileOf("a");
  const now = (): number | undefined => (told ? performance.now() : undefined);
  await wait(400);
  expect(await frame(now())).toBe("shown");

  session.dispatch({ type: "put", slot: 0, cameras: ["q"] });
  await show("q");
  await wait(100);
  const late = now();
  await wait(500);
  session.dispatch({ type: "put", slot: 0, cameras: ["a"] });
  await show("a");
  expect(await frame(late), "not said yet, and what the line carried is of before").toBe("loading");
  await wait(100);
  await show("a");
  expect(await frame(late), "the server has not told it").toBe("loading");
  carries("1", "q");
  await wait(50);
  await show("a");
  expect(await frame(late), "the server's older word").toBe("loading");
  carries("1", "a");
  await wait(50);
  await show("a");
  expect(await frame(late), "a decoder that is behind").toBe("loading");
  await wait(400);
  expect(await frame(now())).toBe("shown");

  carries("1", "q");
  await wait(50);
  await show("a");
  expect(tile.querySelector<HTMLElement>(".wall-tile")?.dataset["phase"], "another camera's picture comes").toBe("loading");
  carries("1", "a");
  await wait(50);
  await show("a");
  await wait(400);
  expect(await frame(now())).toBe("shown");
  tile.remove();
});

test("without callbacks of frames, a picture is shown once a new frame came after a moment", () => {
  const first = new FirstFrame();
  const seen = (now: number, frames: number): boolean => first.takes(now, { askedAt: 100, receivedAt: undefined, frames });
  expect(seen(5_000, 9), "nothing is said of the line").toBe(false);
  first.carries(200, true);
  expect([seen(300, 9), seen(600, 12), seen(700, 12), seen(800, 13)]).toEqual([false, false, false, true]);
});

test("what a page of lines carries is drawn once, and nothing of it outlives its connection", async () => {
  begin();
  server().accept();
  await wait(100);
  const drawn = vi.fn();
  const over = session.store.subscribe(drawn);
  for (const mid of ["1", "2", "3", "4"]) server().tell({ type: "carries", mid, camera: mid, stream: "sub", thumbnail: false, limited: false, main_not_playable: false });
  await wait(50);
  expect(drawn).toHaveBeenCalledTimes(1);
  expect([...session.store.get().wall.carried.keys()]).toEqual(["1", "2", "3", "4"]);
  over();
  server().tell({ type: "carries", mid: "1", camera: "z", stream: "sub", thumbnail: false, limited: false, main_not_playable: false });
  session.dispatch({ type: "size", tiles: 9 });
  await wait(100);
  expect(session.store.get().wall.carried.get("1")?.camera).not.toBe("z");
});

test("a busy server is asked again after a moment", async () => {
  WallServer.refuse = "busy";
  begin();
  server().accept();
  await wait(100);
  WallServer.refuse = null;
  await wait(3_200);
  expect(server().shows()).toHaveLength(2);
  expect(session.store.get().wall.refused.size).toBe(0);
});

test("ended for want of the second factor: it is asked for, and the wall comes back", async () => {
  begin();
  server().accept();
  await wait(100);
  server().tell({ type: "closed", code: "needs_second_factor" });
  await wait(100);
  expect(told.needsFactor).toHaveBeenCalledOnce();
  expect(FakeSocket.all).toHaveLength(2);
  server().accept();
  await wait(100);
  expect(session.store.get().link.phase).toBe("up");
});

test("ended for good: nothing is dialled until somebody asks for it", async () => {
  begin();
  server().accept();
  await wait(100);
  server().tell({ type: "closed", code: "not_authorised" });
  await wait(60_000);
  expect(FakeSocket.all).toHaveLength(1);
  expect(session.store.get().link).toMatchObject({ phase: "closed", code: "not_authorised" });
  session.again();
  expect(FakeSocket.all).toHaveLength(2);
});

test("a tour turns by itself, and each page is said once", async () => {
  begin(4, reduce(EMPTY_WALL, { type: "size", tiles: 4 }));
  server().accept();
  await wait(100);
  session.dispatch({ type: "tour", now: Date.now(), wish: { place: "p", groups: [], dwell_s: 5 }, cameras: [..."abcdefgh"] });
  await wait(11_000);
  expect(server().shows().map((tiles) => tiles.map((t) => t.camera).join(""))).toEqual(["", "abcd", "efgh", "abcd"].slice(server().shows().length === 4 ? 0 : 1));
});

test("the age of a picture: from its capture time where the browser tells it, else from what it waited", () => {
  const is: InboundCounts = { framesDecoded: 100, totalProcessingDelay: 20, jitterBufferDelay: 5, jitterBufferEmittedCount: 100, estimatedPlayoutTimestamp: null };
  const before: InboundCounts = { ...is, framesDecoded: 50, totalProcessingDelay: 10, jitterBufferDelay: 2.5, jitterBufferEmittedCount: 50 };
  expect(delayOf(0, is, before, 40, null)).toEqual({ ms: 220, whole: false });
  expect(delayOf(0, is, null, 40, 0)).toBeNull();
  const now = 1_800_000_000_000;
  const told = { ...is, estimatedPlayoutTimestamp: now - 310 + 2_208_988_800_000 };
  expect(delayOf(now, told, before, 40, 0)).toEqual({ ms: 310, whole: true });
  expect(delayOf(now, told, before, 40, 90), "a camera that is ahead took it earlier").toEqual({ ms: 400, whole: true });
  expect(delayOf(now, told, before, 40, null), "a camera without a clock: from the server on").toEqual({ ms: 310, whole: false });
  expect(delayOf(now, { ...is, estimatedPlayoutTimestamp: 5 }, before, 40, 0)?.ms, "a clock that is wrong is not believed").toBe(220);
});

test("a media address gets another token, and nothing else changes", () => {
  expect(withToken("https://x/api/v1/patrol/media/OLD/s001.m4s?a=b", "N/W")).toBe("https://x/api/v1/patrol/media/N%2FW/s001.m4s?a=b");
  expect(withToken("/other/OLD", "NEW")).toBe("/other/OLD");
});

test("options of a security key become bytes and come back", () => {
  const options = readOptions({ state: "s", public_key: JSON.stringify({ challenge: "AQID_-8", user: { id: "AQ", name: "li", displayName: "Li" }, allowCredentials: [{ type: "public-key", id: "AgM" }] }) });
  expect([...(options["challenge"] as Uint8Array)]).toEqual([1, 2, 3, 255, 239]);
  expect(toBase64Url((options["challenge"] as Uint8Array<ArrayBuffer>).buffer)).toBe("AQID_-8");
  expect([...((options["allowCredentials"] as { id: Uint8Array }[])[0]?.id ?? [])]).toEqual([2, 3]);
  expect([...(options["user"] as { id: Uint8Array }).id]).toEqual([1]);
});
