import type * as z from '../../schema/zod.ts';
import type { Millis } from '../../reading.ts';
import type { KindFields } from '../kind/index.ts';
import type { offlineFields } from '../kind/offline.ts';
import type { CommonValues } from './common-fields.ts';

/** The `alerts:` section as the schema gives it: names of the YAML, durations in milliseconds. */

/** The fields of a metric in any layer. null resets what a wider scope set. */
export type RuleFields = {
  readonly [Key in keyof CommonValues]?: CommonValues[Key] | undefined;
} & { readonly [Key in keyof KindValues]?: KindValues[Key] | undefined };
type KindValues = z.output<z.ZodObject<KindFields>>;

export const SCOPES = ['type', 'location', 'tag', 'sensor'] as const;
export type Scope = (typeof SCOPES)[number];

/** Rules for some sensors only; exactly one of the selectors is given. */
export type OverrideConfig = { readonly [S in Scope]?: string | undefined } & {
  readonly metrics: Readonly<Record<string, RuleFields>>;
} & OfflineFields;

/** About the sensor itself, in every scope. */
export type OfflineFields = {
  readonly [Key in keyof OfflineValues]?: OfflineValues[Key] | undefined;
};
type OfflineValues = z.output<z.ZodObject<typeof offlineFields>>;

export type DefaultFields = RuleFields & CommonValues;

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

/** An alert while this many others are open at once. */
export interface CountConfig {
  readonly name: string;
  readonly of: Matchers;
  readonly at_least: number;
  readonly for?: Millis | undefined;
  readonly severity?: CommonValues['severity'] | undefined;
  readonly repeat_interval?: Millis | null | undefined;
  readonly runbook?: string | undefined;
  readonly labels?: CommonValues['labels'];
}

/** The key of the sensor that carries the alert of a count. */
export const countKey = (name: string): string => `count:${name}`;

export interface AlertsConfig extends OfflineFields {
  readonly defaults: DefaultFields;
  readonly max_future_skew: Millis;
  readonly allowed_lateness: Millis;
  readonly wait_for_spools: Millis;
  readonly backfill_after: Millis;
  readonly metrics: Readonly<Record<string, RuleFields>>;
  readonly overrides: readonly OverrideConfig[];
  readonly maintenance: readonly MaintenanceConfig[];
  readonly inhibit: readonly InhibitConfig[];
  readonly counts?: readonly CountConfig[] | undefined;
  readonly flap?: { readonly changes: number; readonly window: Millis; readonly hold: Millis } | undefined;
}

/** Label -> pattern; `*` matches any text and `?` one character. All of them have to match. */
export type Matchers = Readonly<Record<string, string>>;

export type Weekday = (typeof WEEKDAYS)[number];

/** In the order of Date.getUTCDay(). */
export const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
