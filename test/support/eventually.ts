import { setTimeout as sleep } from 'node:timers/promises';

const PAUSE_MS = 50;
/** Pause per time that the check took: polling an embedded database leaves most of the machine to what it waits for. */
const PAUSE_SHARE = 4;
const MAX_PAUSE_MS = 500;

export interface Limits {
  readonly withinMs?: number;
  /** Between two checks; absent: the longer the check takes, the longer. */
  readonly everyMs?: number;
  readonly signal?: AbortSignal;
}

type Condition = () => Promise<boolean> | boolean;

/** Polls until the condition holds; for state of another process that emits no event. Fails with `what`. */
export async function eventually(what: string, holds: Condition, limits: Limits = {}): Promise<void> {
  const { withinMs = 60_000 } = limits;
  if (!(await polled(holds, { ...limits, withinMs }))) throw new Error(`not within ${withinMs} ms: ${what}`);
}

/** Whether the condition held in time, and before `signal`. An error counts as not yet. */
export function becomes(holds: Condition, limits: Limits & { readonly withinMs: number }): Promise<boolean> {
  return polled(async () => {
    try {
      return await holds();
    } catch {
      return false;
    }
  }, limits);
}

/** Resolves after `ms`, or as soon as `signal` is aborted: never rejects. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch((error: unknown) => {
    if (signal?.aborted !== true) throw error;
  });
}

async function polled(
  holds: Condition,
  { withinMs, everyMs, signal }: Limits & { readonly withinMs: number },
): Promise<boolean> {
  const end = performance.now() + withinMs;
  for (;;) {
    const beganAt = performance.now();
    if (await holds()) return true;
    const now = performance.now();
    if (now > end || signal?.aborted === true) return false;
    await pause(everyMs ?? Math.min(MAX_PAUSE_MS, Math.max(PAUSE_MS, PAUSE_SHARE * (now - beganAt))), signal);
  }
}
