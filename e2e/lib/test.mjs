// node:test's `test`, which remembers whether anything failed: then the suite keeps its evidence.

import { test as plain } from "node:test";

let count = 0;

/** Whether a test of this file has failed so far. */
export const failed = () => count > 0;

export function test(name, ...rest) {
  const run = rest.pop();
  return plain(name, ...rest, async (context) => {
    try {
      await run(context);
    } catch (error) {
      count += 1;
      throw error;
    }
  });
}
