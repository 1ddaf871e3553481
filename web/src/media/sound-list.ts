/** A playlist of recorded sound as the server writes it (RFC 8216): which segment lies when. Pure. */

export interface SoundSegment {
  /** Unix milliseconds. */
  from: number;
  to: number;
  url: string;
  init: string;
}

/** Segments with a time and a header; EXT-X-GAP is nothing. Addresses are made whole against the playlist's own. */
export function readSoundList(text: string, base: string): SoundSegment[] {
  const found: SoundSegment[] = [];
  let init = "";
  let at: number | null = null;
  let seconds = 0;
  let gap = false;
  for (const raw of text.split("\n")) {
    const line = raw.trim();
    const value = line.slice(line.indexOf(":") + 1);
    if (line.startsWith("#EXT-X-MAP:")) init = new URL(/URI="([^"]*)"/.exec(value)?.[1] ?? "", base).href;
    else if (line.startsWith("#EXT-X-PROGRAM-DATE-TIME:")) at = Date.parse(value);
    else if (line.startsWith("#EXTINF:")) seconds = Number.parseFloat(value);
    else if (line === "#EXT-X-GAP") gap = true;
    else if (line !== "" && !line.startsWith("#")) {
      if (!gap && init !== "" && at !== null && Number.isFinite(at) && seconds > 0) found.push({ from: at, to: at + seconds * 1_000, url: new URL(line, base).href, init });
      // Who gives no time of its own follows the one before.
      at = at === null ? null : at + seconds * 1_000;
      gap = false;
    }
  }
  return found;
}

/** The segments that are heard from `at` on for `aheadMs`, in their order. */
export function segmentsFor(list: readonly SoundSegment[], at: number, aheadMs: number): SoundSegment[] {
  return list.filter((s) => s.to > at && s.from < at + aheadMs);
}
