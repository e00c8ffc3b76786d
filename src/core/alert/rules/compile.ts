import type { ConditionKind, Side } from '../model.ts';
import type { Micros, Millis } from '../../reading.ts';
import { OF_SENSOR } from '../engine/alert-key.ts';
import type { DeliveryRules } from '../engine/notification-policy.ts';
import { ALL_KINDS, kindOf } from '../kind/index.ts';
import type { ConditionShape } from '../kind/rule-kind.ts';
import { type Condition, type Flap, NO_LABELS, type RuleLabels } from './condition.ts';
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
  /** A value within the quiet range needs no evaluation while all is OK. */
  readonly simple: boolean;
}

const us = (ms: Millis): Micros => ms * 1000;

/** undefined if no rule covers the metric. */
export function compileRule(effective: EffectiveRule, config: AlertsConfig): MetricRule | undefined {
  const { metric, fields } = effective;
  const conditions = ALL_KINDS.flatMap(([name, kind]) =>
    kind.conditions(fields).map((shape) => condition(effective, config, name, shape)),
  );
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
    simple: conditions.every(({ kind }) => kindOf(kind).quiet === true),
  };
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
  return { ...rule, metric: OF_SENSOR, conditions: [offline], simple: true };
}

function condition(
  { metric, fields }: EffectiveRule,
  config: AlertsConfig,
  kind: ConditionKind,
  shape: ConditionShape,
): Condition {
  const { side, levels, hysteresis = 0, forMode = 'confirmed', plain = false, window = 0, samples } = shape;
  const hashed = {
    kind,
    side,
    levels,
    hysteresis,
    forUs: us(fields.for),
    forMode,
    minSamples: shape.minSamples ?? fields.min_samples,
    keepFiringForUs: us(fields.keep_firing_for),
    staleAfterUs: us(fields.stale_after),
    latch: !plain && (fields.latch ?? false),
    flap: plain ? undefined : flapOf(config),
    window,
    samples,
  } as const;
  return {
    alertType: `${metric}_${shape.suffix}`,
    metric,
    ...hashed,
    runbook: fields.runbook ?? null,
    labels: labelsOf(fields.labels),
    hash: hashText(JSON.stringify(hashed)),
  };
}

function labelsOf(given: Readonly<Record<string, string | null>> | undefined): RuleLabels {
  if (given === undefined) return NO_LABELS;
  return Object.fromEntries(
    Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== null),
  );
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
