import { RuleSet } from '../../core/alert/rules/rule-set.ts';
import { type AlertManager, createAlertManager } from '../../services/alert/alert-manager.ts';
import type { Expected } from '../../services/alert/state-loader.ts';
import type { BatchWriter } from '../../services/ingest/batch-writer.ts';
import type { SensorRegistry } from '../../services/ingest/sensor-registry.ts';
import { coalesce } from '../../lib/serial-queue.ts';
import type { Sensor } from '../../ports/sensors.ts';
import { withSpooled } from '../../services/spool/spooled-readings.ts';
import type { Base, Context, SharedEvaluation } from '../context.ts';
import { describerOf } from './texts.ts';
import { lastReadingsOf } from './shards.ts';

/** The alert engine, without the state of the last run yet. */
export function openAlertManager({
  config,
  database,
  dispatcher: router,
  spool,
  shards,
  registry,
  ...base
}: Base &
  Pick<Context, 'database' | 'spool' | 'shards' | 'registry'> & {
    readonly dispatcher: Context['dispatcher'] | undefined;
    readonly registry: Pick<SensorRegistry, 'hasGateways'>;
  }): AlertManager {
  const { clock, logger, metrics, alertLog, onAlert } = base;
  const stored = lastReadingsOf(database, shards);
  return createAlertManager({
    rules: new RuleSet(config.alerts),
    store: database.alertStore,
    lastReadings: spool === undefined ? stored : withSpooled(stored, spool),
    operators: database.operatorStore,
    describer: describerOf({ database, registry }),
    ...{ shards, logger, metrics, clock, alertLog, onAlert, router },
    hasGateways: () => registry.hasGateways,
    stateSeries: config.http.enabled ? config.http.alert_series : 0,
  });
}

/**
 * A location learned from a topic applies to the rules like a configured one, from the next batch on. Where it changes no rule, the sensors
 * alone are replaced: the states of all others need not move for it, batch after batch, when many sensors send for the first time.
 */
export function followLocations({
  registry,
  alertManager,
  writer,
  live,
}: Pick<Context, 'registry' | 'alertManager' | 'writer' | 'live'>): void {
  let waiting: (Sensor | undefined)[] = [];
  const follow = coalesce(async () => {
    const placed = waiting.filter((sensor) => sensor !== undefined);
    const areAllKnown = placed.length === waiting.length;
    waiting = [];
    let done = false;
    if (areAllKnown) await writer.inMemory(() => void (done = alertManager.place(placed)));
    if (!done) await applyRules(new RuleSet(live.config.alerts), registry, alertManager, writer);
  });
  registry.onPlaced = (placed) => {
    waiting = waiting.concat(placed ?? [undefined]);
    follow();
  };
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
export function watchTime(
  alertManager: AlertManager,
  writer: BatchWriter,
  shared?: Pick<SharedEvaluation, 'ready'>,
): void {
  alertManager.start(
    async (evaluate) => {
      if (!writer.evaluationSuspended) await writer.commitAlerts(evaluate);
    },
    (evaluate) => writer.commitCommands(evaluate),
    shared === undefined ? undefined : (decides) => shared.ready(decides),
    () => writer.learnSensors(),
  );
}
