/** Keeps the screen awake during a class; browsers drop the lock whenever the page is hidden, so it is taken again. */
export function keepAwake(): () => void {
  let lock: WakeLockSentinel | null = null;
  let over = false;
  const take = async (): Promise<void> => {
    if (over || lock || document.visibilityState !== "visible") return;
    try {
      lock = (await (navigator as { wakeLock?: WakeLock }).wakeLock?.request("screen")) ?? null;
      lock?.addEventListener("release", () => {
        lock = null;
      });
      if (over) void lock?.release();
    } catch {
      // Battery saver or no permission: the screen sleeps by the system's rule.
    }
  };
  const visible = (): void => void take();
  document.addEventListener("visibilitychange", visible);
  void take();
  return () => {
    over = true;
    document.removeEventListener("visibilitychange", visible);
    void lock?.release().catch(() => undefined);
    lock = null;
  };
}
