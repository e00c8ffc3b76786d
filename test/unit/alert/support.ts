import type { InstanceEffect } from '../../../src/core/alert/engine/series.ts';
import { alertsSchema } from '../../../src/config/schema/alerts.ts';
import { batchOf } from '../../../src/core/alert/engine/alert-batch.ts';

import { alertKeyText } from '../../../src/core/alert/engine/alert-key.ts';
import { AlertEngine, type EngineReading } from '../../../src/core/alert/engine/engine.ts';
import { beginWith, migrate } from '../../../src/core/alert/engine/restore.ts';
import type { EngineCounts } from '../../../src/core/alert/engine/working-set.ts';
import type { AlertBatch, AlertResolution, AlertRow } from '../../../src/core/alert/model.ts';
import type { SensorFacts } from '../../../src/core/alert/rules/effective.ts';
import { RuleSet } from '../../../src/core/alert/rules/rule-set.ts';
import { alertId } from '../../../src/services/alert/alert-id.ts';

export const T0_MS = Date.parse('2026-01-01T00:00:00Z');
export const T0_US = T0_MS * 1000;

export const rulesOf = (alerts: unknown) => new RuleSet(alertsSchema.parse(alerts));

export const sensorOf = (key: string, facts: Partial<SensorFacts> = {}) => ({
  id: Number(/\d+$/.exec(key)?.[0] ?? 1),
  key,
  name: null,
  type: null,
  location: null,
  tags: [],
  ...facts,
});

/** Letters of the worked scenarios. */
const LETTERS: Readonly<Record<string, string>> = {
  pending: 'P',
  cancelled: 'C',
  firing: 'F',
  escalated: 'E',
  deescalated: 'D',
  recovering: 'V',
  refiring: 'B',
  resolved: 'R',
  latched: 'L',
  flapping_start: 'FS',
  flapping_end: 'FE',
  acked: 'A',
  announced: 'N',
  outstanding: 'N',
  still_flapping: 'N',
  reminder: 'M',
};

export function letters({ series, instance, effect }: InstanceEffect): string {
  const at = (effect.timeUs - T0_US) / 1e6;
  const raised = ['firing', 'escalated'].includes(effect.transition);
  const values = raised ? `(${effect.value}/${effect.threshold})` : '';
  const reason = effect.reason === undefined || effect.reason === 'value' ? '' : `(${effect.reason})`;
  const type = instance.condition.alertType === 'temperature_high' ? '' : ` ${instance.condition.alertType}`;
  const who = series.sensorKey === 's1' ? '' : ` ${series.sensorKey}`;
  return `${LETTERS[effect.transition]}@${at}${values}${reason}${type}${who}`;
}

export interface Given {
  readonly at: number;
  readonly value: unknown;
  readonly sensor?: SensorFacts;
  readonly metric?: string;
  /** Seconds after T0 at which it arrived; the event time unless given. */
  readonly rx?: number;
}

/** A daemon in memory: the engine, and the tables that its batches would fill. */
export class Bench {
  engine: AlertEngine;
  readonly trace: string[] = [];
  readonly effects: InstanceEffect[] = [];
  readonly batches: AlertBatch[] = [];
  readonly rows = new Map<string, AlertRow & Partial<AlertResolution>>();
  readonly totals: EngineCounts = { evaluated: 0, held: 0, late: 0, duplicate: 0, invalid: 0, clamped: 0 };

  constructor(rules: RuleSet) {
    this.engine = new AlertEngine(rules);
  }

  /** One batch. */
  send(...given: readonly Given[]): this {
    this.engine.begin();
    for (const each of given) this.read(each);
    return this.finish();
  }

  tick(at: number): this {
    this.engine.begin();
    this.engine.tick(T0_MS + at * 1000);
    return this.finish();
  }

  reload(at: number, rules: RuleSet): this {
    const { engine, changes } = migrate(this.engine, rules, () => undefined);
    this.engine = engine;
    beginWith(engine, changes, T0_MS + at * 1000);
    return this.finish();
  }

  timeUs(at: number): number {
    return T0_US + Math.round(at * 1e6);
  }

  read(given: Given): void {
    this.engine.reading(this.made(given));
  }

  made({ at, value, sensor = sensorOf('s1'), metric = 'temperature', rx = at }: Given): EngineReading {
    return {
      sensor,
      timeUs: this.timeUs(at),
      receivedAtMs: T0_MS + rx * 1000,
      metrics: new Map([[metric, value]]),
    };
  }

  finish(): this {
    const { effects, touched, counts } = this.engine.work;
    const batch = batchOf(effects, touched, alertId);
    this.effects.push(...effects);
    this.trace.push(...effects.map(letters));
    this.batches.push(batch);
    for (const key of Object.keys(counts) as (keyof EngineCounts)[]) this.totals[key] += counts[key];
    for (const row of batch.raised) {
      const key = `${row.timeUs}|${alertKeyText(row)}`;
      if (!this.rows.has(key)) this.rows.set(key, row);
    }
    for (const resolution of batch.resolved) {
      const key = `${resolution.firedAtUs}|${alertKeyText(resolution)}`;
      const row = this.rows.get(key);
      if (row !== undefined && row.resolvedAtUs === undefined) this.rows.set(key, { ...row, ...resolution });
    }
    this.engine.commit();
    return this;
  }

  get notifications() {
    return this.batches.flatMap((batch) => batch.notifications);
  }

  get table() {
    return [...this.rows.values()];
  }
}

export const D = { metrics: { temperature: { max: 30 } } };

/** D with more fields for temperature. */
export const withRule = (rule: object, rest: object = {}) =>
  rulesOf({ metrics: { temperature: { max: 30, ...rule } }, ...rest });

/** `(0,25)(60,31)` in short notation. */
export const readings = (text: string): Given[] =>
  [...text.matchAll(/\(([\d.]+),(-?[\d.]+)\)/g)].map(([, at, value]) => ({
    at: Number(at),
    value: Number(value),
  }));
