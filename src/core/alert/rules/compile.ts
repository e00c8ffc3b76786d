import type { ConditionKind, Side } from '../model.ts';
import type { Micros, Millis } from '../../reading.ts';
import { OF_SENSOR } from '../engine/alert-key.ts';
import type { DeliveryRules } from '../engine/notification-policy.ts';
import { type Condition, type Flap, type Level, RANK } from './condition.ts';
import type { AlertsConfig } from './config.ts';
import type { EffectiveRule } from './effective.ts';

/** The compiled rules of one metric of one sensor. */
export interface MetricRule {
  readonly metric: string;
  readonly conditions: readonly Condition[];
  readonly staleAfterUs: Micros;
  readonly noDataAfterMs: Millis | undefined;
  readonly allowedLatenessUs: Micros;
  readonly delivery: DeliveryRules;
  /** Values within these cannot breach a threshold: nearly every reading ends with this test. */
  readonly quietMin: number;
  readonly quietMax: number;
  /** Thresholds only: a value within the quiet range needs no evaluation while all is OK. */
  readonly simple: boolean;
  /** Size of the window of the anomaly condition; 0 without one. */
  readonly window: number;
}

const us = (ms: Millis): Micros => ms * 1000;

/** undefined if no rule covers the metric. */
export function compileRule(effective: EffectiveRule, config: AlertsConfig): MetricRule | undefined {
  const { metric, fields } = effective;
  const conditions = [
    ...thresholds(effective, config),
    ...rates(effective, config),
    ...anomalies(effective, config),
    ...noData(effective, config),
  ];
  if (conditions.length === 0) return undefined;
  const repeat = fields.repeat_interval ?? undefined;
  const limit = (side: Side) =>
    conditions.find((condition) => condition.kind === 'threshold' && condition.side === side)?.levels[0]
      ?.limit;
  return {
    metric,
    conditions,
    staleAfterUs: us(fields.stale_after),
    noDataAfterMs: fields.no_data_after ?? undefined,
    allowedLatenessUs: us(config.allowed_lateness),
    delivery: {
      backfillAfterUs: us(config.backfill_after),
      repeatUs: repeat === undefined ? undefined : us(repeat),
    },
    quietMin: limit('low') ?? -Infinity,
    quietMax: limit('high') ?? Infinity,
    simple: conditions.every(({ kind }) => kind === 'threshold' || kind === 'no_data'),
    window: conditions.reduce((most, condition) => Math.max(most, condition.window), 0),
  };
}

function thresholds(effective: EffectiveRule, config: AlertsConfig): Condition[] {
  return (['high', 'low'] as const).flatMap((side) => {
    const levels = severityLevels(effective, side);
    if (levels.length === 0) return [];
    return [condition(effective, config, { kind: 'threshold', side, suffix: side, levels })];
  });
}

/** The levels of one side: the rule's own limit at its severity, and the levels that name this side. */
export function severityLevels({ fields }: EffectiveRule, side: 'high' | 'low'): Level[] {
  const key = side === 'high' ? 'max' : 'min';
  const own = fields[key];
  const levels: Level[] =
    typeof own === 'number' ? [{ severity: fields.severity, limit: own, forUs: undefined }] : [];
  for (const level of fields.levels ?? []) {
    const limit = level[key];
    if (limit === undefined) continue;
    levels.push({
      severity: level.severity,
      limit,
      forUs: level.for === undefined ? undefined : us(level.for),
    });
  }
  return levels.sort((a, b) => RANK[a.severity] - RANK[b.severity]);
}

function rates(effective: EffectiveRule, config: AlertsConfig): Condition[] {
  const { max_rise: rise, max_fall: fall, severity } = effective.fields;
  const made: Condition[] = [];
  const level = (limit: number): Level[] => [{ severity, limit, forUs: undefined }];
  if (typeof rise === 'number')
    made.push(
      condition(effective, config, { kind: 'rate', side: 'high', suffix: 'rate_high', levels: level(rise) }),
    );
  // A fall is a negative rate: the limit is stored with its sign, like the value.
  if (typeof fall === 'number')
    made.push(
      condition(effective, config, { kind: 'rate', side: 'low', suffix: 'rate_low', levels: level(-fall) }),
    );
  return made;
}

function anomalies(effective: EffectiveRule, config: AlertsConfig): Condition[] {
  const { anomaly, severity } = effective.fields;
  if (anomaly === undefined || anomaly === null) return [];
  const levels = [{ severity, limit: anomaly.z, forUs: undefined }];
  return [condition(effective, config, { kind: 'anomaly', side: 'both', suffix: 'anomaly', levels })];
}

function noData(effective: EffectiveRule, config: AlertsConfig): Condition[] {
  const { no_data_after: afterMs, severity } = effective.fields;
  if (afterMs === undefined || afterMs === null) return [];
  const levels = [{ severity, limit: afterMs / 1000, forUs: undefined }];
  return [condition(effective, config, { kind: 'no_data', side: 'high', suffix: 'no_data', levels })];
}

/**
 * A sensor that never sent anything is missed once, as a sensor, and not per metric: after the shortest time that its
 * rules allow.
 */
export function offlineRule(named: readonly MetricRule[]): MetricRule | undefined {
  const watched = named.filter(({ noDataAfterMs }) => noDataAfterMs !== undefined);
  const [rule] = watched.sort((a, b) => (a.noDataAfterMs ?? 0) - (b.noDataAfterMs ?? 0));
  const source = rule?.conditions.find(({ kind }) => kind === 'no_data');
  if (rule === undefined || source === undefined) return undefined;
  const hash = hashText(`offline ${source.hash}`);
  const offline = { ...source, kind: 'offline', metric: OF_SENSOR, alertType: 'offline', hash } as const;
  return { ...rule, metric: OF_SENSOR, conditions: [offline], simple: true, window: 0 };
}

function condition(
  { metric, fields }: EffectiveRule,
  config: AlertsConfig,
  shape: { kind: ConditionKind; side: Side; suffix: string; levels: readonly Level[] },
): Condition {
  const { kind, side, levels } = shape;
  const hashed = {
    kind,
    side,
    levels,
    // The rule's hysteresis is in the metric's unit: it does not apply to a rate, and an anomaly has its own.
    hysteresis:
      kind === 'threshold' ? fields.hysteresis : kind === 'anomaly' ? (fields.anomaly?.hysteresis ?? 0) : 0,
    forUs: us(fields.for),
    // Only a threshold can be assumed to hold while nothing is received.
    forMode: kind === 'threshold' ? fields.for_mode : 'confirmed',
    minSamples: fields.min_samples,
    keepFiringForUs: us(fields.keep_firing_for),
    staleAfterUs: us(fields.stale_after),
    latch: kind !== 'no_data' && (fields.latch ?? false),
    flap: kind === 'no_data' ? undefined : flapOf(config),
    window: kind === 'anomaly' ? (fields.anomaly?.window ?? 0) : 0,
  } as const;
  return {
    alertType: `${metric}_${shape.suffix}`,
    metric,
    ...hashed,
    runbook: fields.runbook ?? null,
    hash: hashText(JSON.stringify(hashed)),
  };
}

function flapOf({ flap }: AlertsConfig): Flap | undefined {
  if (flap === undefined) return undefined;
  return { changes: flap.changes, windowUs: us(flap.window), holdUs: us(flap.hold) };
}

/** Distinguishes rules; not a secret and without an adversary: 53 bits (cyrb53), as hex. */
export function hashText(text: string): string {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return (4294967296 * (2097151 & b) + (a >>> 0)).toString(16).padStart(14, '0');
}
