const PAUSE_MS = 50;
/** Pause per time that the check took: polling an embedded database leaves most of the machine to what it waits for. */
const PAUSE_SHARE = 4;
const MAX_PAUSE_MS = 500;

/** Polls until the condition holds; for state of another process that emits no event. Fails with `what`. */
export async function eventually(
  what: string,
  holds: () => Promise<boolean> | boolean,
  withinMs = 60_000,
): Promise<void> {
  const end = performance.now() + withinMs;
  for (;;) {
    const askedAt = performance.now();
    if (await holds()) return;
    const now = performance.now();
    if (now > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    const pauseMs = Math.min(MAX_PAUSE_MS, Math.max(PAUSE_MS, PAUSE_SHARE * (now - askedAt)));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
