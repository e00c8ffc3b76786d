import { isAbsence } from '../kind/index.ts';
import type { EpisodeState, EpisodeView } from '../../notify/delivery-simulation.ts';
import type { Micros, Millis } from '../../reading.ts';
import { takesPlaceOf } from '../engine/alert-batch.ts';
import { alertKeyText, OF_SENSOR } from '../engine/alert-key.ts';
import type { InstanceEffect } from '../engine/series.ts';
import { type WaitingColumns, type WaitingSeries, foldWaiting, isWaiting } from '../engine/waiting.ts';
import type { EngineCounts } from '../engine/working-set.ts';
import {
  type AlertAck,
  type AlertBatch,
  type AlertKey,
  type AlertNotification,
  type AlertResolution,
  type AlertRow,
  type AlertStateRow,
  isAlertChange,
} from '../model.ts';
import type { SensorFacts } from '../rules/effective.ts';

/** A row of `sensor_alerts` as the database would have it. */
export type StoredAlert = AlertRow &
  Partial<AlertResolution> &
  Partial<Pick<AlertAck, 'ackedAtMs' | 'ackedBy' | 'ackedUntilMs'>>;

interface StoredReading {
  readonly sensor: SensorFacts;
  readonly metric: string;
  readonly timeUs: Micros;
  readonly value: number;
}

/** Not transitions: a notification about an unchanged state. */
const RENOTIFIED: readonly string[] = ['announced', 'belated', 'outstanding', 'still_flapping', 'reminder'];

/** The tables that a scenario fills, with the keys and the conflict rules of the database. */
export class ScenarioTables implements EpisodeView {
  readonly transitions: InstanceEffect[] = [];
  readonly notifications: AlertNotification[] = [];
  readonly counts: EngineCounts = { evaluated: 0, held: 0, late: 0, duplicate: 0, invalid: 0, clamped: 0 };
  private readonly rows = new Map<string, StoredAlert>();
  private readonly states = new Map<string, AlertStateRow>();
  /** The log of waiting readings. */
  private readonly waiting: WaitingColumns[] = [];
  private readonly readings = new Map<string, StoredReading[]>();

  get alerts(): readonly StoredAlert[] {
    return [...this.rows.values()];
  }

  get stateRows(): readonly AlertStateRow[] {
    return [...this.states.values()];
  }

  /** The series that have waiting stored readings. */
  get waitingSeries(): readonly WaitingSeries[] {
    return foldWaiting(this.waiting).filter(isWaiting);
  }

  readingsOf(sensorId: number, metric: string): readonly StoredReading[] {
    return this.readings.get(`${sensorId} ${metric}`) ?? [];
  }

  store(sensor: SensorFacts, timeUs: Micros, metrics: ReadonlyMap<string, unknown>): void {
    for (const [metric, value] of metrics) {
      if (typeof value !== 'number' || !Number.isFinite(value)) continue;
      const key = `${sensor.id} ${metric}`;
      const list = this.readings.get(key) ?? [];
      this.readings.set(key, list);
      // The first value stored for a time wins.
      if (!list.some((each) => each.timeUs === timeUs)) list.push({ sensor, metric, timeUs, value });
    }
  }

  find(alertId: string): EpisodeState | undefined {
    const row = this.stateRows.find((each) => each.alertId === alertId);
    if (row === undefined) return undefined;
    const { sensorId, metric, kind, state, detail } = row;
    const ack = detail.ack as { readonly untilMs?: Millis } | undefined;
    return {
      ...{ sensorId, metric, kind, state },
      ackedUntilMs: ack && (ack.untilMs ?? Infinity),
      isSuppressed: 'deferred' in detail || 'owed' in detail,
    };
  }

  isSilent(sensorId: number, metric: string): boolean {
    return this.stateRows.some(
      (row) =>
        row.sensorId === sensorId &&
        row.state === 'firing' &&
        isAbsence(row.kind) &&
        (row.metric === OF_SENSOR || row.metric === metric),
    );
  }

  hasReceived(sensor: SensorFacts): boolean {
    return [...this.readings.values()].some(([first]) => first?.sensor.id === sensor.id);
  }

  /** The newest reading of each sensor and metric, as a new process reads it. */
  newest(untilUs: Micros): readonly StoredReading[] {
    return [...this.readings.values()].flatMap(
      (list) => list.filter(({ timeUs }) => timeUs <= untilUs).sort((a, b) => b.timeUs - a.timeUs)[0] ?? [],
    );
  }

  commit(effects: readonly InstanceEffect[], counts: EngineCounts, batch: AlertBatch): void {
    this.transitions.push(...effects.filter(({ effect }) => !RENOTIFIED.includes(effect.transition)));
    this.notifications.push(...batch.notifications.filter(isAlertChange));
    if (batch.waiting !== undefined) this.waiting.push(batch.waiting.columns);
    for (const key of Object.keys(counts) as (keyof EngineCounts)[]) this.counts[key] += counts[key];
    for (const row of batch.raised) {
      const key = rowKey(row, row.timeUs);
      const before = this.rows.get(key);
      if (before === undefined || takesPlaceOf(row, before)) this.rows.set(key, row);
    }
    for (const { ackedAtMs, ackedBy, ackedUntilMs, ...ack } of batch.acked ?? [])
      this.update(ack, (row) =>
        row.ackedAtMs === undefined || row.ackedUntilMs !== undefined
          ? { ...row, ackedAtMs, ackedBy, ackedUntilMs }
          : row,
      );
    for (const flapping of batch.flapping ?? []) this.update(flapping, (row) => ({ ...row, flapping: true }));
    for (const end of batch.resolved)
      this.update(end, (row) => (row.resolvedAtUs === undefined ? { ...row, ...end } : row));
    for (const row of batch.states) {
      const key = alertKeyText(row);
      if (row.state === 'ok' && Object.keys(row.detail).length === 0) this.states.delete(key);
      // As the database returns it: nothing may rely on what JSON does not carry.
      else this.states.set(key, JSON.parse(JSON.stringify(row)) as AlertStateRow);
    }
  }

  private update(
    at: AlertKey & { readonly firedAtUs: Micros },
    change: (row: StoredAlert) => StoredAlert,
  ): void {
    const key = rowKey(at, at.firedAtUs);
    const row = this.rows.get(key);
    if (row !== undefined) this.rows.set(key, change(row));
  }
}

const rowKey = (key: AlertKey, timeUs: Micros) => `${timeUs}|${alertKeyText(key)}`;
