import type pg from 'pg';
import { FieldwatchError, messageOf } from '../../../core/errors.ts';
import type { Logger, Metrics } from '../../../ports/metrics.ts';
import type { ReadingStore, RowRefused, StoreBatch, StoreOutcome } from '../../../ports/store.ts';
import type { Clock } from '../../../ports/time.ts';
import { writeAlerts } from '../alert/alert-writes.ts';
import { CopyEncoder, type TableRows, indexesWithout } from './copy-encoder.ts';
import { writeDeadLetters } from './dead-letters.ts';
import { classify, codeOf, databaseError } from '../errors.ts';
import { FailoverWatch } from '../connection/failover-watch.ts';
import { findBadRows } from './find-bad-row.ts';
import { conflictsOf, merge } from './merge.ts';
import { MetricIds, type MetricNameLimits, type NameRefusal } from './metric-ids.ts';
import { MetricNameMetrics } from './metric-name-metrics.ts';
import { refuseUnsafe, refuseVanished } from './relied-on.ts';
import { DatabaseSession, type SessionOptions, type Wait, type Work } from '../connection/session.ts';
import { asciiValue } from '../values.ts';

export interface StoreOptions extends SessionOptions {
  /** Shared by all stores of a daemon. Values of metrics whose names it does not admit are dropped and counted. */
  readonly metricIds?: MetricIds;
  /** Bytes of a dead letter's payload that are kept. */
  readonly deadLetterMaxBytes?: number;
}

export interface StoreDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

type CommitResult = Awaited<ReturnType<ReadingStore['commit']>>;
type Table = 'sensor_readings' | 'sensor_metrics';

const COPY: Readonly<Record<Table, string>> = {
  sensor_readings:
    'COPY sensor_readings (time, sensor_id, temperature, humidity, pressure, battery, rssi) FROM STDIN BINARY',
  sensor_metrics: 'COPY sensor_metrics (time, sensor_id, metric_id, value) FROM STDIN BINARY',
};
const DEFAULT_NAMES: MetricNameLimits = { max: 10_000, maxNewPerSensor: 1000, allow: ['*'] };
const DEFAULT_DEAD_LETTER_MAX_BYTES = 65_536;
const NONE_DENIED: ReadonlyMap<string, NameRefusal> = new Map();
const UNIQUE_VIOLATION = '23505';
/** Invalid characters, and those that the encoding of the database does not have. */
const NOT_IN_ENCODING = ['22P05', '22021'];
/** Merges that met another session storing the same key; each finds more of it stored than the one before. */
const MAX_MERGES = 4;

export function createReadingStore(options: StoreOptions, deps: StoreDeps): ReadingStore {
  return new TimescaleStore(options, deps);
}

/**
 * Writes batches over one connection of its own, one transaction each. All tables are written in one order: readings,
 * narrow metrics, alerts, alert state, outbox, dead letters. Two daemons that both create chunks in two hypertables in
 * opposite order would deadlock.
 */
class TimescaleStore implements ReadingStore {
  readonly #session: DatabaseSession;
  readonly #ids: MetricIds;
  readonly #names: MetricNameMetrics;
  /** Names whose values are left out of the batch in hand. */
  #denied: ReadonlyMap<string, NameRefusal> = NONE_DENIED;
  /** The encoding of the database cannot hold what the alerts of the batch in hand say. */
  #inAscii = false;
  readonly #direct = new CopyEncoder(false);
  readonly #staged = new CopyEncoder(true);
  readonly #paths;
  readonly #failovers: FailoverWatch;
  readonly #deadLetterMaxBytes: number;

