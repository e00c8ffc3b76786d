import { silentLogger } from '../../adapters/log/logger.ts';
import { createPool, endPool, readerOf } from '../../adapters/timescale/connection/pool.ts';
import type { Retried } from '../../api/contract/dead-letters.ts';
import type { Forgotten, Retired } from '../../api/contract/sensors.ts';
import type { Operations, PolicyState } from '../../api/daemon.ts';
import { FieldwatchError } from '../../core/errors.ts';
import type { Db } from '../../queries/db.ts';
import { type LetterToRetry, lettersToRetry } from '../../queries/dead-letters.ts';
import type { Context } from '../context.ts';
import { addCheckedSilence } from '../operator/add-silence.ts';
import { changeSensors } from '../operator/change-sensors.ts';
import { changeRetirement } from '../operator/retire-sensors.ts';
import { decodeMessage } from '../operator/decode-message.ts';
import { LearningRuns } from '../learn/learning-runs.ts';
import { republish } from '../operator/republish.ts';
import { verifyPolicies } from '../operator/verify-policies.ts';
import { databaseOptions } from '../options.ts';
import { policyStateOf } from './api-view.ts';

type OperationsContext = Omit<Context, 'http'>;

/** Actions of operators by the API: the same as on the command line. */
export function operationsOf(context: OperationsContext, db: Db): Operations {
  const { live, clock, servers, cleanup } = context;
  const runs = new LearningRuns({ config: () => live.config, mqttUrl: servers.mqttUrl, clock });
  cleanup.add('learning', () => runs.stop());
  return {
    checkPolicies: () => checkPolicies(context),
    forget: (key, how) => forget(context, key, how),
    retire: (key, how) => retire(context, key, how),
    addSilence: (silence, by) =>
      addCheckedSilence(db, silence, { by, nowMs: clock.nowMs(), maxMs: live.config.alerts.max_silence }),
    retryDeadLetter: (id, how) => retryDeadLetter(context, id, how),
    startLearning: (request) => runs.start(request),
    endLearning: (id) => runs.end(id),
    learning: (id) => runs.find(id),
    decode: (message) => decodeMessage(live.config, message, clock.nowMs()),
  };
}

/** The leader verifies and reports as on its schedule; elsewhere the answer is all that comes of it. */
async function checkPolicies(context: OperationsContext): Promise<PolicyState> {
  const { scheduler, live, servers, clock } = context;
  const status = await scheduler?.check();
  if (status?.role === 'leader') return policyStateOf(context, status);
  const findings = await verifyPolicies(live.config, servers.databaseUrl, 'api');
  const verifiedAtMs = clock.nowMs();
  return policyStateOf(context, {
    role: status?.role ?? 'unknown',
    verifiedAtMs,
    findings,
    error: undefined,
  });
}

async function retire(
  { live, servers, logger }: OperationsContext,
  key: string,
  { by, ...how }: { readonly by: string; readonly untilSeen: boolean; readonly undo: boolean },
): Promise<Retired> {
  const deps = { config: live.config, url: servers.databaseUrl, purpose: 'sensors' };
  const [retired] = await changeRetirement({ keys: [key], ...how }, by, deps);
  if (retired === undefined) throw new Error('no account of a sensor');
  const fields = { sensor: key, by, until_seen: how.untilSeen, undo: how.undo };
  logger.info(fields, how.undo ? 'sensor back in use' : 'sensor retired');
  return { ...retired };
}

async function forget(
  { live, servers, logger, clock }: OperationsContext,
  key: string,
  { by, dryRun }: { readonly by: string; readonly dryRun: boolean },
): Promise<Forgotten> {
  const note = (line: string) => logger.warn({ sensor: key, by }, line);
  const stop = new AbortController();
  const deps = {
    config: live.config,
    url: servers.databaseUrl,
    purpose: 'sensors',
    signal: stop.signal,
    note,
  };
  const accounts = changeSensors([{ kind: 'forget', key }], dryRun ? undefined : by, deps);
  const next = await accounts.next();
  if (next.done === true) throw new Error('no account of a sensor');
  const account = next.value;
  // What follows brings aggregates up to date, which may take minutes: no request waits for it.
  void drained(accounts).catch((error: unknown) =>
    logger.warn(
      { err: error, sensor: key, at: clock.nowMs() },
      'aggregates of a forgotten sensor are not up to date',
    ),
  );
  const { done, readings, values, alerts, closedAlerts, first, last } = account;
  if (done) logger.info({ sensor: key, by, readings }, 'sensor forgotten');
  return {
    ...{ key, done, readings, values, closedAlerts, alertRows: alerts },
    first: first?.toISOString() ?? null,
    last: last?.toISOString() ?? null,
  };
}

async function drained(rest: AsyncIterator<unknown>): Promise<void> {
  while ((await rest.next()).done !== true);
}

const EVER = { from: new Date(0), to: new Date(Date.UTC(2200, 0, 1)) };

async function retryDeadLetter(
  { live, servers, logger, clock }: OperationsContext,
  id: string,
  { again }: { readonly again: boolean },
): Promise<Retried> {
  const options = databaseOptions(live.config, servers.databaseUrl, 'api');
  // One connection of its own: the lock against a command that does the same is that of the connection.
  const pool = await createPool({ ...options, max: 1 }, silentLogger);
  try {
    const db = readerOf(pool);
    const letters = await lettersToRetry(db, { ...EVER, ids: [id], limit: 100 });
    if (letters.length === 0) throw unknownLetter(id);
    const refusal = refusalOf(letters, again);
    if (refusal !== undefined) return { id, published: false, detail: refusal };
    // A message that failed again has a row of each time: it is published once.
    const { published, refused } = await republish(db, letters.slice(-1), {
      ...{ config: live.config, url: servers.mqttUrl, again },
    });
    logger.info({ dead_letter: id, published }, 'dead letter published again');
    return { id, published: published > 0, detail: [...refused.values()][0] ?? null };
  } finally {
    await endPool(pool, clock);
  }
}

function refusalOf(letters: readonly LetterToRetry[], again: boolean): string | undefined {
  if (letters.some(({ truncated }) => truncated)) return 'only the beginning of its payload is kept';
  return !again && letters.some(({ requeued }) => requeued) ? 'it was published again before' : undefined;
}

const unknownLetter = (id: string) =>
  new FieldwatchError(`no dead letter that is a message has the id ${id}`, {
    code: 'DEAD_LETTER_UNKNOWN',
    kind: 'data',
    remedy: 'GET /api/v1/dead-letters lists the ids; the retention policy drops old ones.',
  });
