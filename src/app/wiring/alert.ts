import type { AlertNotification } from '../../core/alert/model.ts';
import { RuleSet } from '../../core/alert/rules/rule-set.ts';
import type { Spool } from '../../ports/spool.ts';
import { type AlertManager, createAlertManager } from '../../services/alert/alert-manager.ts';
import type { ShardTable } from '../../services/alert/cluster/shard-table.ts';
import type { Expected } from '../../services/alert/state-loader.ts';
import type { AlertEvaluator } from '../../services/ingest/batch-commit.ts';
import type { BatchWriter } from '../../services/ingest/batch-writer.ts';
import type { SensorRegistry } from '../../services/ingest/sensor-registry.ts';
import type { NotificationDispatcher } from '../../services/notify/dispatcher.ts';
import { withSpooled } from '../../services/spool/spooled-readings.ts';
import type { Parts } from '../context.ts';
import type { AppDeps, Live } from '../running.ts';
import type { Database } from './database.ts';
import { type SharedEvaluation, alertStoreOf } from './shards.ts';

export interface AlertEnds {
  readonly router: NotificationDispatcher;
  readonly spool: Spool | undefined;
  /** In a share group. */
  readonly shards: ShardTable | undefined;
}

/** The alert engine, without the state of the last run yet. */
export function openAlertManager(
  { config, clock, logger, metrics }: Parts,
  database: Database,
  { alertLog }: AppDeps,
  { router, spool, shards }: AlertEnds,
): AlertManager {
  const stored = alertStoreOf(database, shards);
  return createAlertManager({
    rules: new RuleSet(config.alerts),
    store: spool === undefined ? stored : withSpooled(stored, spool),
    operators: database.operatorStore,
    ...{ shards, logger, metrics, clock, alertLog, router },
  });
}

/** The alert engine, with `onAlert` called for every published line. */
export function publishingTo(
  alertManager: AlertManager,
  onAlert: ((notification: AlertNotification) => void) | undefined,
): AlertEvaluator {
  if (onAlert === undefined) return alertManager;
  return {
    prepare: (rows, signal) => alertManager.prepare(rows, signal),
    knows: (sensorId) => alertManager.knows(sensorId),
    evaluate: (rows, stored, onStep) => alertManager.evaluate(rows, stored, onStep),
    get sensorSeq() {
      return alertManager.sensorSeq;
    },
    sensorsChanged: (registry) => alertManager.sensorsChanged(registry),
    publish: (notifications) => {
      alertManager.publish(notifications);
      notifications.forEach(onAlert);
    },
    publishUnpersisted: (notifications) => alertManager.publishUnpersisted(notifications),
  };
}

/** A location learned from a topic applies to the rules like a configured one, from the next batch on. */
export function followLocations(
  registry: SensorRegistry,
  alertManager: AlertManager,
  writer: BatchWriter,
  live: Live,
): void {
  registry.onPlaced = () => void applyRules(new RuleSet(live.config.alerts), registry, alertManager, writer);
}

/** Meanwhile the states are not read again that often. A writer that has given up does not wait. */
const TRIES = 3;

/** New rules, and the sensors as they are now. They are in force when it resolves. */
export async function applyRules(
  rules: RuleSet,
  registry: Pick<SensorRegistry, 'all'>,
  alertManager: AlertManager,
  writer: Pick<BatchWriter, 'commitAlerts'>,
  expected: readonly Expected[] = [],
): Promise<void> {
  for (let tries = 0; tries < TRIES && !alertManager.follows(rules); tries++)
    await writer.commitAlerts(() => alertManager.reload(rules, registry.all(), expected));
}

/**
 * Changes by time alone (no data, held alerts) are committed between two batches. Not while readings wait unevaluated:
 * their sensors would pass for silent.
 */
export function watchTime(alertManager: AlertManager, writer: BatchWriter, shared?: SharedEvaluation): void {
  alertManager.start(
    async (evaluate) => {
      if (!writer.evaluationSuspended) await writer.commitAlerts(evaluate);
    },
    (evaluate) => writer.commitCommands(evaluate),
    shared === undefined ? undefined : () => shared.ready(),
    () => writer.learnSensors(),
  );
}