  constructor(options: StoreOptions, deps: StoreDeps) {
    this.#ids = options.metricIds ?? new MetricIds(DEFAULT_NAMES, () => deps.clock.monotonicMs());
    this.#names = new MetricNameMetrics(deps, () => this.#ids.known.size, this.#ids.max);
    this.#deadLetterMaxBytes = options.deadLetterMaxBytes ?? DEFAULT_DEAD_LETTER_MAX_BYTES;
    this.#session = new DatabaseSession({ ...options, onConnect: (client) => this.#connected(client) }, deps);
    this.#failovers = new FailoverWatch(deps);
    this.#paths = deps.metrics.counter(
      'fieldwatch_store_batches_total',
      'Batches by write path: direct COPY, or staging and merge',
      ['path'],
    );
  }

  async commit(batch: StoreBatch, signal?: AbortSignal, answered?: () => void): Promise<CommitResult> {
    const wait = { signal, answered };
    try {
      const direct = batch.retry ? 'duplicates' : await this.#commitDirect(batch, wait);
      const result = direct === 'duplicates' ? await this.#commitMerged(batch, wait) : direct;
      if (result.kind === 'committed') this.#failovers.committed(batch.readings);
      return result;
    } catch (error) {
      if (!this.#inAscii && isOfEncoding(error)) return this.#commitInAscii(batch, wait);
      throw databaseError(error, 'storing a batch');
    }
  }

  /** A name or message in an alert must not keep the readings from being stored. */
  async #commitInAscii(batch: StoreBatch, { signal, answered }: Wait): Promise<CommitResult> {
    this.#inAscii = true;
    try {
      return await this.commit(batch, signal, answered);
    } finally {
      this.#inAscii = false;
    }
  }

  disconnect(): Promise<void> {
    return this.#session.disconnect();
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  async #connected(client: pg.Client): Promise<void> {
    this.#ids.forget(); // the database may be a restored one, with other ids
    await refuseUnsafe(client);
    await this.#failovers.connected(client);
  }

  /** The fast way, right for batches of which nothing is stored yet; 'duplicates' when something was. */
  async #commitDirect(batch: StoreBatch, wait: Wait): Promise<CommitResult | 'duplicates'> {
    const { readings } = batch;
    const step: Step = { name: 'copy' };
    try {
      return await this.#session.run(async (work) => {
        const refused = await this.#load(work, batch, this.#direct);
        if (refused !== undefined) return refused;
        await this.#write(work, batch, step);
        this.#paths.inc(1, { path: 'direct' });
        this.#names.dropped(readings, this.#denied);
        return { kind: 'committed', stored: readings.length, duplicate: 0, merged: 0, conflict: 0 };
      }, wait);
    } catch (error) {
      if (codeOf(error) === UNIQUE_VIOLATION && step.name === 'copy') return 'duplicates';
      return this.#refused(batch, error, step);
    }
  }

  async #write(work: Work, batch: StoreBatch, step: Step): Promise<void> {
    const { readings, metrics } = this.#direct;
    await begin(work, batch.sensorSeq);
    if (readings.rows > 0) await copy(work, 'sensor_readings', readings);
    if (metrics.rows > 0) await copy(work, 'sensor_metrics', metrics);
    this.#direct.release();
    await this.#writeExtras(work, batch, step);
    await commitTransaction(work, step);
  }

  /** Exact in every case, at about half the speed. */
  async #commitMerged(batch: StoreBatch, wait: Wait): Promise<CommitResult> {
    for (let attempt = 1; ; attempt++) {
      const step: Step = { name: 'copy' };
      try {
        const outcome = await this.#session.run((work) => this.#merge(work, batch, step), wait);
        if ('kind' in outcome) return outcome;
        this.#paths.inc(1, { path: 'merge' });
        this.#names.dropped(batch.readings, this.#denied);
        return { kind: 'committed', ...outcome };
      } catch (error) {
        const raced = codeOf(error) === UNIQUE_VIOLATION && step.name === 'merge';
        if (!raced) return this.#refused(batch, error, step);
        if (attempt >= MAX_MERGES) throw contended(error);
      }
    }
  }

  async #merge(work: Work, batch: StoreBatch, step: Step): Promise<StoreOutcome | RowRefused> {
    const refused = await this.#load(work, batch, this.#staged);
    if (refused !== undefined) return refused;
    step.name = 'merge';
    await begin(work, batch.sensorSeq);
    const outcome = await merge(work, this.#staged, batch.readings);
    this.#staged.release();
    const { keepConflicts } = batch;
    const letters =
      outcome.conflict > 0 && keepConflicts !== undefined
        ? keepConflicts(await conflictsOf(work, this.#staged))
        : [];
    await this.#writeExtras(work, { ...batch, deadLetters: [...batch.deadLetters, ...letters] }, step);
    await commitTransaction(work, step);
    return outcome;
  }

  async #writeExtras(work: Work, batch: StoreBatch, step: Step): Promise<void> {
    step.name = 'extras';
    await writeAlerts(this.#inAscii ? inAscii(work) : work, batch.alerts);
    if (batch.deadLetters.length > 0)
      await writeDeadLetters(work, batch.deadLetters, this.#deadLetterMaxBytes);
  }

  /**
   * Readies the rows of a batch; what can be refused without asking the server is. New metrics get their ids on the way;
   * the values of those that get none are left out, and a reading that has no other is refused.
   */
  async #load(work: Work, { readings }: StoreBatch, rows: CopyEncoder): Promise<RowRefused | undefined> {
    await this.#ids.refresh(work);
    this.#denied = NONE_DENIED;
    const denied = new Map<string, NameRefusal>();
    for (;;) {
      const { refused, unknown } = rows.load(readings, this.#ids.known);
      if (refused !== undefined) return refused;
      const names = new Map([...unknown].filter(([name]) => !denied.has(name)));
      // Not only once: another store may have read the table before these were in it.
      if (names.size === 0) break;
      for (const [name, refusal] of await this.#ids.learn(work, names)) denied.set(name, refusal);
    }
    if (denied.size === 0) return undefined;
    this.#denied = denied;
    const [index, ...more] = indexesWithout(readings, denied);
    if (index === undefined) return undefined;
    const sqlstate = '54000';
    const message = `metric names beyond the limits: ${[...denied.keys()].slice(0, 3).join(', ')}`;
    const others = more.map((other) => ({ index: other, sqlstate, message }));
    return { kind: 'row_refused', index, sqlstate, message, others };
  }

  /** Converts refused rows into a result; throws every other error. */
  async #refused(batch: StoreBatch, error: unknown, step: Step): Promise<RowRefused> {
    if (error instanceof FieldwatchError || classify(error).kind !== 'data') throw error;
    if (step.name === 'extras') throw refusedBatch(error);
    const found = await findBadRows(this.#session, batch.readings, this.#ids.known);
    const [first, ...others] = found;
    if (first === undefined) throw refusedBatch(error);
    return { kind: 'row_refused', ...first, others };
  }
}

/** Readings are numbers, and dead letters see to it themselves: it is in an alert. */
const isOfEncoding = (error: unknown) =>
  NOT_IN_ENCODING.includes(codeOf(error instanceof FieldwatchError ? error.cause : error) ?? '');

const inAscii = (work: Work): Work => ({
  query: (text, values) => work.query(text, values?.map(asciiValue)),
  script: (text) => work.script(text),
  copy: (text, parts) => work.copy(text, parts),
});

/** Where a transaction is, so that an error is laid at the right door. */
interface Step {
  name: 'copy' | 'merge' | 'extras' | 'commit';
}

async function copy(work: Work, table: Table, sent: TableRows): Promise<void> {
  refuseVanished(table, sent.rows, await work.copy(COPY[table], sent.parts()));
}

async function commitTransaction(work: Work, step: Step): Promise<void> {
  step.name = 'commit';
  const [result] = await work.script('COMMIT');
  // A transaction in which something failed unnoticed answers COMMIT with ROLLBACK, and that is not an error.
  if (result?.command === 'COMMIT') return;
  throw new FieldwatchError(`database: COMMIT was answered with ${String(result?.command)}`, {
    code: 'DB_NOT_COMMITTED',
    kind: 'bug',
    remedy: 'Please report this with the log around it.',
  });
}

const contended = (cause: unknown) =>
  new FieldwatchError('database: other sessions keep storing the same readings', {
    code: 'DB_CONTENTION',
    kind: 'transient',
    cause,
  });

/** Refused as data, but not because of a reading: alert or dead-letter rows are ours, so it is our fault. */
const refusedBatch = (cause: unknown) =>
  new FieldwatchError(`database: refused a batch, but none of its readings: ${messageOf(cause)}`, {
    code: 'DB_BATCH_REFUSED',
    kind: 'bug',
    cause,
    remedy: 'Look for constraints or triggers added to the tables of fieldwatch; else please report this.',
  });

/** The role, the database or the server accepts no further connection. */
const TOO_MANY_CONNECTIONS = '53300';

/** Commits over the connection of `other`, alternating with it, where the server has none left for `own`. */
export function sharingConnection(own: ReadingStore, other: ReadingStore): ReadingStore {
  return {
    commit: async (...batch) => {
      try {
        return await own.commit(...batch);
      } catch (error) {
        // Refused at connect: nothing was written.
        if (!isOutOfConnections(error)) throw error;
        return other.commit(...batch);
      }
    },
    disconnect: async () => own.disconnect?.(),
    close: () => own.close(),
  };
}

const isOutOfConnections = (error: unknown): boolean =>
  error instanceof FieldwatchError &&
  (error.cause as { readonly code?: unknown } | undefined)?.code === TOO_MANY_CONNECTIONS;

/** How the store says that sensors were renamed, merged or forgotten since those of a batch were looked up. */
export const SENSORS_CHANGED = 'SENSORS_CHANGED';

/**
 * Begins a transaction. With `seq` it holds the sensors as they are until it ends: reading the table takes a lock on it, for
 * which a change of sensors waits, and another change than the one known ends the transaction before anything is written.
 */
export async function begin(work: Work, seq: number | undefined): Promise<void> {
  if (seq === undefined) {
    await work.script('BEGIN');
    return;
  }
  // Not max(seq): planning that takes twice as long.
  const results = await work.script(
    'BEGIN; SELECT seq::float8 AS seq FROM sensor_changes ORDER BY seq DESC LIMIT 1',
  );
  const [last] = (results.at(-1)?.rows ?? []) as { seq: number }[];
  if ((last?.seq ?? 0) === seq) return;
  throw new FieldwatchError('database: sensors were renamed, merged or forgotten meanwhile', {
    code: SENSORS_CHANGED,
    kind: 'transient',
  });
}
