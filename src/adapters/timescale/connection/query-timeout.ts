import type pg from 'pg';
import { noAnswer } from '../../../lib/timeout.ts';

/**
 * Ends a connection whose server does not answer: `end()` would wait for it. Its open queries reject, with `reason` if there
 * is one, and the server rolls back what was open.
 */
export function cut(client: pg.Client, reason?: Error): void {
  const { connection } = client as unknown as { connection?: { stream?: { destroy(reason?: Error): void } } };
  connection?.stream?.destroy(reason);
}

/** For the answer to Terminate. */
const END_PATIENCE_MS = 2000;

/** Ends a connection in order, and hangs up where the other side does not answer that. Never rejects. */
export async function endClient(client: pg.Client): Promise<void> {
  await bounded(client, END_PATIENCE_MS, () => client.end()).catch(() => undefined);
}

/**
 * Runs `ask` on `client` for no longer than `limitMs`. A server with a lower statement_timeout sends its error; one
 * that has vanished, is frozen, or has no such limit (the embedded one) sends nothing, and is disconnected.
 */
export async function bounded<T>(client: pg.Client, limitMs: number, ask: () => Promise<T>): Promise<T> {
  let silent = false;
  const guard = setTimeout(() => {
    silent = true;
    cut(client);
  }, limitMs);
  try {
    return await ask();
  } catch (error) {
    throw silent ? noAnswer({ afterMs: limitMs, cause: error }) : error;
  } finally {
    clearTimeout(guard);
  }
}
