// The measuring instruments, tried on a call inside one page: if these fail, no other figure means anything.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { Browser } from "../lib/browser.mjs";
import { lipSync, pictureFigures } from "../lib/measure.mjs";
import { until } from "../lib/wait.mjs";

let browser;
let server;

before(async () => {
  server = createServer((_, answer) => answer.setHeader("content-type", "text/html").end("<!doctype html><title>call</title>"));
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  browser = await Browser.launch();
});

after(async () => {
  await browser?.close();
  server?.close();
});

/** Publisher and receiver in one page: what is sent as `kind` (camera or screen) arrives at the other connection. */
async function call(page, { video = "getUserMedia" } = {}) {
  await page.goto(`http://localhost:${server.address().port}/`);
  await page.evaluate(async (source) => {
    const stream = await navigator.mediaDevices[source]({ video: true, audio: true });
    const [from, to] = [new RTCPeerConnection(), new RTCPeerConnection()];
    from.onicecandidate = ({ candidate }) => candidate && to.addIceCandidate(candidate);
    to.onicecandidate = ({ candidate }) => candidate && from.addIceCandidate(candidate);
    to.ontrack = ({ track, streams }) => {
      const player = document.body.appendChild(document.createElement(track.kind));
      player.srcObject = streams[0];
      player.play();
    };
    for (const track of stream.getTracks()) from.addTrack(track, stream);
    await from.setLocalDescription();
    await to.setRemoteDescription(from.localDescription);
    await to.setLocalDescription();
    await from.setRemoteDescription(to.localDescription);
    window.call = { from, to, stream };
  }, video);
}

test("every decoded frame of a call is read, in order, and the beeps are in step", async () => {
  const person = await browser.person("caller", { source: { firstFrame: 5000 } });
  await call(person.page);
  await until("six beeps are heard", async () => (await person.report()).audios[0]?.beeps.length >= 6, 60_000);
  const report = await person.report();
  const figures = pictureFigures(report.videos[0]);
  console.log(`# ${JSON.stringify({ ...figures, lipSync: lipSync(report.videos[0], report.audios[0]) })}`);
  assert.ok(figures.readable > 60, `${figures.readable} frames were read`);
  assert.ok(figures.first >= 5000 && figures.last < 105_000, "numbers are those of this source");
  assert.ok(figures.inOrder, "frames arrive in order");
  assert.equal(figures.unreadable, 0, "no strip is damaged by encoding");
  assert.ok(lipSync(report.videos[0], report.audios[0]).matched >= 3, "beeps belong to frames");
  assert.deepEqual(report.errors, []);
});

test("a shared screen has numbers of its own", async () => {
  const person = await browser.person("sharer");
  await call(person.page, { video: "getDisplayMedia" });
  await until("frames of the screen arrive", async () => (await person.report()).videos[0]?.frames.length > 5, 60_000);
  assert.ok(pictureFigures((await person.report()).videos[0]).first >= 400_000);
});

test("a denied or missing camera fails as a browser's does", async () => {
  for (const [fail, name] of [["denied", "NotAllowedError"], ["no-camera", "NotFoundError"], ["busy", "NotReadableError"]]) {
    const person = await browser.person(fail, { source: { fail } });
    await person.page.goto(`http://localhost:${server.address().port}/`);
    const got = await person.page.evaluate(() => navigator.mediaDevices.getUserMedia({ video: true }).catch((error) => error.name));
    assert.equal(got, name);
    await person.context.close();
  }
});
