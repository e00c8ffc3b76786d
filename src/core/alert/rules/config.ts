import type { Millis } from '../../reading.ts';
import type { Severity } from '../model.ts';

/** The `alerts:` section as the schema gives it: names of the YAML, durations in milliseconds. */

export interface LevelConfig {
  readonly severity: Severity;
  readonly max?: number | undefined;
  readonly min?: number | undefined;
  readonly for?: Millis | undefined;
}

export interface AnomalyConfig {
  readonly z: number;
  readonly window: number;
  readonly hysteresis: number;
}

/** The fields of a metric in any layer. null resets what a wider scope set. */
export interface RuleFields {
  readonly min?: number | null | undefined;
  readonly max?: number | null | undefined;
  readonly severity?: Severity | undefined;
  readonly hysteresis?: number | undefined;
  readonly for?: Millis | undefined;
  readonly for_mode?: 'confirmed' | 'held' | undefined;
  readonly min_samples?: number | undefined;
  readonly keep_firing_for?: Millis | undefined;
  readonly stale_after?: Millis | undefined;
  readonly latch?: boolean | undefined;
  readonly levels?: readonly LevelConfig[] | undefined;
  readonly max_rise?: number | null | undefined;
  readonly max_fall?: number | null | undefined;
  readonly anomaly?: AnomalyConfig | null | undefined;
  readonly no_data_after?: Millis | null | undefined;
  readonly repeat_interval?: Millis | null | undefined;
  readonly runbook?: string | undefined;
}

export const SCOPES = ['type', 'location', 'tag', 'sensor'] as const;
export type Scope = (typeof SCOPES)[number];

/** Rules for some sensors only; exactly one of the selectors is given. */
export type OverrideConfig = { readonly [S in Scope]?: string | undefined } & {
  readonly metrics: Readonly<Record<string, RuleFields>>;
};

/** The fields that always have a value, by the schema's defaults. */
type Filled =
  'severity' | 'hysteresis' | 'for' | 'for_mode' | 'min_samples' | 'keep_firing_for' | 'stale_after';
export type DefaultFields = RuleFields & { readonly [K in Filled]-?: NonNullable<RuleFields[K]> };

/** No notifications while the wall clock of `tz` is within the window. */
export interface MaintenanceConfig {
  readonly match: Matchers;
  /** `22:00-06:00` */
  readonly window: string;
  readonly tz: string;
  /** The days on which it begins. */
  readonly days: readonly Weekday[];
}

/** No notifications of the target while the source is open with the same values of the equal labels. */
export interface InhibitConfig {
  readonly source: Matchers;
  readonly target: Matchers;
  readonly equal: readonly string[];
}

export interface AlertsConfig {
  readonly defaults: DefaultFields;
  readonly max_future_skew: Millis;
  readonly allowed_lateness: Millis;
  readonly wait_for_spools: Millis;
  readonly backfill_after: Millis;
  readonly metrics: Readonly<Record<string, RuleFields>>;
  readonly overrides: readonly OverrideConfig[];
  readonly maintenance: readonly MaintenanceConfig[];
  readonly inhibit: readonly InhibitConfig[];
  readonly flap?: { readonly changes: number; readonly window: Millis; readonly hold: Millis } | undefined;
}

/** Label -> pattern; `*` matches any text and `?` one character. All of them have to match. */
export type Matchers = Readonly<Record<string, string>>;

export type Weekday = (typeof WEEKDAYS)[number];

/** In the order of Date.getUTCDay(). */
export const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
