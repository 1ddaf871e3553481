// A recording as it lies on disk and as players see it: frame numbers read from the archive's own files, ffprobe, GStreamer,
// hls.js and Shaka.

import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { decodeStrip, stripHeight, STRIP_CELLS } from "./strip.mjs";
import { PATIENCE } from "./wait.mjs";

const run = promisify(execFile);
const require = createRequire(import.meta.url);

/** The directory of a recording: <data>/recordings/<day>/<id>. */
export async function recordingDirectory(server, id) {
  const root = join(server.data, "recordings");
  for (const day of await readdir(root)) {
    if ((await readdir(join(root, day))).includes(id)) return join(root, day, id);
  }
  throw new Error(`no directory of recording ${id} under ${root}`);
}

/** What ffprobe finds: { format, streams }. */
export async function probe(file) {
  const { stdout } = await run("ffprobe", ["-v", "error", "-show_format", "-show_streams", "-of", "json", file], { maxBuffer: 1 << 24 });
  return JSON.parse(stdout);
}

/** A file's height, and the strips of its decoded pictures in order: [{ frame, ms } | null]. Only the strip's row leaves the decoder. */
export async function stripsOf(file) {
  const video = (await probe(file)).streams.find((stream) => stream.codec_type === "video");
  if (!video) return { height: 0, strips: [] };
  const { width, height } = video;
  const row = Math.floor(stripHeight(height) / 2) & ~1;
  const { stdout } = await run("ffmpeg", ["-v", "error", "-i", file, "-map", "0:v:0", "-vsync", "passthrough", "-vf", `crop=${width}:2:0:${row}`,
    "-f", "rawvideo", "-pix_fmt", "gray", "-"], { maxBuffer: 1 << 30, encoding: "buffer" });
  const strips = [];
  for (let from = 0; from + width * 2 <= stdout.length; from += width * 2) {
    strips.push(decodeStrip((cell) => stdout[from + Math.floor(((cell + 0.5) * width) / STRIP_CELLS)]));
  }
  return { height, strips };
}

/** All frame numbers of a recording's pictures, per file: { "<track>.<n>.cmf": { height, numbers, unreadable } }. */
export async function archivedFrames(directory) {
  const files = (await readdir(directory)).filter((name) => name.endsWith(".cmf")).sort();
  const found = {};
  for (const name of files) {
    const { height, strips } = await stripsOf(join(directory, name));
    if (strips.length > 0) found[name] = { height, numbers: strips.filter(Boolean).map(({ frame }) => frame), unreadable: strips.filter((strip) => !strip).length };
  }
  return found;
}

/**
 * Which frames the archive should hold and doesn't. Each layer of a simulcast has an encoder that leaves out frames of its
 * own choice, so only a frame seen on the layer that was recorded just then must be there: these are `lost`. While the recorder
 * changed to the viewer's layer (one that dies leaves a recording without pictures until another has a keyframe) they are `changing`,
 * and such a hole must be listed ({@link unlisted}); while both were on different layers, `otherLayer`.
 * @param {Record<string, { height: number, numbers: number[] }>} files as archivedFrames gives them
 * @param {Iterable<[number, number, number, number]>} seen what a viewer decoded: frame number, age, height, time
 */
export function missingFrames(files, seen) {
  const heightOf = new Map();
  for (const { height, numbers } of Object.values(files)) for (const number of numbers) heightOf.set(number, height);
  const kept = [...heightOf.keys()].sort((a, b) => a - b);
  const missing = { lost: [], changing: [], otherLayer: [] };
  for (const [number, , height] of seen) {
    if (heightOf.has(number)) continue;
    const after = kept.findIndex((one) => one > number);
    // The layer that the recorder was on when this frame came is that of the last one kept before it.
    const before = kept[after === -1 ? kept.length - 1 : after - 1] ?? kept[after];
    if (before === undefined || heightOf.get(before) === height) missing.lost.push(number);
    else (after !== -1 && heightOf.get(kept[after]) === height ? missing.changing : missing.otherLayer).push(number);
  }
  return missing;
}

/** Frames of half a second: what a change of layer may cost without an entry. */
const UNLISTED_FRAMES_MAX = 13;
/** The marked clip has 25 frames a second. */
const FRAME_MS = 40;

