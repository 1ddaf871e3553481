/**
 * Saves what a tile shows as a picture with the viewer's mark. The server is told first, and writes down who took it: a picture
 * that it does not know of is not saved.
 */
import { problemWords } from "../../i18n";
import { p } from "../../i18n/patrol";
import type { CameraId } from "../../protocol/generated/index";
import { grant, tellSnapshot } from "../../protocol/patrol";
import { notify } from "../announce";
import { drawMark } from "./watermark";
import { stamp } from "./words-of";

export interface Shot {
  camera: CameraId;
  name: string;
  /** When what is shown was. */
  at: number;
  /** Whether it is live: the grant then names no time. */
  live: boolean;
  viewer: string;
}

export async function takeSnapshot(video: HTMLVideoElement, shot: Shot): Promise<void> {
  if (video.videoWidth === 0) return void notify({ text: p.tile.noPicture });
  // The very picture that was seen: drawn before the question to the server, saved only after its answer.
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const pen = canvas.getContext("2d");
  if (!pen) return;
  pen.drawImage(video, 0, 0);
  drawMark(pen, shot.viewer, shot.name, shot.at);
  try {
    const at = shot.live ? null : Math.round(shot.at);
    const { token } = await grant(shot.camera, { purpose: "snapshot", from: at, to: at === null ? null : at + 1 });
    await tellSnapshot(token, at);
  } catch (error) {
    return void notify({ text: problemWords(error).what });
  }
  canvas.toBlob((blob) => {
    if (!blob) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${shot.name} ${stamp(shot.at).replaceAll(":", "-")}.jpg`.replaceAll(/[\\/:*?"<>|]/g, "_");
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    notify({ text: p.tile.saved(link.download) });
  }, "image/jpeg", 0.92);
}
