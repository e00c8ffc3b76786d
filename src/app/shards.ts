import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { GroupListener } from '../adapters/timescale/group-listener.ts';
import type { Config } from '../config/index.ts';
import type { AlertLineKey, AlertStore } from '../ports.ts';
import type { Alerting } from '../services/alerting.ts';
import type { AlertEvaluator, BatchWriter } from '../services/batch-writer.ts';
import { HandoverReader } from '../services/handover-reader.ts';
import { ShardTable } from '../services/owned-shards.ts';
import type { SensorRegistry } from '../services/sensor-registry.ts';
import { ShardOwnership } from '../services/shard-ownership.ts';
import { ShardedEvaluator } from '../services/sharded-evaluator.ts';
import { withoutWaiting } from '../services/waiting-readings.ts';
import type { Database } from './database.ts';
import { connectOptions } from './options.ts';
import type { Parts } from './parts.ts';

export interface ShardEnds {
  readonly table: ShardTable;
  readonly database: Database;
  readonly alerting: Alerting;
  readonly registry: SensorRegistry;
  /** Lets lines go. */
  readonly engine: AlertEvaluator;
}

/** The shards of a share group, from this member's side. */
export interface SharedEvaluation {
  /** In place of the engine, for whoever writes batches. */
  readonly evaluator: AlertEvaluator;
  /** Takes shards, and reads what is handed over of them. Resolves after the first round. */
  start(writer: BatchWriter): Promise<void>;
  /** Before time alone decides anything. */
  ready(): Promise<boolean>;
  /** The database is back: what was evaluated meanwhile is dropped. Rejects while nothing can be written yet. */
  regroup(): Promise<void>;
  /** Lines that the last process announced. */
  wereTold(lines: readonly AlertLineKey[]): void;
  /** Members that may have earlier readings. */
  awaited(): readonly string[];
}

/** Undefined without a share group: then this daemon evaluates all that it receives. */
export function openShardTable({ mqtt }: Config): ShardTable | undefined {
  const { share_group: group, client_id: clientId } = mqtt;
  if (group === undefined) return undefined;
  const member = `${clientId} on ${hostname()} (pid ${process.pid}, ${randomUUID().slice(0, 8)})`;
  return new ShardTable(group, member);
}

/** What the engine reads back. */
export const alertStoreOf = (
  { alertStore, handoverStore }: Database,
  table: ShardTable | undefined,
): AlertStore => (table === undefined ? alertStore : withoutWaiting(alertStore, handoverStore, table.group));

/** A commit that takes longer is to be waited for by other members: they evaluate what is two seconds old. */
const BEHIND_AFTER_MS = 1000;
/** How long the lines that were announced may take to be marked, before their shards are given back. */
const MARKED_AFTER_MS = 100;

/** Made before the engine is released: the shards are given back after the last line is out. */
export function shareEvaluation(parts: Parts, ends: ShardEnds): SharedEvaluation {
  const { config, clock, logger, metrics, releasers } = parts;
  const { table, database, alerting, registry, engine } = ends;
  const { shardStore, handoverStore } = database;
  let writer: BatchWriter | undefined;
  let reader: HandoverReader | undefined;
  const spooling = () => writer?.spools === true;
  table.isAway = spooling;
  const ownership: ShardOwnership = new ShardOwnership({
    ...{ table, store: shardStore, alerting, lines: engine, spooling, clock, logger, metrics },
    report: () => ({
      connectsSensors: alerting.connectsSensors,
      received: evaluator.received(clock.monotonicMs()),
      behind: spooling() || clock.monotonicMs() - (writer?.writingSinceMs ?? Infinity) > BEHIND_AFTER_MS,
    }),
    waiting: () => handoverStore.waiting(table.group),
    finish: async () => {
      if ((await writer?.between(() => alerting.dropForgotten())) !== true) return false;
      await new Promise<void>((resolve) => clock.after(MARKED_AFTER_MS, resolve));
      return alerting.announced();
    },
    isCurrent: () => reader?.isCurrent === true,
    onGained: () => reader?.wake(),
    waitMs: config.alerts.wait_for_spools,
  });
  const evaluator: ShardedEvaluator = new ShardedEvaluator({
    ...{ table, ownership, engine },
    asksOf: (sensor, asked) => alerting.asksOf(sensor, asked),
    onAway: () => alerting.waitFor(0),
  });
  releasers.add('shards of alerts', () => ownership.release());
  const listener = new GroupListener(table.group, connectOptions(config, database.url, 'listener'), {
    ...{ db: database.pool, clock, logger },
    onHandover: () => reader?.wake(),
    onShards: () => ownership.look(),
  });
  return {
    evaluator,
    start: async (given) => {
      writer = given;
      reader = new HandoverReader({
        ...{ table, ownership, store: handoverStore, engine: alerting, registry, spooling, clock, logger },
        commit: (evaluate) => given.commitCommands(evaluate),
        between: (run) => given.between(run),
        notified: () => listener.active,
      });
      releasers.add('handover of alerts', async () => {
        reader?.stop();
        await listener.stop();
        await ownership.stop();
      });
      listener.start();
      await ownership.start();
      reader.start();
    },
    ready: async () => (await reader?.ready()) ?? false,
    regroup: () => ownership.regroup(),
    wereTold: (lines) => alerting.wereTold(lines),
    awaited: () => ownership.awaited,
  };
}
