import type { AlertNotification, DutyEpoch } from '../core/alert/model.ts';
import { EMPTY_ALERT_BATCH } from '../core/alert/model.ts';
import { isAvailability } from '../core/reading.ts';
import type { Sensor } from '../ports.ts';
import type { AlertDuty } from './alert-duty.ts';
import type { Evaluation } from './alerting.ts';
import type { AlertEvaluator } from './batch-commit.ts';
import type { ResolvedRow } from './intake-batch.ts';
import type { SensorRegistry } from './sensor-registry.ts';

export interface DutyEvaluatorDeps {
  readonly duty: AlertDuty;
  /** The engine of this daemon. */
  readonly engine: AlertEvaluator;
  /** Whether any rule asks something of these metrics. */
  readonly asksOf: (sensor: Sensor, metrics: ReadonlyMap<string, number>) => boolean;
}

/** What evaluates the batches of a member of a share group: its engine while it has the duty, else nobody here. */
export class DutyEvaluator implements AlertEvaluator {
  private readonly deps: DutyEvaluatorDeps;

  constructor(deps: DutyEvaluatorDeps) {
    this.deps = deps;
  }

  async prepare(rows: readonly ResolvedRow[], signal?: AbortSignal): Promise<void> {
    if (this.evaluates) await this.deps.engine.prepare(rows, signal);
  }

  /** Of no sensor without the duty: with the database away its readings wait in the spool, unevaluated and in order. */
  knows(sensorId: number): boolean {
    return this.evaluates && this.deps.engine.knows(sensorId);
  }

  evaluate(rows: readonly ResolvedRow[], stored?: boolean): Evaluation {
    const { duty, engine, asksOf } = this.deps;
    if (this.evaluates) return engine.evaluate(rows, stored);
    const readings = rows
      .filter((row) => isAvailability(row) || asksOf(row.sensor, row.metrics))
      .map((row) => ({ ...handed(row), location: row.sensor.location }));
    if (readings.length === 0) return { batch: EMPTY_ALERT_BATCH, adopt: () => {} };
    return { batch: { ...EMPTY_ALERT_BATCH, handedOn: { group: duty.group, readings } }, adopt: () => {} };
  }

  get sensorSeq(): number | undefined {
    return this.deps.engine.sensorSeq;
  }

  async sensorsChanged(registry: SensorRegistry): Promise<void> {
    await this.deps.engine.sensorsChanged?.(registry, this.evaluates);
  }

  announce(notifications: readonly AlertNotification[]): void {
    this.deps.duty.announce(notifications);
  }

  announceUnpersisted(notifications: readonly AlertNotification[]): void | Promise<void> {
    return this.deps.duty.announceUnpersisted(notifications);
  }

  lost(duty: DutyEpoch): void {
    this.deps.duty.lost(duty);
  }

  private get evaluates(): boolean {
    return this.deps.duty.phase === 'on';
  }
}

const handed = ({ key, timeUs, receivedAtMs, metrics, retained, spooled }: ResolvedRow) => ({
  key,
  timeUs,
  receivedAtMs,
  metrics,
  retained,
  ...(spooled ? { spooled } : {}),
});

/** For readings of the spool that were evaluated, and what was made of them could not be written. */
export const handingOn = (group: string): AlertEvaluator => ({
  prepare: async () => {},
  knows: () => true,
  evaluate: (rows) => {
    const handedOn = { group, readings: rows.map(handed) };
    return { batch: { ...EMPTY_ALERT_BATCH, handedOn }, adopt: () => {} };
  },
  announce: () => {},
  announceUnpersisted: () => {},
});
