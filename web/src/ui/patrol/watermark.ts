/**
 * The viewer's name and the time, faint, over every picture: whoever photographs the wall photographs their own name. It
 * moves a step every few seconds, so that it can't be cropped away; continuous motion over 64 tiles would cost an old PC more
 * than the pictures.
 */
import { stamp } from "./words-of";

export const STEP_MS = 5_000;
const UNKNOWN_MS = 50;

const escape = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** Narrower tiles have the words in more lines, and not smaller: whoever takes a picture of the wall can be read in it. */
const SIZES = {
  wide: { width: 260, height: 120, font: 13 },
  narrow: { width: 132, height: 80, font: 12 },
} as const;

/** A picture of the words, to be repeated behind nothing and before everything. */
export function markImage(viewer: string, now: number, size: keyof typeof SIZES = "wide"): string {
  const { width, height, font } = SIZES[size];
  const lines = size === "wide" ? [viewer, stamp(now)] : [...(viewer.length > 14 ? viewer.split(" ") : [viewer]), ...stamp(now).split(" ")];
  const step = font + 4;
  const top = height / 2 - ((lines.length - 2) * step) / 2;
  const words = lines.map((line, i) => `<text x="${width / 13}" y="${top + i * step}">${escape(line)}</text>`).join("");
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><g font-family="sans-serif" font-size="${font}" transform="rotate(-18 ${width / 2} ${height / 2})" fill="#fff" fill-opacity=".17" stroke="#000" stroke-opacity=".17" stroke-width="2" paint-order="stroke">${words}</g></svg>`;
  return `url("data:image/svg+xml,${encodeURIComponent(svg)}")`;
}

/** Puts it on an element as custom properties, and moves it until released. */
export function keepMarked(element: HTMLElement, viewer: () => string, now: () => number): () => void {
  let step = 0;
  const move = (): void => {
    if (document.visibilityState !== "visible" && step > 0) return;
    step += 1;
    // Steps that share no divisor with the size of the picture: it comes everywhere.
    element.style.setProperty("--mark", markImage(viewer(), now()));
    element.style.setProperty("--mark-narrow", markImage(viewer(), now(), "narrow"));
    element.style.setProperty("--mark-x", `${(step * 37) % 260}px`);
    element.style.setProperty("--mark-y", `${(step * 23) % 120}px`);
  };
  // Whose name it is the server says; until then it is asked for, so that no picture is long without.
  let timer: ReturnType<typeof setTimeout>;
  const next = (): void => {
    move();
    timer = setTimeout(next, viewer() === "" ? UNKNOWN_MS : STEP_MS);
  };
  next();
  return () => clearTimeout(timer);
}

/** Draws it into a picture that is saved: the same words, and one line that can be read. */
export function drawMark(pen: CanvasRenderingContext2D, viewer: string, camera: string, at: number): void {
  const { width, height } = pen.canvas;
  const size = Math.max(12, Math.round(height / 36));
  pen.save();
  pen.font = `${size}px sans-serif`;
  pen.lineWidth = Math.max(2, size / 8);
  const words = `${viewer} ${stamp(at)}`;
  const step = pen.measureText(words).width + size * 4;
  pen.translate(width / 2, height / 2);
  pen.rotate(-0.3);
  pen.fillStyle = "rgb(255 255 255 / 14%)";
  pen.strokeStyle = "rgb(0 0 0 / 14%)";
  for (let y = -height; y < height; y += size * 6) {
    for (let x = -width + ((y / size) % 3) * size * 3; x < width; x += step) {
      pen.strokeText(words, x, y);
      pen.fillText(words, x, y);
    }
  }
  pen.restore();
  pen.font = `${size}px sans-serif`;
  pen.fillStyle = "rgb(0 0 0 / 60%)";
  pen.fillRect(0, height - size * 1.8, width, size * 1.8);
  pen.fillStyle = "#fff";
  pen.fillText(`${camera}  ${stamp(at)}  ${viewer}`, size * 0.6, height - size * 0.6);
}
