// From what the probe saw in a page to the figures of the issue.

/** The value below which the share `part` of the numbers lies. */
export function percentile(numbers, part) {
  if (numbers.length === 0) return null;
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

const spread = (numbers) => ({
  p50: percentile(numbers, 0.5), p95: percentile(numbers, 0.95), p99: percentile(numbers, 0.99), max: percentile(numbers, 1),
});

/**
 * What one received picture looked like: order, gaps, repeats, delay, freezes, sizes.
 * @param {{ decoded: number, unreadable: number, frames: [number, number, number, number][] }} video
 */
export function pictureFigures(video) {
  const numbers = video.frames.map(([frame]) => frame);
  const steps = numbers.slice(1).map((number, index) => number - numbers[index]);
  const times = video.frames.map(([, , , at]) => at);
  const intervals = times.slice(1).map((at, index) => at - times[index]);
  const heights = {};
  for (const [, , height] of video.frames) heights[height] = (heights[height] ?? 0) + 1;
  return {
    decoded: video.decoded,
    readable: numbers.length,
    unreadable: video.unreadable,
    first: numbers[0] ?? null,
    last: numbers.at(-1) ?? null,
    inOrder: steps.every((step) => step >= 0),
    backwards: steps.filter((step) => step < 0).length,
    repeated: steps.filter((step) => step === 0).length,
    missing: steps.reduce((sum, step) => sum + Math.max(0, step - 1), 0),
    delayMs: spread(video.frames.map(([, age]) => age)),
    freezes: intervals.filter((interval) => interval > 300).length,
    longestFreezeMs: Math.round(Math.max(0, ...intervals)),
    heights,
  };
}

/**
 * How far each beep is from the picture that belongs to it: positive when the sound comes late. The publisher beeps with
 * every frame whose number is a multiple of its rate.
 */
export function lipSync(video, audio, fps = 25) {
  const marks = video.frames.filter(([frame]) => frame % fps === 0).map(([, , , at]) => at);
  const steps = [];
  for (const mark of marks) {
    const nearest = audio.beeps.reduce((best, beep) => (Math.abs(beep - mark) < Math.abs(best - mark) ? beep : best), Infinity);
    if (Math.abs(nearest - mark) < 500) steps.push(nearest - mark);
  }
  return { beeps: audio.beeps.length, marks: marks.length, matched: steps.length, stepMs: spread(steps), absMs: spread(steps.map(Math.abs)) };
}

/** The longest silence between chunks of sound, and how many were above 100 ms. */
export const soundFigures = (audio) => ({
  chunks: audio.chunks, gapsOver100Ms: audio.gaps.length, longestGapMs: Math.max(0, ...audio.gaps.map(([, gap]) => gap)),
});

/** Sound that was made up because none had come: how often, how much, and the longest stretch within one look of 200 ms. */
export const concealment = ({ concealed }) => ({
  looks: concealed.length, totalMs: concealed.reduce((sum, [, ms]) => sum + ms, 0), worstMs: Math.max(0, ...concealed.map(([, ms]) => ms)),
  over100Ms: concealed.filter(([, ms]) => ms > 100).length,
});

/** What a page received between two looks at its statistics, per kind: { kbps, lost } of RTP payloads, and headers' kbps. */
export function received(before, after) {
  const rows = (stats) => stats.flatMap((one) => one.rows).filter((row) => row.type === "inbound-rtp");
  const was = new Map(rows(before).map((row) => [row.id, row]));
  const kinds = {};
  for (const row of rows(after)) {
    const old = was.get(row.id);
    if (!old || row.bytesReceived === old.bytesReceived) continue;
    const kind = (kinds[row.kind] ??= { kbps: 0, headersKbps: 0, lost: 0 });
    const kbps = (bytes) => Math.round((bytes * 8) / (row.timestamp - old.timestamp));
    kind.kbps += kbps(row.bytesReceived - old.bytesReceived);
    kind.headersKbps += kbps(row.headerBytesReceived - old.headerBytesReceived);
    kind.lost += row.packetsLost - old.packetsLost;
  }
  return kinds;
}
