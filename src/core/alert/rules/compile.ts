import type { ConditionKind, Side } from '../model.ts';
import type { Micros, Millis } from '../../reading.ts';
import { OF_SENSOR } from '../engine/alert-key.ts';
import type { DeliveryRules } from '../engine/notification-policy.ts';
import { ALL_KINDS, kindOf } from '../kind/index.ts';
import { RHYTHM } from '../kind/offline.ts';
import { type ConditionShape, oneLevel } from '../kind/rule-kind.ts';
import { type Condition, type Flap, NO_LABELS, type RuleLabels } from './condition.ts';
import type { AlertsConfig, CountConfig, DefaultFields } from './config.ts';
import type { EffectiveRule, effectiveOffline } from './effective.ts';

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
  /** The rule is about the sensor itself: every message of it counts, and it is missed after `noDataAfterMs` without any. */
  readonly countsMessages?: boolean;
  /** After its own rhythm, once that is known; `noDataAfterMs` is for one that never sent anything. */
  readonly byRhythm?: boolean;
}

const us = (ms: Millis): Micros => ms * 1000;

/** undefined if no rule covers the metric. */
export function compileRule(effective: EffectiveRule, config: AlertsConfig): MetricRule | undefined {
  const { fields } = effective;
  const conditions = ALL_KINDS.flatMap(([name, kind]) =>
    kind.conditions(fields).map((shape) => condition(effective, config, name, shape)),
  );
  if (conditions.length === 0) return undefined;
  const limits = (side: Side) =>
    conditions.flatMap(({ kind, side: own, levels }) =>
      own === side && kindOf(kind).comparesReadings === true && levels[0] !== undefined
        ? [levels[0].limit]
        : [],
    );
  return {
    ...limitless(effective, config, conditions),
    noDataAfterMs: fields.no_data_after ?? undefined,
    quietMin: Math.max(...limits('low')),
    quietMax: Math.min(...limits('high')),
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

/** `offline_after`: the sensor itself is missed, whatever it sends. `unheard`: the rule for one that never sent anything. */
export function messagesRule(
  { rule, after }: NonNullable<ReturnType<typeof effectiveOffline>>,
  config: AlertsConfig,
  unheard: MetricRule | undefined,
): MetricRule {
  const byRhythm = after === RHYTHM;
  const levels = oneLevel(rule.fields, byRhythm ? 0 : after / 1000);
  const made = condition(rule, config, 'offline', { side: 'high', suffix: 'offline', levels, plain: true });
  return {
    ...limitless(rule, config, [{ ...made, alertType: 'offline' }]),
    noDataAfterMs: byRhythm ? unheard?.noDataAfterMs : after,
    countsMessages: true,
    byRhythm,
  };
}

/** A metric that has no rule of its own, and that another one is compared with. */
export const partnerRule = (effective: EffectiveRule, config: AlertsConfig): MetricRule =>
  limitless(effective, config, []);

/** A rule of `counts`: of a sensor of its own, whose only metric is the number of open alerts. */
export function countRule(rule: CountConfig, config: AlertsConfig): MetricRule {
  const { name: metric, at_least: least, for: forMs = 0, labels } = rule;
  const fields = {
    ...config.defaults,
    ...definedOf(rule),
    labels: { ...config.defaults.labels, ...labels },
    hysteresis: 0,
    for: forMs,
    min_samples: 1,
    keep_firing_for: 0,
  };
  const effective = { metric, fields, origins: new Map() };
  const levels = oneLevel(fields, least);
  const shape: ConditionShape = {
    side: 'high',
    suffix: '',
    alertType: metric,
    levels,
    forMode: 'held',
    plain: true,
  };
  const made = condition(effective, config, 'count', shape);
  return { ...limitless(effective, config, [{ ...made, staleAfterUs: Infinity }]), staleAfterUs: Infinity };
}

/** The fields of a count that all rules have. */
const definedOf = ({ severity, repeat_interval, runbook }: CountConfig): Partial<DefaultFields> =>
  Object.fromEntries(
    Object.entries({ severity, repeat_interval, runbook }).filter(([, value]) => value !== undefined),
  );

/** The rule of a metric without limits. */
function limitless(
  { metric, fields }: EffectiveRule,
  config: AlertsConfig,
  conditions: readonly Condition[],
): MetricRule {
  const repeat = fields.repeat_interval ?? undefined;
  return {
    metric,
    conditions,
    staleAfterUs: us(fields.stale_after),
    noDataAfterMs: undefined,
    allowedLatenessUs: us(config.allowed_lateness),
    delivery: {
      backfillAfterUs: us(config.backfill_after),
      repeatUs: repeat === undefined ? undefined : us(repeat),
    },
    quietMin: -Infinity,
    quietMax: Infinity,
    simple: conditions.every(({ kind }) => kindOf(kind).quiet === true),
  };
}

function condition(
  { metric, fields }: EffectiveRule,
  config: AlertsConfig,
  kind: ConditionKind,
  shape: ConditionShape,
): Condition {
  const {
    side,
    levels,
    hysteresis = 0,
    forMode = 'confirmed',
    plain = false,
    window = 0,
    samples,
    minus,
  } = shape;
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
    minus,
  } as const;
  return {
    alertType: shape.alertType ?? `${metric}_${shape.suffix}`,
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
