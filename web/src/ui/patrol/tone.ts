/** The tone of an alarm: two short notes; again every half minute while one is open that nobody has taken on. */
import { thresholds } from "../../protocol/patrol";
import type { AlarmItem, PlaceId, Thresholds } from "../../protocol/generated/index";
import { isUrgent } from "../../state/patrol/wall";

const AGAIN_MS = 30_000;
export const MUTE_MS = 10 * 60_000;
/** How long what was asked about a place counts. */
const KEEP_MS = 5 * 60_000;

/** Whether a tone is due. Pure. `known`: open alarms when it last sounded. */
export function toneDue(now: number, urgent: readonly string[], known: ReadonlySet<string>, soundedAt: number, mutedUntil: number): boolean {
  if (urgent.length === 0 || now < mutedUntil) return false;
  return urgent.some((id) => !known.has(id)) || now - soundedAt >= AGAIN_MS;
}

export class AlarmTone {
  mutedUntil = 0;
  #context: AudioContext | null = null;
  #known = new Set<string>();
  #soundedAt = 0;
  #rules = new Map<PlaceId, { at: number; rules: Promise<Thresholds[]> }>();

  mute(now: number): void {
    this.mutedUntil = now + MUTE_MS;
  }
  unmute(): void {
    this.mutedUntil = 0;
  }

  /** A click lets the browser make sound at all. */
  wake(): void {
    try {
      this.#context ??= new AudioContext();
      if (this.#context.state === "suspended") void this.#context.resume();
    } catch {
      // No sound on this machine: the rail and the red frame remain.
    }
  }

  /** To be called whenever alarms changed, and now and then. */
  async look(now: number, alarms: readonly AlarmItem[]): Promise<void> {
    const urgent: string[] = [];
    for (const alarm of alarms) if (isUrgent(alarm) && (await this.#sounds(now, alarm))) urgent.push(alarm.id);
    if (toneDue(now, urgent, this.#known, this.#soundedAt, this.mutedUntil)) {
      this.#soundedAt = now;
      this.play();
    }
    if (now >= this.mutedUntil) this.#known = new Set(urgent);
  }

  play(): void {
    this.wake();
    const context = this.#context;
    if (!context || context.state !== "running") return;
    [880, 660].forEach((frequency, i) => {
      const from = context.currentTime + i * 0.18;
      const note = context.createOscillator();
      const gain = context.createGain();
      note.frequency.value = frequency;
      gain.gain.setValueAtTime(0, from);
      gain.gain.linearRampToValueAtTime(0.25, from + 0.01);
      gain.gain.linearRampToValueAtTime(0, from + 0.16);
      note.connect(gain).connect(context.destination);
      note.start(from);
      note.stop(from + 0.17);
    });
  }

  close(): void {
    void this.#context?.close().catch(() => undefined);
    this.#context = null;
  }

  async #sounds(now: number, alarm: AlarmItem): Promise<boolean> {
    let kept = this.#rules.get(alarm.place);
    if (!kept || now - kept.at > KEEP_MS) {
      kept = { at: now, rules: thresholds(alarm.place).catch(() => []) };
      this.#rules.set(alarm.place, kept);
    }
    // Who may not read the setting hears the tone.
    return (await kept.rules).find((r) => r.group === alarm.group)?.tone ?? true;
  }
}
