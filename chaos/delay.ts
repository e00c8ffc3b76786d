/** Resolves after `ms`, or as soon as `signal` is aborted: never rejects. */
export async function delay(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}

/** Asks until the answer is yes; false when it was not within `withinMs`. An error is a no. */
export async function becomes(
  holds: () => Promise<boolean> | boolean,
  withinMs: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const end = performance.now() + withinMs;
  for (;;) {
    try {
      if (await holds()) return true;
    } catch {
      // Not yet.
    }
    if (performance.now() > end || signal?.aborted === true) return false;
    await delay(100, signal);
  }
}
