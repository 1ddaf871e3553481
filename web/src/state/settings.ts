/** What a person chose for this browser: language, theme, name, devices. Kept in local storage, if there is any. */
import { createStore } from "./store";

export type Language = "zh-CN" | "en";
export type Theme = "system" | "light" | "dark";

export interface Settings {
  language: Language;
  theme: Theme;
  /** The name last used to join by link. */
  name: string;
  cameraId: string;
  microphoneId: string;
  speakerId: string;
  /** Whether one joins with camera and microphone on. */
  cameraOn: boolean;
  microphoneOn: boolean;
  /** 0 to 1, the player's volume. */
  volume: number;
  rate: number;
}

const KEY = "lectern.settings";

function initial(): Settings {
  const browser = typeof navigator === "undefined" ? "zh-CN" : navigator.language;
  const defaults: Settings = {
    language: browser.toLowerCase().startsWith("zh") ? "zh-CN" : "en",
    theme: "system",
    name: "",
    cameraId: "",
    microphoneId: "",
    speakerId: "",
    cameraOn: true,
    microphoneOn: true,
    volume: 1,
    rate: 1,
  };
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Settings>;
    for (const key of Object.keys(defaults) as (keyof Settings)[]) {
      if (typeof kept[key] === typeof defaults[key]) Object.assign(defaults, { [key]: kept[key] });
    }
    if (defaults.language !== "en") defaults.language = "zh-CN";
  } catch {
    // Storage is blocked or damaged: the defaults do.
  }
  return defaults;
}

export const settings = createStore<Settings>(initial());

export function changeSettings(part: Partial<Settings>): void {
  settings.commit(part);
  try {
    localStorage.setItem(KEY, JSON.stringify(settings.get()));
  } catch {
    // Not kept; still in force for this page.
  }
}
