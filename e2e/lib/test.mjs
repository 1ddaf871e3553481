// node:test's `test`, which remembers whether anything failed: then the suite keeps its evidence.

import { test as plain } from "node:test";
import { PATIENCE } from "./wait.mjs";

let count = 0;

/** Whether a test of this file has failed so far. */
export const failed = () => count > 0;

/** No test waits for ever: far above what a busy machine needs, a hang is a failure like any other. */
const HANG_MS = process.env.LECTERN_E2E === "accept" ? 900_000 : 240_000;

export function test(name, ...rest) {
  const run = rest.pop();
  const { timeout = HANG_MS, ...more } = rest[0] ?? {};
  return plain(name, { ...more, timeout: timeout * PATIENCE }, async (context) => {
    try {
      await run(context);
    } catch (error) {
      count += 1;
      throw error;
    }
  });
}
