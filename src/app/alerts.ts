import type { AlertNotification } from '../core/alert/model.ts';
import { RuleSet } from '../core/alert/rules.ts';
import type { Expected } from '../services/alert-loading.ts';
import type { Spool } from '../ports.ts';
import { createAlerting, type Alerting } from '../services/alerting.ts';
import type { AlertEvaluator, BatchWriter } from '../services/batch-writer.ts';
import type { Notifying } from '../services/notifying.ts';
import type { ShardTable } from '../services/owned-shards.ts';
import type { SensorRegistry } from '../services/sensor-registry.ts';
import { withSpooled } from '../services/spooled-readings.ts';
import type { Database } from './database.ts';
import { alertStoreOf, type SharedEvaluation } from './shards.ts';
import type { Parts } from './parts.ts';
import type { AppDeps, Live } from './running.ts';

export interface AlertEnds {
  readonly router: Notifying;
  readonly spool: Spool | undefined;
  /** In a share group. */
  readonly shards: ShardTable | undefined;
}

/** The alert engine, without the state of the last run yet. */
export function openAlerting(
  { config, clock, logger, metrics }: Parts,
  database: Database,
  { alertLog }: AppDeps,
  { router, spool, shards }: AlertEnds,
): Alerting {
  const stored = alertStoreOf(database, shards);
  return createAlerting({
    rules: new RuleSet(config.alerts),
    store: spool === undefined ? stored : withSpooled(stored, spool),
    operators: database.operatorStore,
    ...{ shards, logger, metrics, clock, alertLog, router },
  });
}

/** The alert engine, with somebody told of every line that leaves. */
export function tellingOf(
  alerting: Alerting,
  onAlert: ((notification: AlertNotification) => void) | undefined,
): AlertEvaluator {
  if (onAlert === undefined) return alerting;
  return {
    prepare: (rows, signal) => alerting.prepare(rows, signal),
    knows: (sensorId) => alerting.knows(sensorId),
    evaluate: (rows, stored, onStep) => alerting.evaluate(rows, stored, onStep),
    get sensorSeq() {
      return alerting.sensorSeq;
    },
    sensorsChanged: (registry) => alerting.sensorsChanged(registry),
    announce: (notifications) => {
      alerting.announce(notifications);
      notifications.forEach(onAlert);
    },
    announceUnpersisted: (notifications) => alerting.announceUnpersisted(notifications),
  };
}

/** A location learned from a topic counts for the rules as one of the configuration does, from the next batch on. */
export function followLocations(
  registry: SensorRegistry,
  alerting: Alerting,
  writer: BatchWriter,
  live: Live,
): void {
  registry.onPlaced = () => void putInForce(new RuleSet(live.config.alerts), registry, alerting, writer);
}

/** The states are not read again that often in the middle of it. A writer that has given up does not wait. */
const TRIES = 3;

/** New rules, and the sensors as they are now. They are in force when it resolves. */
export async function putInForce(
  rules: RuleSet,
  registry: Pick<SensorRegistry, 'all'>,
  alerting: Alerting,
  writer: Pick<BatchWriter, 'commitAlerts'>,
  expected: readonly Expected[] = [],
): Promise<void> {
  for (let tries = 0; tries < TRIES && !alerting.follows(rules); tries++)
    await writer.commitAlerts(() => alerting.reload(rules, registry.all(), expected));
}

/**
 * What falls due by time alone (no data, held alerts) is committed between two batches. Not while readings wait that
 * nobody has judged: their sensors would pass for silent.
 */
export function watchTime(alerting: Alerting, writer: BatchWriter, shared?: SharedEvaluation): void {
  alerting.start(
    async (evaluate) => {
      if (!writer.blind) await writer.commitAlerts(evaluate);
    },
    (evaluate) => writer.commitCommands(evaluate),
    shared === undefined ? undefined : () => shared.ready(),
    () => writer.learnSensors(),
  );
}
