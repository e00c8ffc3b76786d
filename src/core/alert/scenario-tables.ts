import type { Micros } from '../reading.ts';
import { alertKeyText } from './alert-key.ts';
import type { AlertKey } from './alert-key.ts';
import { takesPlaceOf } from './batch.ts';
import type { CellEffect } from './cell.ts';
import type { SensorFacts } from './effective.ts';
import type { EngineCounts } from './counts.ts';
import type {
  AlertAck,
  AlertBatch,
  AlertNotification,
  AlertResolution,
  AlertRow,
  AlertStateRow,
} from './model.ts';
import { foldWaiting, isWaiting, type WaitingColumns, type WaitingSeries } from './waiting.ts';

/** A row of `sensor_alerts` as the database would have it. */
export type StoredAlert = AlertRow &
  Partial<AlertResolution> &
  Partial<Pick<AlertAck, 'ackedAtMs' | 'ackedBy'>>;

interface StoredReading {
  readonly sensor: SensorFacts;
  readonly metric: string;
  readonly timeUs: Micros;
  readonly value: number;
}

/** Not transitions: somebody is told again of what is so already. */
const TOLD_AGAIN: readonly string[] = ['announced', 'belated', 'outstanding', 'still_flapping', 'reminder'];

/** The tables that a scenario fills, with the keys and the conflict rules of the database. */
export class ScenarioTables {
  readonly transitions: CellEffect[] = [];
  readonly notifications: AlertNotification[] = [];
  readonly counts: EngineCounts = { evaluated: 0, held: 0, late: 0, duplicate: 0, invalid: 0, clamped: 0 };
  private readonly rows = new Map<string, StoredAlert>();
  private readonly states = new Map<string, AlertStateRow>();
  /** The log of what waits. */
  private readonly waiting: WaitingColumns[] = [];
  private readonly readings = new Map<string, StoredReading[]>();

  get alerts(): readonly StoredAlert[] {
    return [...this.rows.values()];
  }

  get stateRows(): readonly AlertStateRow[] {
    return [...this.states.values()];
  }

  /** The series of which stored readings wait. */
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
      // The first value that is stored for a time is kept.
      if (!list.some((each) => each.timeUs === timeUs)) list.push({ sensor, metric, timeUs, value });
    }
  }

  hasHeard(sensor: SensorFacts): boolean {
    return [...this.readings.values()].some(([first]) => first?.sensor === sensor);
  }

  /** The newest reading of each sensor and metric, as a new process finds it. */
  newest(untilUs: Micros): readonly StoredReading[] {
    return [...this.readings.values()].flatMap(
      (list) => list.filter(({ timeUs }) => timeUs <= untilUs).sort((a, b) => b.timeUs - a.timeUs)[0] ?? [],
    );
  }

  commit(effects: readonly CellEffect[], counts: EngineCounts, batch: AlertBatch): void {
    this.transitions.push(...effects.filter(({ effect }) => !TOLD_AGAIN.includes(effect.transition)));
    this.notifications.push(...batch.notifications);
    if (batch.waiting !== undefined) this.waiting.push(batch.waiting.columns);
    for (const key of Object.keys(counts) as (keyof EngineCounts)[]) this.counts[key] += counts[key];
    for (const row of batch.raised) {
      const key = rowKey(row, row.timeUs);
      const before = this.rows.get(key);
      if (before === undefined || takesPlaceOf(row, before)) this.rows.set(key, row);
    }
    for (const { ackedAtMs, ackedBy, ...ack } of batch.acked ?? [])
      this.update(ack, (row) => (row.ackedAtMs === undefined ? { ...row, ackedAtMs, ackedBy } : row));
    for (const flapping of batch.flapping ?? []) this.update(flapping, (row) => ({ ...row, flapping: true }));
    for (const end of batch.resolved)
      this.update(end, (row) => (row.resolvedAtUs === undefined ? { ...row, ...end } : row));
    for (const row of batch.states) {
      const key = alertKeyText(row);
      if (row.state === 'ok' && Object.keys(row.detail).length === 0) this.states.delete(key);
      // As the database gives it back: what JSON does not carry must not be relied on.
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
