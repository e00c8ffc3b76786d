import { join } from 'node:path';
import { createClockNotes } from '../../adapters/spool/clock-notes.ts';
import { openSpool } from '../../adapters/spool/level-spool.ts';
import { createBootClock } from '../../adapters/system/boot-clock.ts';
import { createReadingStore, sharingConnection } from '../../adapters/timescale/ingest/reading-store.ts';
import type { Config } from '../../config/schema/index.ts';
import { intervalMs } from '../../core/policy/interval.ts';
import type { Millis } from '../../core/reading.ts';
import { sleep } from '../../lib/sleep.ts';
import { SPOOL_LANES, type Spool } from '../../ports/spool.ts';
import type { ReadingStore } from '../../ports/store.ts';
import { ArrivalClocks } from '../../services/ingest/arrival-clocks.ts';
import type { DeferredStartup } from '../../services/ingest/startup.ts';
import { recordingLate } from '../../services/policy/late-refresh.ts';
import { SpoolDrainer, replayAtStart } from '../../services/spool/spool-drainer.ts';
import { SpoolReplayer } from '../../services/spool/spool-replayer.ts';
import { SpoolWriter } from '../../services/spool/spool-writer.ts';
import type { Base, Context, SpoolComponents } from '../context.ts';
import { storeOptions } from '../options.ts';

/** Between two attempts at a step that fails with an unclassified error, at a start. */
const START_PAUSE_MS = 1000;

/** Dependencies of the spool. */
type SpoolNeeds = Base &
  Pick<
    Context,
    'registry' | 'evaluator' | 'shared' | 'accounting' | 'watch' | 'deadLetters' | 'arrivalClocks'
  >;

/** Undefined where no spool is wanted. */
export async function openSpoolComponents(
  context: SpoolNeeds & Pick<Context, 'spool' | 'database' | 'lateRefresh'>,
): Promise<SpoolComponents | undefined> {
  const { spool } = context;
  if (spool === undefined) return undefined;
  const store = openStore(context);
  await takeOver(spool, context);
  return createSpoolComponents(context, spool, store);
}

export function createSpoolComponents(
  context: SpoolNeeds,
  spool: Spool,
  store: ReadingStore,
): SpoolComponents {
  const { config, live, registry, evaluator: alertManager, shared, accounting, watch } = context;
  const { deadLetters, arrivalClocks, clock, logger, metrics, cleanup } = context;
  const lateAfterMs = () => lateAfter(live.config);
  const spoolWriter = new SpoolWriter({
    ...{ spool, alertManager, registry, clock, arrivalClocks, logger, metrics },
  });
  let started: DeferredStartup | undefined;
  let drainer: SpoolDrainer | undefined;
  const replayer = new SpoolReplayer(
    { lateAfterMs, maxFutureMs: () => live.config.time_window.max_future },
    {
      ...{ spool, store, registry, watch, clock, arrivalClocks, logger, deadLetters },
      onSettled: (outcome, letters) => accounting.committed(outcome, letters),
      // At a start they are found in the outbox when the alert state is read.
      onAlertsReplayed: (notifications) => {
        if (started?.done === true) alertManager.publish(notifications);
      },
      onDropped: (notified) => shared?.wereNotified(notified),
    },
  );
  return {
    forWriter: { spoolWriter, afterMs: config.spool.after, lateAfterMs },
    replayAlerts: (signal) =>
      replayAtStart(
        () => replayer.alerts({ signal }),
        () => sleep(clock, START_PAUSE_MS),
      ),
    retryNow: () => drainer?.retryNow(),
    async start(step) {
      started = step;
      const away = await step.tryNow(clock, config.spool.after);
      if (cleanup.ending) return;
      if (away !== undefined) watch.failed(away, 0, 'started without the database, spooling messages');
      // What the last process left unevaluated may be much: it goes first, and the start does not wait for it.
      if (away !== undefined || replayer.hasPending) spoolWriter.beginSuspended();
      const { min: baseMs, max: capMs } = config.ingest.retry;
      const draining = new SpoolDrainer(
        { baseMs, capMs },
        {
          ...{ spoolWriter, replayer, alertManager, start: step, watch, clock, logger },
          regroup: shared && (() => shared.regroup()),
          random: Math.random,
        },
      );
      draining.start();
      drainer = draining;
      cleanup.add('spool drainer', () => draining.stop());
    },
  };
}

/** Undefined where no spool is wanted. Rejects where one cannot be used. */
export async function openSpoolFolder(base: Base): Promise<Pick<Context, 'spool' | 'arrivalClocks'>> {
  const { config, clock, logger, cleanup } = base;
  if (!config.spool.enabled) return { spool: undefined, arrivalClocks: undefined };
  const { max_bytes: maxBytes, max_age: maxAgeMs } = config.spool;
  const arrivalClocks = await openArrivalClocks(base);
  const writtenAtMs = (atMs: Millis) => arrivalClocks.writtenAtMs(atMs);
  const options = { folder: spoolFolder(config), maxBytes, maxAgeMs };
  const spool = await openSpool(options, { clock, logger, writtenAtMs });
  cleanup.add('spool', () => spool.close());
  const { lanes, parked } = spool.contents;
  if (SPOOL_LANES.every((lane) => lanes[lane].records === 0) && parked.records === 0) arrivalClocks.forget();
  return { spool, arrivalClocks };
}

/** Before the first message is stamped. */
function openArrivalClocks({ config, clock, logger }: Base): Promise<ArrivalClocks> {
  return ArrivalClocks.open({
    systemMs: () => clock.systemMs(),
    monotonicMs: () => clock.monotonicMs(),
    ...{ boot: createBootClock(), notes: createClockNotes(spoolFolder(config), logger), logger },
  });
}

const spoolFolder = ({ state_dir: stateFolder }: Config) => join(stateFolder, 'spool');

/** A separate connection: the replay must not block live batches. */
function openStore(context: Base & Pick<Context, 'database' | 'lateRefresh'>): ReadingStore {
  const { config, cleanup, database, lateRefresh } = context;
  const options = { ...storeOptions(config, database.url, 'spool'), metricIds: database.metricIds };
  const store = recordingLate(
    sharingConnection(createReadingStore(options, context), database.store),
    lateRefresh,
  );
  cleanup.add('spool store', () => store.close());
  return store;
}

/** Records of the last process count as received by this one; those that it had set aside are retried. */
async function takeOver(
  spool: Spool,
  { accounting, logger }: Pick<Context, 'accounting' | 'logger'>,
): Promise<void> {
  await spool.unpark();
  const { lanes } = spool.contents;
  const items = SPOOL_LANES.reduce((sum, lane) => sum + lanes[lane].items, 0);
  const records = SPOOL_LANES.reduce((sum, lane) => sum + lanes[lane].records, 0);
  if (items > 0) accounting.arrived(items, 0);
  if (records > 0) logger.info({ records, items }, 'spool: resuming readings of the last run');
}

/** Undefined where chunks are not compressed: then no reading costs more than another. */
function lateAfter({ policies }: Config): number | undefined {
  const { compression } = policies.hypertables.sensor_readings;
  return compression.enabled ? intervalMs(compression.after) : undefined;
}
