const FIRST_MS = 500;
const MOST_MS = 10_000;

/** How long to wait before attempt 1, 2, …: doubled each time, up to ten seconds, and spread so that pages do not come at once. */
export function retryDelayMs(attempt: number, random: () => number): number {
  const most = Math.min(MOST_MS, FIRST_MS * 2 ** (attempt - 1));
  return Math.round(most * (0.75 + 0.5 * random()));
}
