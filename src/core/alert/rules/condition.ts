import type { Micros } from '../../reading.ts';
import type { AlertType, Severity, ConditionKind, Side } from '../model.ts';

/** One severity level of one side: the limit, and how long it must be crossed. */
export interface SeverityLevel {
  readonly severity: Severity;
  /** In the metric's unit; a rate per minute; an anomaly's z; for no data seconds. */
  readonly limit: number;
  /** How long this level itself must be breached; undefined: the rule's `for`, and 0 once firing. */
  readonly forUs: Micros | undefined;
}

/** Labels that a rule gives its alerts, by name. */
export type RuleLabels = Readonly<Record<string, string>>;

export const NO_LABELS: RuleLabels = {};

/** `changes` transitions inside `window` are flapping; it ends after `hold` without a change. */
export interface Flap {
  readonly changes: number;
  readonly windowUs: Micros;
  readonly holdUs: Micros;
}

/** The input of the state machine: one alert type of one sensor, compiled from the configuration. */
export interface Condition {
  readonly alertType: AlertType;
  readonly metric: string;
  readonly kind: ConditionKind;
  readonly side: Side;
  /** Ascending severity, each at least as far out as the one before. Never empty. */
  readonly levels: readonly SeverityLevel[];
  readonly hysteresis: number;
  readonly forUs: Micros;
  /** `held`: the passing of time confirms (sensors that report on change); `confirmed`: only a reading does. */
  readonly forMode: 'confirmed' | 'held';
  readonly minSamples: number;
  readonly keepFiringForUs: Micros;
  readonly staleAfterUs: Micros;
  readonly latch: boolean;
  readonly flap: Flap | undefined;
  /** How much a kind looks back: readings, or microseconds; 0: it does not. */
  readonly window: number;
  /** How many readings a verdict needs. */
  readonly samples?: number | undefined;
  /** The metric that is subtracted: of another sensor, or of the same. */
  readonly minus?: { readonly sensor?: string | undefined; readonly metric: string } | undefined;
  readonly runbook: string | null;
  /** Labels of the rule itself, for matchers and receivers. */
  readonly labels: RuleLabels;
  /** Changes whenever the condition evaluates differently; texts, runbook and labels are not part of it. */
  readonly hash: string;
}

/** From OK or PENDING a level without a `for` of its own takes the rule's. */
export function onDelayUs(condition: Condition, level: SeverityLevel): Micros {
  return level.forUs ?? condition.forUs;
}

/** In FIRING a level without a `for` of its own escalates at once. */
export function escalationDelayUs(level: SeverityLevel): Micros {
  return level.forUs ?? 0;
}

/** The level of a severity; after a change of rules, the highest that is not above it, or -1. */
export function levelOf(condition: Condition, severity: Severity): number {
  return condition.levels.findLastIndex((level) => RANK[level.severity] <= RANK[severity]);
}

export const RANK: Readonly<Record<Severity, number>> = { info: 0, warning: 1, critical: 2 };
