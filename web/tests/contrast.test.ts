import { readFileSync } from "node:fs";
import { resolve as resolvePath } from "node:path"; // vitest runs in web/
import { expect, test } from "vitest";

const css = readFileSync(resolvePath("src/ui/tokens.css"), "utf8").replaceAll(/\/\*[\s\S]*?\*\//g, "");

/** Custom properties of all rules whose selector list contains `selector`, outside of media queries. */
function properties(selector: string): Map<string, string> {
  const found = new Map<string, string>();
  const plain = css.replaceAll(/@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}/g, "");
  for (const [, selectors, body] of plain.matchAll(/([^{}]+)\{([^{}]*)\}/g)) {
    if (!(selectors ?? "").split(",").some((s) => s.trim() === selector)) continue;
    for (const [, name, value] of (body ?? "").matchAll(/(--[\w-]+)\s*:\s*([^;]+);/g)) found.set(name ?? "", (value ?? "").trim());
  }
  return found;
}

const raw = properties(":root");
const themes = { light: new Map([...raw, ...properties('[data-theme="light"]')]), dark: new Map([...raw, ...properties('[data-theme="dark"]')]) };

function resolve(theme: Map<string, string>, name: string): string {
  let value = theme.get(name) ?? "";
  for (let i = 0; i < 5; i++) {
    const inner = /^var\((--[\w-]+)\)$/.exec(value)?.[1];
    if (!inner) break;
    value = theme.get(inner) ?? "";
  }
  expect(value, name).toMatch(/^#[0-9a-f]{6}$/i);
  return value;
}

/** WCAG 2.2 relative luminance and contrast ratio. */
function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((i) => {
    const c = Number.parseInt(hex.slice(i, i + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(a: string, b: string): number {
  const [hi = 0, lo = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (hi + 0.05) / (lo + 0.05);
}

const TEXT: [string, string[]][] = [
  ["--text", ["--surface", "--surface-raised", "--surface-sunken", "--accent-soft", "--warn-soft", "--live-soft", "--ok-soft"]],
  ["--text-muted", ["--surface", "--surface-raised", "--surface-sunken", "--accent-soft", "--warn-soft", "--live-soft"]],
  ["--accent", ["--surface", "--surface-raised", "--accent-soft"]],
  ["--on-accent", ["--accent", "--accent-hover"]],
  ["--live", ["--surface", "--surface-raised", "--live-soft"]],
  ["--on-live", ["--live-fill", "--live-hover"]],
  ["--warn", ["--surface", "--surface-raised", "--warn-soft"]],
  ["--ok", ["--surface", "--surface-raised", "--ok-soft"]],
  ["--on-stage", ["--stage"]],
  ["--on-stage-muted", ["--stage"]],
  ["--surface", ["--text"]],
];

for (const [name, theme] of Object.entries(themes)) {
  test(`${name}: every text stands out 4.5 : 1 from what it stands on`, () => {
    for (const [text, grounds] of TEXT) {
      for (const ground of grounds) {
        const ratio = contrast(resolve(theme, text), resolve(theme, ground));
        expect(ratio, `${text} on ${ground}: ${ratio.toFixed(2)}`).toBeGreaterThanOrEqual(4.5);
      }
    }
  });
  test(`${name}: borders of fields and the focus ring stand out 3 : 1`, () => {
    for (const line of ["--line-strong", "--focus"]) {
      for (const ground of ["--surface", "--surface-raised"]) {
        expect(contrast(resolve(theme, line), resolve(theme, ground)), `${line} on ${ground}`).toBeGreaterThanOrEqual(3);
      }
    }
  });
}
