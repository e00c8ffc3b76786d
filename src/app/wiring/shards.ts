import { createHash, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { GroupListener } from '../../adapters/timescale/alert/group-listener.ts';
import type { Config } from '../../config/schema/index.ts';
import { sectionDigests } from '../../config/section-digests.ts';
import type { SectionDigests } from '../../core/alert/cluster/shard.ts';
import { receiversIn } from '../../core/alert/cluster/shard-lease.ts';
import type { LastReadings } from '../../ports/alerts.ts';
import type { Connectivity } from '../../ports/messages.ts';
import { ConfigurationWatch } from '../../services/alert/cluster/configuration-watch.ts';
import { evaluatedReadings } from '../../services/alert/cluster/evaluated-readings.ts';
import { HandoverPreview } from '../../services/alert/cluster/handover-preview.ts';
import { HandoverReader } from '../../services/alert/cluster/handover.ts';
import { NO_GROUP, ProgramHandover } from '../../services/alert/cluster/program-handover.ts';
import { sleep } from '../../lib/sleep.ts';
import type { Remains } from '../../ports/lease.ts';
import { ShardLeases } from '../../services/alert/cluster/shard-leases.ts';
import { ShardTable } from '../../services/alert/cluster/shard-table.ts';
import { ShardedEvaluator } from '../../services/alert/cluster/sharded-evaluator.ts';
import type { BatchWriter } from '../../services/ingest/batch-writer.ts';
import type { Base, Context, Database, Live, SharedEvaluation } from '../context.ts';
import { connectOptions } from '../options.ts';

/** Undefined without a share group: then this daemon evaluates all that it receives. */
export function openShardTable({ mqtt }: Config): ShardTable | undefined {
  const { share_group: group, client_id: clientId } = mqtt;
  return group === undefined ? undefined : new ShardTable(group, memberName(clientId));
}

/** Unique to the process. */
export const memberName = (clientId: string): string =>
  `${clientId} on ${hostname()} (pid ${process.pid}, ${randomUUID().slice(0, 8)})`;

/** The last readings for the engine: without what other members, or programs, have handed over. */
export const lastReadingsOf = (
  { alertStore, handoverStore }: Database,
  table: ShardTable | undefined,
): LastReadings => evaluatedReadings(alertStore.lastReadings, handoverStore, table?.group ?? NO_GROUP);

/**
 * Other members should wait for a commit that takes longer, or where it is not known for longer that the session at the
 * broker is read: they evaluate readings that are two seconds old.
 */
const BEHIND_AFTER_MS = 1000;
/** How long marking published lines may take, before their shards are released. */
const MARKED_AFTER_MS = 100;

/** Evaluates what programs hand over; undefined in a share group, whose handover they use. */
export function openProgramHandover(
  context: Base & Pick<Context, 'shards' | 'database' | 'alertManager' | 'registry' | 'writer'>,
): ProgramHandover | undefined {
  const {
    config,
    clock,
    logger,
    cleanup,
    shards,
    database,
    alertManager: engine,
    registry,
    writer,
  } = context;
  if (shards !== undefined) return undefined;
  const handover = new ProgramHandover({
    ...{ member: memberName(config.mqtt.client_id), engine, registry, clock, logger },
    ...{ leases: database.leaseStore, handover: database.handoverStore },
    reread: () => writer.learnSensors(),
    commit: (evaluate) => writer.commitCommands(evaluate),
    between: (run) => writer.between(run),
    spoolWriter: () => writer.spools,
  });
  cleanup.add('handover of programs', () => handover.stop());
  return handover;
}

/**
 * Undefined without a share group. Built before the engine is released: the shards are released after the last line is
 * published. A program is a member without a source: nothing waits for it anywhere.
 */
export function shareEvaluation(
  context: Base &
    Pick<Context, 'shards' | 'database' | 'alertManager' | 'registry'> & {
      readonly source: Context['source'] | undefined;
    },
): SharedEvaluation | undefined {
  const {
    config,
    clock,
    logger,
    metrics,
    cleanup,
    shards: table,
    database,
    alertManager,
    registry,
    source,
    live,
  } = context;
  if (table === undefined) return undefined;
  const { leaseStore, handoverStore } = database;
  let writer: BatchWriter | undefined;
  let reader: HandoverReader | undefined;
  let departed = false;
  let receivers = 1;
  let remains: Remains = source === undefined ? 'nothing' : 'as_before';
  const isUnread = () =>
    source !== undefined && clock.monotonicMs() - (source.readThroughMs ?? -Infinity) > BEHIND_AFTER_MS;
  const spoolWriter = () => writer?.spools === true;
  table.isAway = spoolWriter;
  const configuration = digestsOf(live);
  const watch = new ConfigurationWatch({
    ...{ group: table.group, member: table.member, own: configuration, logger, metrics },
  });
  const leases: ShardLeases = new ShardLeases({
    ...{ table, store: leaseStore, alertManager, lines: alertManager, spoolWriter, clock, logger, metrics },
    report: () => ({
      connectsSensors: alertManager.connectsSensors,
      received: evaluator.received(clock.monotonicMs()),
      configuration: configuration(),
      subscribed:
        departed || source === undefined ? undefined : subscriptionOf(live.connectivity, live.router.filters),
    }),
    isUnread,
    isBehind: () =>
      source === undefined
        ? undefined
        : spoolWriter() ||
          clock.monotonicMs() - (writer?.writingSinceMs ?? Infinity) > BEHIND_AFTER_MS ||
          isUnread(),
    waiting: () => handoverStore.waiting(table.group),
    finish: async () => {
      if ((await writer?.between(() => alertManager.dropForgotten())) !== true) return false;
      await sleep(clock, MARKED_AFTER_MS);
      return alertManager.published();
    },
    isCurrent: () => reader?.isCurrent === true,
    onGained: () => reader?.wake(),
    onView: (view) => {
      watch.check(view);
      receivers = receiversIn(view, table.member);
    },
    waitMs: config.alerts.wait_for_spools,
  });
  const evaluator: ShardedEvaluator = new ShardedEvaluator({
    ...{ table, leases, engine: alertManager },
    mayClaim: (sensor, asked) => alertManager.mayClaim(sensor, asked),
    onAway: () => alertManager.waitFor(0),
  });
  cleanup.add('shards of alerts', () => leases.release(spoolWriter() ? 'something' : remains));
  const listener = new GroupListener(table.group, connectOptions(config, database.url, 'listener'), {
    ...{ db: database.pool, clock, logger },
    onHandover: () => reader?.wake(),
    onShards: () => leases.poll(),
  });
  return {
    evaluator,
    start: async (given) => {
      writer = given;
      reader = new HandoverReader({
        ...{
          table,
          leases,
          store: handoverStore,
          engine: alertManager,
          registry,
          spoolWriter,
          clock,
          logger,
        },
        commit: (evaluate) => given.commitCommands(evaluate),
        between: (run) => given.between(run),
        notified: () => listener.active,
      });
      const preview = new HandoverPreview({
        ...{ table, leases, store: handoverStore, engine: alertManager, lines: leases, registry },
        ...{ spoolWriter, clock, logger },
        between: (run) => given.between(run),
      });
      cleanup.add('handover of alerts', async () => {
        reader?.stop();
        await preview.stop();
        await listener.stop();
        await leases.stop();
      });
      listener.start();
      await leases.start();
      reader.start();
      preview.start();
    },
    ready: async (decides) => (await reader?.ready(decides)) ?? false,
    regroup: () => leases.regroup(),
    wereNotified: (lines) => alertManager.wereNotified(lines),
    awaited: () => leases.awaited,
    receivers: () => receivers,
    connecting: () => {
      remains = 'something';
    },
    receiving: () =>
      cleanup.add('subscription of the share group', async () => {
        if (!(await leases.depart())) return;
        departed = true;
        if ((await source?.unsubscribe?.()) === true) remains = 'nothing';
      }),
  };
}

/** Computed anew after a reload. */
function digestsOf(live: Live): () => SectionDigests {
  let of: Config | undefined;
  let digests: SectionDigests = {};
  return () => {
    if (of !== live.config) digests = sectionDigests(live.config);
    of = live.config;
    return digests;
  };
}

/** A digest of what a member is subscribed to; undefined unless the broker has accepted all of it. */
function subscriptionOf(connectivity: Connectivity, filters: readonly string[]): string | undefined {
  if (connectivity.state !== 'subscribed' || connectivity.refused > 0) return undefined;
  return createHash('sha256')
    .update(JSON.stringify([...filters].sort()))
    .digest('hex');
}
