import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSpool } from '../adapters/spool/level-spool.ts';
import { createReadingStore } from '../adapters/timescale/store.ts';
import type { Config } from '../config/index.ts';
import type { AlertNotification } from '../core/alert/model.ts';
import { intervalMs } from '../core/policy/interval.ts';
import { SPOOL_LANES, type ReadingStore, type Spool, type SpooledRecord } from '../ports.ts';
import type { AlertEvaluator } from '../services/batch-commit.ts';
import type { WriterSpool } from '../services/batch-writer.ts';
import { Draining, settleAtStart } from '../services/draining.ts';
import type { IntakeLedger } from '../services/intake-ledger.ts';
import type { SensorRegistry } from '../services/sensor-registry.ts';
import { Settling } from '../services/settling.ts';
import { Spooling } from '../services/spooling.ts';
import type { StoreWatch } from '../services/store-health.ts';
import { databaseOptions } from './options.ts';
import type { Parts } from './parts.ts';

export interface SpoolEnds {
  readonly databaseUrl: string;
  readonly registry: SensorRegistry;
  readonly ledger: IntakeLedger;
  readonly watch: StoreWatch;
  /** The configuration as it is now: a reload may change when readings are late. */
  readonly current: () => Config;
  /** Stands between the spool and its store. */
  readonly watchStore: (store: ReadingStore) => ReadingStore;
}

/** A spool with nothing in it that must come before the alert state is read. */
export interface OpenSpool {
  /** Alert lines that the last process told before their rows were in the database. */
  readonly told: readonly AlertNotification[];
  /** Brings the rest of the line into the database that comes before live batches, and drains the others from then on. */
  start(alerting: AlertEvaluator): Promise<WriterSpool>;
}

/** Between two attempts at something that fails for no known reason, at a start. */
const START_PAUSE_MS = 1000;

/** Undefined where no spool is wanted. Rejects where there is one that cannot be used, or the database fails. */
export async function openSpooling(parts: Parts, ends: SpoolEnds): Promise<OpenSpool | undefined> {
  const { config, clock, logger, metrics, releasers } = parts;
  const { max_bytes: maxBytes, max_age: maxAgeMs, after: afterMs } = config.spool;
  if (!config.spool.enabled) return undefined;
  const folder = join(config.state_dir, 'spool');
  const spool = await openSpool({ folder, maxBytes, maxAgeMs }, { clock, logger });
  releasers.add('spool', () => spool.close());
  const store = ends.watchStore(
    createReadingStore(databaseOptions(config, ends.databaseUrl, 'spool'), { clock, logger, metrics }),
  );
  releasers.add('spool store', () => store.close());
  await takeOver(spool, ends.ledger, parts);

  const lateAfterMs = () => lateAfter(ends.current());
  const told: AlertNotification[] = [];
  // What was not told yet is found in the outbox when the alert state is read.
  let onAlertsSettled = (record: SpooledRecord): void => {
    if (record.told) told.push(...record.alerts.notifications);
  };
  const settling = new Settling(
    { lateAfterMs },
    {
      ...{ spool, store, clock, logger },
      ...{ registry: ends.registry, watch: ends.watch },
      onSettled: (outcome, deadLetters) => ends.ledger.committed(outcome, deadLetters),
      onAlertsSettled: (record) => onAlertsSettled(record),
    },
  );
  const wait = () => sleep(START_PAUSE_MS);
  await settleAtStart(() => settling.alerts(), wait);

  const start = async (alerting: AlertEvaluator): Promise<WriterSpool> => {
    onAlertsSettled = ({ alerts }) => alerting.announce(alerts.notifications);
    const spooling = new Spooling({ spool, alerting, clock, logger, metrics });
    await settleAtStart(() => settling.unresolved(alerting), wait);
    const { min: baseMs, max: capMs } = config.ingest.retry;
    const draining = new Draining(
      { baseMs, capMs },
      { spooling, settling, alerting, watch: ends.watch, clock, logger, random: Math.random },
    );
    draining.start();
    releasers.add('draining', () => draining.stop());
    return { spooling, afterMs, lateAfterMs };
  };
  return { told, start };
}

/** What the last process left counts as received by this one; what it had set aside gets another chance. */
async function takeOver(spool: Spool, ledger: IntakeLedger, { logger }: Parts): Promise<void> {
  await spool.unpark();
  const { lanes } = spool.contents;
  const items = SPOOL_LANES.reduce((sum, lane) => sum + lanes[lane].items, 0);
  const records = SPOOL_LANES.reduce((sum, lane) => sum + lanes[lane].records, 0);
  if (items > 0) ledger.arrived(items, 0);
  if (records > 0) logger.info({ records, items }, 'the last run left readings in the spool');
}

/** Undefined where chunks are not compressed: then no reading costs more than another. */
function lateAfter({ policies }: Config): number | undefined {
  const { compression } = policies.hypertables.sensor_readings;
  return compression.enabled ? intervalMs(compression.after) : undefined;
}
