import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClockNotes } from '../../adapters/spool/clock-notes.ts';
import { openSpool } from '../../adapters/spool/level-spool.ts';
import { createBootClock } from '../../adapters/system/boot-clock.ts';
import { createReadingStore } from '../../adapters/timescale/reading-store.ts';
import type { Config } from '../../config/schema/index.ts';
import { intervalMs } from '../../core/policy/interval.ts';
import type { Millis } from '../../core/reading.ts';
import { SPOOL_LANES, type Spool } from '../../ports/spool.ts';
import type { ReadingStore } from '../../ports/store.ts';
import { sharingConnection } from '../../services/alert/cluster/shared-connection.ts';
import type { IngestAccounting } from '../../services/ingest/accounting.ts';
import { ArrivalClocks } from '../../services/ingest/arrival-clocks.ts';
import type { AlertEvaluator } from '../../services/ingest/batch-commit.ts';
import type { WriterSpool } from '../../services/ingest/batch-writer.ts';
import type { DeadLetterBudget } from '../../services/ingest/dead-letter-budget.ts';
import type { OutageMonitor } from '../../services/ingest/outage-monitor.ts';
import type { SensorRegistry } from '../../services/ingest/sensor-registry.ts';
import type { DeferredStartup } from '../../services/ingest/startup.ts';
import { SpoolDrainer, replayAtStart } from '../../services/spool/spool-drainer.ts';
import { SpoolReplayer } from '../../services/spool/spool-replayer.ts';
import { SpoolWriter } from '../../services/spool/spool-writer.ts';
import type { Parts } from '../context.ts';
import { storeOptions } from '../options.ts';
import type { Live } from '../running.ts';
import type { Database } from './database.ts';
import type { SharedEvaluation } from './shards.ts';

export interface SpoolEnds {
  readonly database: Database;
  readonly registry: SensorRegistry;
  readonly publishing: AlertEvaluator;
  readonly shared: SharedEvaluation | undefined;
  readonly accounting: IngestAccounting;
  readonly watch: OutageMonitor;
  readonly deadLetters: DeadLetterBudget;
  readonly arrivalClocks: ArrivalClocks | undefined;
  /** The current configuration: a reload may change when readings are late. */
  readonly live: Live;
  /** Wraps the store of the spool. */
  readonly stored: (store: ReadingStore) => ReadingStore;
}

/** Between two attempts at a step that fails with an unclassified error, at a start. */
const START_PAUSE_MS = 1000;

export async function openSpoolWriter(parts: Parts, ends: SpoolEnds, spool: Spool): Promise<SpoolParts> {
  const store = openStore(parts, ends);
  await takeOver(spool, ends.accounting, parts);
  return new SpoolParts(parts, ends, spool, store);
}

/** The spool components: the way in, the way out, and a start that may find the database away. */
export class SpoolParts {
  readonly forWriter: WriterSpool;
  private readonly parts: Parts;
  private readonly ends: SpoolEnds;
  private readonly replayer: SpoolReplayer;
  private step: DeferredStartup | undefined;
  private draining: SpoolDrainer | undefined;

  constructor(parts: Parts, ends: SpoolEnds, spool: Spool, store: ReadingStore) {
    const { config, clock, logger, metrics } = parts;
    const { publishing: alertManager, registry, watch, accounting, deadLetters, arrivalClocks } = ends;
    this.parts = parts;
    this.ends = ends;
    const lateAfterMs = () => lateAfter(ends.live.config);
    const spoolWriter = new SpoolWriter({
      spool,
      alertManager,
      registry,
      clock,
      arrivalClocks,
      logger,
      metrics,
    });
    this.forWriter = { spoolWriter, afterMs: config.spool.after, lateAfterMs };
    this.replayer = new SpoolReplayer(
      { lateAfterMs, maxFutureMs: () => ends.live.config.time_window.max_future },
      {
        ...{ spool, store, registry, watch, clock, arrivalClocks, logger, deadLetters },
        onSettled: (outcome, deadLetters) => accounting.committed(outcome, deadLetters),
        // At a start they are found in the outbox when the alert state is read.
        onAlertsReplayed: (notifications) => {
          if (this.step?.done === true) alertManager.publish(notifications);
        },
        onDropped: (notified) => ends.shared?.wereNotified(notified),
      },
    );
  }

