/** Calls that come while a run is under way are one more run after it: what it reads is as new as the last call. `run` must not reject. */
export function coalesce(run: () => Promise<void>): () => void {
  let last = Promise.resolve();
  let waits = false;
  return () => {
    if (waits) return;
    waits = true;
    last = last.then(() => {
      waits = false;
      return run();
    });
  };
}
