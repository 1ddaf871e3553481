/** Asks for the second factor, once for all who wait for it. The dialog itself loads when it is first needed. */

let asking: Promise<boolean> | null = null;

/** Resolves with whether it was shown. */
export function proveFactor(): Promise<boolean> {
  asking ??= import("./prompt")
    .then((m) => m.promptFactor())
    .finally(() => {
      asking = null;
    });
  return asking;
}