  /** Alert rows that the last process left: they precede reading the alert state. Rejects as a commit does. */
  replayAlerts(signal: AbortSignal): Promise<void> {
    const wait = () => sleep(START_PAUSE_MS);
    return replayAtStart(() => this.replayer.alerts({ signal }), wait);
  }

  /** The database is back. */
  retryNow(): void {
    this.draining?.retryNow();
  }

  /** Takes the step or, where the database is away, leaves it to the drainer. Rejects as `tryNow` does. */
  async start(step: DeferredStartup): Promise<void> {
    const { config, clock, logger, cleanup } = this.parts;
    const { publishing: alertManager, watch, shared } = this.ends;
    const { spoolWriter } = this.forWriter;
    this.step = step;
    const away = await step.tryNow(clock, config.spool.after);
    if (away !== undefined) watch.failed(away, 0, 'started without the database, spooling messages');
    // What the last process left unevaluated may be much: it goes first, and the start does not wait for it.
    if (away !== undefined || this.replayer.hasPending) spoolWriter.beginSuspended();
    const { min: baseMs, max: capMs } = config.ingest.retry;
    const draining = new SpoolDrainer(
      { baseMs, capMs },
      {
        ...{ spoolWriter, replayer: this.replayer, alertManager, start: step, watch, clock, logger },
        regroup: shared && (() => shared.regroup()),
        random: Math.random,
      },
    );
    draining.start();
    this.draining = draining;
    cleanup.add('spool drainer', () => draining.stop());
  }
}

export interface SpoolFolder {
  readonly spool: Spool;
  readonly arrivalClocks: ArrivalClocks;
}

/** Undefined where no spool is wanted. Rejects where one cannot be used. */
export async function openSpoolFolder(parts: Parts): Promise<SpoolFolder | undefined> {
  const { config, clock, logger, cleanup } = parts;
  if (!config.spool.enabled) return undefined;
  const { max_bytes: maxBytes, max_age: maxAgeMs } = config.spool;
  const arrivalClocks = await openArrivalClocks(parts);
  const writtenAtMs = (atMs: Millis) => arrivalClocks.writtenAtMs(atMs);
  const options = { folder: spoolFolder(config), maxBytes, maxAgeMs };
  const spool = await openSpool(options, { clock, logger, writtenAtMs });
  cleanup.add('spool', () => spool.close());
  const { lanes, parked } = spool.contents;
  if (SPOOL_LANES.every((lane) => lanes[lane].records === 0) && parked.records === 0) arrivalClocks.forget();
  return { spool, arrivalClocks };
}

/** Before the first message is stamped. */
function openArrivalClocks({ config, clock, logger }: Parts): Promise<ArrivalClocks> {
  return ArrivalClocks.open({
    systemMs: () => clock.systemMs(),
    monotonicMs: () => clock.monotonicMs(),
    ...{ boot: createBootClock(), notes: createClockNotes(spoolFolder(config), logger), logger },
  });
}

const spoolFolder = ({ state_dir: stateFolder }: Config) => join(stateFolder, 'spool');

/** A separate connection: the replay must not block live batches. */
function openStore(parts: Parts, { database, stored }: SpoolEnds): ReadingStore {
  const options = { ...storeOptions(parts.config, database.url, 'spool'), metricIds: database.metricIds };
  const store = stored(sharingConnection(createReadingStore(options, parts), database.store));
  parts.cleanup.add('spool store', () => store.close());
  return store;
}

/** Records of the last process count as received by this one; those that it had set aside are retried. */
async function takeOver(spool: Spool, accounting: IngestAccounting, { logger }: Parts): Promise<void> {
  await spool.unpark();
  const { lanes } = spool.contents;
  const items = SPOOL_LANES.reduce((sum, lane) => sum + lanes[lane].items, 0);
  const records = SPOOL_LANES.reduce((sum, lane) => sum + lanes[lane].records, 0);
  if (items > 0) accounting.arrived(items, 0);
  if (records > 0) logger.info({ records, items }, 'spool: found readings of the last run');
}

/** Undefined where chunks are not compressed: then no reading costs more than another. */
function lateAfter({ policies }: Config): number | undefined {
  const { compression } = policies.hypertables.sensor_readings;
  return compression.enabled ? intervalMs(compression.after) : undefined;
}