/** What of {@link missingFrames} a recording does not account for: its gaps excuse as many frames as they are long. */
export function unlisted({ lost, changing }, gaps) {
  const losses = gaps.filter(({ track, cause }) => track !== null && cause !== "muted");
  const listed = Math.ceil(losses.reduce((sum, { from_ms, to_ms }) => sum + to_ms - from_ms, 0) / FRAME_MS);
  const left = Math.max(0, listed - lost.length);
  return [...(lost.length > listed ? lost : []), ...(changing.length > UNLISTED_FRAMES_MAX + left ? changing : [])];
}

/** How many pictures (or, in a file of sound, packets) ffmpeg decodes of a file. */
export async function ffmpegDecodes(file) {
  const { stdout } = await run("ffprobe", ["-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", file]);
  return Number(stdout.trim());
}

/** Whether GStreamer decodes a file to its end: the number of decoded buffers. */
export async function gstreamerDecodes(file) {
  const { stdout } = await run("gst-launch-1.0", ["-v", "filesrc", `location=${file}`, "!", "decodebin", "!", "identity", "silent=false", "!", "fakesink"],
    { maxBuffer: 1 << 28, timeout: 120_000 * PATIENCE });
  return (stdout.match(/chain {3}\*{7}/g) ?? []).length;
}

/** The strip's functions as a script for a page: global there, and harmless when they come twice. */
export const stripScript = async () =>
  (await readFile(new URL("./strip.mjs", import.meta.url), "utf8")).replace(/^export /gm, "").replace(/^const /gm, "var ");

/** Plays a playlist in a page with hls.js or Shaka, and reads the strip of what is drawn until `frames` were read. */
export async function playInPage(page, player, playlist, { frames = 25, from = 0 } = {}) {
  const library = { "hls.js": "hls.js/dist/hls.min.js", shaka: "shaka-player/dist/shaka-player.compiled.js" }[player];
  await page.evaluate(`${await readFile(require.resolve(library), "utf8")};undefined`);
  await page.evaluate(`${await stripScript()};undefined`);
  return page.evaluate(async ([name, url, wanted, start, within]) => {
    document.body.replaceChildren();
    const video = document.body.appendChild(document.createElement("video"));
    Object.assign(video, { muted: true, playsInline: true });
    const errors = [];
    if (name === "hls.js") {
      const hls = new window.Hls({ enableWorker: false });
      hls.on(window.Hls.Events.ERROR, (_, data) => errors.push(`${data.type} ${data.details} ${data.fatal ? "fatal" : ""}`));
      hls.loadSource(url);
      hls.attachMedia(video);
    } else {
      const shaka = new window.shaka.Player();
      shaka.addEventListener("error", ({ detail }) => errors.push(`shaka ${detail.code}`));
      await shaka.attach(video);
      await shaka.load(url, start).catch((error) => errors.push(`shaka ${error.code} ${error.message}`));
    }
    const seen = [];
    const canvas = new OffscreenCanvas(64, 1);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    await new Promise((done) => {
      const deadline = setTimeout(done, within);
      const frame = () => {
        const { videoWidth: width, videoHeight: height } = video;
        canvas.width = width;
        context.drawImage(video, 0, Math.floor(stripHeight(height) / 2), width, 1, 0, 0, width, 1);
        const row = context.getImageData(0, 0, width, 1).data;
        const found = decodeStrip((cell) => row[Math.floor(((cell + 0.5) * width) / STRIP_CELLS) * 4 + 1]);
        if (found) seen.push(found.frame);
        if (seen.length < wanted) return video.requestVideoFrameCallback(frame);
        clearTimeout(deadline);
        return done();
      };
      video.requestVideoFrameCallback(frame);
      video.addEventListener("ended", done, { once: true }); // there are no more
      video.addEventListener("loadedmetadata", () => {
        if (start && name === "hls.js") video.currentTime = start;
        video.play().catch((error) => errors.push(String(error)));
      }, { once: true });
      if (video.readyState > 0) video.play().catch((error) => errors.push(String(error)));
    });
    return { seen, errors, duration: video.duration, width: video.videoWidth };
  }, [player, playlist, frames, from, 30_000 * PATIENCE]);
}
