// Waiting for states. A test never waits for a moment: it says what shall become true, and how long that may take at worst
// on a busy machine.

/**
 * By how much longer than written any wait may take before it fails. What is written is far above what a quiet machine of two
 * cores needs; a wait that succeeds costs nothing, so that one half as fast, or busy, is allowed for everywhere.
 */
export const PATIENCE = Number(process.env.E2E_PATIENCE ?? 2);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Waits until `check` returns something truthy, and returns that.
 * @template T
 * @param {string} what names the state in the failure
 * @param {() => Promise<T> | T} check may throw; the last error is part of the failure
 * @param {number} withinMs at worst; times {@link PATIENCE}
 * @param {{ everyMs?: number, fatal?: (error: Error) => boolean, detail?: () => unknown }} options
 * @returns {Promise<T>}
 */
export async function until(what, check, withinMs = 30_000, { everyMs = 100, fatal, detail } = {}) {
  const worstMs = withinMs * PATIENCE;
  const end = Date.now() + worstMs;
  let last;
  for (;;) {
    try {
      const value = await check();
      if (value) return value;
      last = undefined;
    } catch (error) {
      if (fatal?.(error)) throw error;
      last = error;
    }
    if (Date.now() > end) {
      const more = detail ? `\n${JSON.stringify(await detail(), null, 1)?.slice(0, 4000)}` : "";
      throw new Error(`not within ${worstMs / 1000} s: ${what}${last ? ` (${last.message})` : ""}${more}`);
    }
    await pause(everyMs);
  }
}

/** Lets a measured stretch of time pass. Only for measuring: what is waited for is the time itself. */
export const measureFor = (ms) => pause(ms);
