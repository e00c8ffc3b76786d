import type { Socket } from 'node:net';
import type pg from 'pg';
import { codeOf, isSqlState } from '../errors.ts';
import { noAnswer } from '../../../lib/timeout.ts';
import type { Backend } from './pinned-settings.ts';
import { bounded, cut } from './query-timeout.ts';

export interface LinkWatchOptions {
  /** How long a server may be silent under a query before it is checked. */
  readonly patienceMs: number;
  /** State of the backend meanwhile, as seen over another connection. */
  readonly backendState: () => Promise<BackendState>;
}

/** `waiting`: the backend waits for us while we wait for it; what is between has been lost. */
export type BackendState = 'working' | 'waiting' | 'gone' | 'no answer';

/**
 * A half-open link is silent: TCP holds what was sent for a quarter of an hour, and a statement's time limit
 * runs in the server alone. While an answer is pending and no byte moves, another connection queries the state of the
 * backend. A working backend is left alone however long it takes; where it is gone, waits for us at two
 * checks, or the server itself does not answer, the connection is cut: the next one of its `Connector` ends the backend.
 */
export function watchLink(client: pg.Client, options: LinkWatchOptions): void {
  const stream = client.connection.stream as Socket;
  let receivedAt = performance.now();
  let [progress, waiting, checking] = [0, 0, false];
  const progressed = () => {
    receivedAt = performance.now();
    waiting = 0;
  };
  stream.on('data', progressed);

  async function checkBackend(): Promise<void> {
    checking = true;
    const state = await options.backendState();
    checking = false;
    if (!awaitsAnswer(client) || performance.now() - receivedAt < options.patienceMs) return;
    waiting = state === 'waiting' ? waiting + 1 : 0;
    if (state === 'gone' || state === 'no answer' || waiting > 1)
      cut(client, noAnswer({ afterMs: options.patienceMs }));
  }

  const timer = setInterval(() => {
    const sent = stream.bytesWritten - stream.writableLength;
    if (sent !== progress || !awaitsAnswer(client)) progressed();
    progress = sent;
    if (!checking && performance.now() - receivedAt >= options.patienceMs) void checkBackend();
  }, options.patienceMs / 2);
  timer.unref();
  client.once('end', () => clearInterval(timer));
}

/** pg has no public property for it. */
const awaitsAnswer = (client: pg.Client): boolean =>
  (client as unknown as { readonly readyForQuery: boolean }).readyForQuery === false;

/** Queried over another connection to the same server, which `connect` makes. */
export async function backendStateOf(
  backend: Backend,
  connect: () => pg.Client,
  patienceMs: number,
): Promise<BackendState> {
  try {
    const rows = await queryOnSide<{ state: string | null; wait: string | null }>(
      { connect, patienceMs },
      'SELECT state, wait_event AS wait FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2::timestamptz',
      backend,
    );
    if (rows[0] === undefined) return 'gone';
    const { state, wait } = rows[0];
    return state === 'active' && wait !== 'ClientRead' ? 'working' : 'waiting';
  } catch (error) {
    // A server that refuses another connection is reachable.
    return isSqlState(codeOf(error)) ? 'working' : 'no answer';
  }
}

async function queryOnSide<Row extends pg.QueryResultRow>(
  { connect, patienceMs }: { connect: () => pg.Client; patienceMs: number },
  text: string,
  { pid, startedAt }: Backend,
): Promise<readonly Row[]> {
  const client = connect();
  client.on('error', () => undefined);
  try {
    return await bounded(client, patienceMs, async () => {
      await client.connect();
      return (await client.query<Row>(text, [pid, startedAt])).rows;
    });
  } finally {
    cut(client);
  }
}
