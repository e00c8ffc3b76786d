/** How urgent an alert is. */
export type Severity = 'info' | 'warning' | 'critical';

/** A duration as in the configuration: `'250ms'`, `'10s'`, `'1h30m'`, `'7d'`. */
export type Duration = string;

/** When a metric raises an alert; the keys and their meaning are those of `alerts.metrics` in the configuration (docs/alerts.md). */
export interface AlertRule {
  /** Fires below this; null removes the limit of a wider scope. */
  readonly min?: number | null;
  /** Fires above this; null removes the limit of a wider scope. */
  readonly max?: number | null;
  /** Further severities with limits of their own. */
  readonly levels?: readonly {
    readonly severity: Severity;
    readonly min?: number;
    readonly max?: number;
    readonly for?: Duration;
  }[];
  /** Fires when it rises, or falls, faster than this a minute. */
  readonly max_rise?: number | null;
  readonly max_fall?: number | null;
  /** Fires when the mean over `window` is outside. */
  readonly min_mean?: number | null;
  readonly max_mean?: number | null;
  /** Fires when the standard deviation over `window` is above this. */
  readonly max_spread?: number | null;
  /** Time that `max_mean`, `min_mean` and `max_spread` look back over; 10m by default. */
  readonly window?: Duration;
  /** Fires when the value minus the last value of another metric, of the same sensor or of another one, is outside. */
  readonly difference?: {
    readonly minus: { readonly sensor?: string; readonly metric: string };
    readonly max?: number;
    readonly min?: number;
    /** Name of the alert types: `<name>_high`, `<name>_low`. */
    readonly name?: string;
  } | null;
  /** Unusual against the last readings: more than `z` standard deviations from their mean. */
  readonly anomaly?: { readonly z?: number; readonly window?: number; readonly hysteresis?: number } | null;
  /** Fires when a sensor that sent the metric sends nothing for this long. */
  readonly no_data_after?: Duration | null;
  readonly severity?: Severity;
  /** How far back inside the limit a value must come to clear. */
  readonly hysteresis?: number;
  /** How long a breach must last before it fires. */
  readonly for?: Duration;
  readonly for_mode?: 'confirmed' | 'held';
  readonly min_samples?: number;
  readonly keep_firing_for?: Duration;
  readonly stale_after?: Duration;
  readonly repeat_interval?: Duration | null;
  readonly latch?: boolean;
  readonly runbook?: string;
  /** Labels of its alerts, for routes, silences and receivers; scopes add theirs, null removes one. */
  readonly labels?: Readonly<Record<string, string | null>>;
}

/** When a sensor itself is missed. */
export interface OfflineRule {
  /** Without a message of any kind for this long it is offline; `'auto'`: by its own rhythm; null: never. */
  readonly offline_after?: Duration | null;
  /** Settings of the offline alert, where they differ from the defaults. */
  readonly offline?: Pick<AlertRule, 'severity' | 'repeat_interval' | 'runbook' | 'labels'>;
}

/** Rules for some sensors: exactly one of `type`, `location`, `tag` and `sensor` is given. */
export interface AlertOverride extends OfflineRule {
  readonly type?: string;
  readonly location?: string;
  readonly tag?: string;
  readonly sensor?: string;
  readonly metrics?: Readonly<Record<string, AlertRule>>;
}

/** Label to pattern: `{ location: 'cellar*' }`. */
export type AlertMatchers = Readonly<Record<string, string>>;

/** The `alerts` section of the configuration. */
export interface AlertRules extends OfflineRule {
  readonly defaults?: Pick<
    AlertRule,
    | 'severity'
    | 'hysteresis'
    | 'for'
    | 'for_mode'
    | 'min_samples'
    | 'keep_firing_for'
    | 'stale_after'
    | 'no_data_after'
    | 'repeat_interval'
    | 'latch'
    | 'runbook'
    | 'labels'
  >;
  /** Rules by metric; `'*'` is every metric, weaker than a metric's own name. */
  readonly metrics?: Readonly<Record<string, AlertRule>>;
  /** Rules for some sensors; a later scope wins per field: type, location, tag, sensor. */
  readonly overrides?: readonly AlertOverride[];
  /** Readings are held this long for earlier ones and then evaluated in the order of their times; 0s by default. */
  readonly allowed_lateness?: Duration;
  readonly backfill_after?: Duration;
  readonly max_future_skew?: Duration;
  readonly maintenance?: readonly {
    readonly match: AlertMatchers;
    readonly window: string;
    readonly tz?: string;
    readonly days?: readonly ('sun' | 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat')[];
  }[];
  readonly inhibit?: readonly {
    readonly source: AlertMatchers;
    readonly target: AlertMatchers;
    readonly equal?: readonly string[];
  }[];
  /** Alerts while several others are open at once. */
  readonly counts?: readonly {
    readonly name: string;
    readonly of: AlertMatchers;
    readonly at_least: number;
    readonly for?: Duration;
    readonly severity?: Severity;
    readonly repeat_interval?: Duration | null;
    readonly runbook?: string;
    readonly labels?: Readonly<Record<string, string | null>>;
  }[];
  readonly flap?: { readonly changes?: number; readonly window?: Duration; readonly hold?: Duration };
}
