import type { Micros, Millis } from '../reading.ts';
import { batchOf } from './batch.ts';
import type { SensorFacts } from './effective.ts';
import { Engine } from './engine.ts';
import type { AlertBatch, AlertResolution, AlertRow, AlertType, ResolveReason, Severity } from './model.ts';
import type { AlertIdOf } from './row.ts';
import type { RuleSet } from './rules.ts';

/** An episode that rules would have given: its rows of `sensor_alerts` as one. */
export interface BacktestEpisode {
  readonly sensorId: number;
  readonly sensorKey: string;
  readonly alertType: AlertType;
  readonly alertId: string;
  /** The highest that it reached. */
  readonly severity: Severity;
  readonly startedAtUs: Micros;
  /** Times of its rows: the firing, then each escalation. */
  readonly firedAtUs: readonly Micros[];
  /** What fired it, and the limit that was crossed then. */
  readonly value: number;
  readonly threshold: number;
  /** undefined: open at the end. */
  readonly resolvedAtUs: Micros | undefined;
  readonly resolvedValue: number | null;
  readonly peakValue: number | null;
  readonly reason: ResolveReason | undefined;
  readonly flapping: boolean;
}

/**
 * Stored readings through the engine that the daemon runs. Of the receive clock nothing is stored: each reading arrives
 * at its event time, so none is late, and the clock stands at every deadline that falls between two readings, as it does
 * live. Memory is that of the engine and of the episodes that are open.
 */
export class Backtest {
  private readonly engine: Engine;
  private readonly alertId: AlertIdOf;
  private readonly ended: (episode: BacktestEpisode) => void;
  private readonly keys = new Map<number, string>();
  private readonly open = new Map<string, BacktestEpisode>();

  /** `ended` is told of every episode when it resolves. The broker counts as connected since `fromMs`. */
  constructor(
    rules: RuleSet,
    deps: {
      readonly alertId: AlertIdOf;
      readonly fromMs: Millis;
      readonly ended: (episode: BacktestEpisode) => void;
    },
  ) {
    this.engine = new Engine(rules);
    this.engine.connected(deps.fromMs);
    this.alertId = deps.alertId;
    this.ended = deps.ended;
  }

  /** Readings come in the order of their times. */
  reading(sensor: SensorFacts, timeUs: Micros, metrics: ReadonlyMap<string, number>): void {
    // As the intake stamps it: whole milliseconds of the arrival, whose microseconds are the time of such a reading.
    const receivedAtMs = Math.floor(timeUs / 1000);
    this.pass(receivedAtMs);
    if (!this.keys.has(sensor.id)) this.keys.set(sensor.id, sensor.key);
    this.engine.begin();
    this.engine.reading({ sensor, timeUs, receivedAtMs, metrics });
    this.commit();
  }

  /** Time goes on to the end; the episodes that are open then, by their first row. */
  end(atMs: Millis): readonly BacktestEpisode[] {
    this.pass(atMs);
    return [...this.open.values()];
  }

  private pass(untilMs: Millis): void {
    for (let dueMs = this.engine.nextDueMs; dueMs <= untilMs; dueMs = this.engine.nextDueMs) {
      this.engine.begin();
      this.engine.tick(dueMs);
      this.commit();
    }
  }

  private commit(): void {
    const { effects, touched } = this.engine.work;
    if (effects.length > 0) this.take(batchOf(effects, touched, this.alertId));
    this.engine.adopt();
  }

  /** An episode may fire and resolve in one step, and another one of the same type after it: rows first, then ends. */
  private take({ raised, resolved }: AlertBatch): void {
    for (const row of raised) this.raise(row);
    for (const end of resolved) {
      const episode = this.open.get(end.alertId);
      if (episode === undefined) continue;
      this.open.delete(end.alertId);
      this.ended(closed(episode, end));
    }
  }

  private raise(row: AlertRow): void {
    const before = this.open.get(row.alertId);
    if (before !== undefined) {
      const { severity, timeUs, value, threshold } = row;
      const { firedAtUs } = before;
      // Of two crossings at one moment the table has one row, which shows the higher: the time is in its key.
      if (!firedAtUs.includes(timeUs))
        this.open.set(row.alertId, { ...before, severity, firedAtUs: [...firedAtUs, timeUs] });
      else if (firedAtUs[0] === timeUs) this.open.set(row.alertId, { ...before, severity, value, threshold });
      else this.open.set(row.alertId, { ...before, severity });
      return;
    }
    const { sensorId, alertType, alertId, severity, startedAtUs, timeUs, value, threshold } = row;
    this.open.set(alertId, {
      ...{ sensorId, alertType, alertId, severity, startedAtUs, value, threshold },
      sensorKey: this.keys.get(sensorId) ?? `sensor ${sensorId}`,
      firedAtUs: [timeUs],
      ...{ resolvedAtUs: undefined, resolvedValue: null, peakValue: null, reason: undefined },
      flapping: false,
    });
  }
}

function closed(episode: BacktestEpisode, end: AlertResolution): BacktestEpisode {
  const { resolvedAtUs, resolvedValue, peakValue, reason, flapping } = end;
  return { ...episode, resolvedAtUs, resolvedValue, peakValue, reason, flapping };
}
