/** States, faults, gaps and spans in words. */
import { p } from "../../i18n/patrol";
import { t } from "../../i18n";
import { clockS } from "../../i18n/format";
import { isoDay } from "../../i18n/zone";
import { isWhole } from "../../state/patrol/day";
import type { AlarmItem, Camera, CameraDay, CameraGap, CameraState, CameraStatus, CheckFinding } from "../../protocol/generated/index";

export { clockS };

/** 2026-11-21 10:02:11 */
export const stamp = (ms: number): string => `${isoDay(ms)} ${clockS(ms)}`;

/** How long, in the largest two units that matter: 12 秒, 3 分钟, 2 小时 5 分. */
export function lasting(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1_000));
  if (s < 60) return p.time.seconds(s);
  if (s < 3_600) return p.time.minutes(Math.floor(s / 60));
  if (s < 86_400) return p.time.hours(Math.floor(s / 3_600), Math.floor(s / 60) % 60);
  return p.time.days(Math.floor(s / 86_400), Math.floor(s / 3_600) % 24);
}

/** How a camera's clock goes: 快 7.0 秒, 慢 350 毫秒, 准. Long ones as spans: a wrong time zone is hours. */
export function clockWords(offsetMs: number): string {
  const off = Math.abs(Math.round(offsetMs));
  if (off === 0) return p.time.exact;
  const by = off < 1_000 ? p.time.millis(off) : off < 59_950 ? p.time.tenths(off) : lasting(off);
  return offsetMs > 0 ? p.time.ahead(by) : p.time.behind(by);
}

export const isDead = (state: CameraState): boolean => state !== "live";

/** 离线 3 分钟 */
export const stateSince = (state: CameraState, since: number, now: number): string => p.state.since(p.state[state], lasting(now - since));

export const gapCause = (gap: Pick<CameraGap, "cause">): string => t.player.gapCauses[gap.cause];

/** 无录像：网络中断 10:02:11–10:02:40; of one stream, where another shows the picture. */
export function gapWords(gap: CameraGap, day: CameraDay): string {
  const range = `${clockS(gap.from)}–${clockS(gap.to)}`;
  return gap.stream === null || isWhole(day, gap) ? p.timeline.gap(gapCause(gap), range) : p.timeline.gapOf(p.streams[gap.stream], gapCause(gap), range);
}

/** H.264, as standards and boxes write it. */
export const codecWords = (codec: string): string => codec.toUpperCase().replace(/^H(26\d)$/, "H.$1");

export const alarmWords = (a: AlarmItem): string => p.faults[a.fault];

export function findingWords(f: CheckFinding): string {
  const what = f.fault ? p.faults[f.fault] : p.checkItems[f.item];
  if (f.measure === null) return what;
  if (f.item === "continuous" || f.item === "recorded") return `${what} (${f.measure < 10_000 ? p.time.delay(f.measure) : lasting(f.measure)})`;
  if (f.fault === "wrong_clock" || f.item === "clock") return `${what} (${clockWords(f.measure)})`;
  const unit = f.item === "picture" ? " %" : "";
  return `${what} (${f.measure}${unit})`;
}

/** Why a camera can't be heard; nothing if it can. */
export function soundless(camera: Camera, { streams }: CameraStatus): string | null {
  if (!camera.may.listen) return p.tile.mayNotListen;
  // Before its streams are known it may have one.
  return streams.length > 0 && !streams.some((s) => s.stream === "sound") ? p.tile.noSound : null;
}
