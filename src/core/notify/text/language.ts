import type { ResolveReason, Severity } from '../../alert/model.ts';

/**
 * The texts of one language. Placeholders stand in braces, and each language uses the same ones for a message:
 * `name` (of the sensor), `subject` (what is measured), `metric`, `value`, `limit`, `clear` (where it counts as clear),
 * `window`, `severity`, `time`, `from`, `to`, `lasted`, `trend`, `count`, `location`, `by`, `notified` (who was notified).
 */
export interface Language {
  /** For numbers and dates, as Intl knows it. */
  readonly locale: string;
  readonly severities: Readonly<Record<Severity, string>>;
  /** Metrics by their names here; others are shown by the name that they have, with blanks for underscores. */
  readonly metrics: Readonly<Record<string, string>>;
  readonly trends: Readonly<Record<Trend, string>>;
  readonly messages: Readonly<Record<MessageName, string>>;
}

export type Trend = 'rising' | 'falling' | 'steady';

/** Why an episode ended: a message for each. */
export const ENDINGS = [
  'value', 'data_resumed', 'rule_changed', 'rule_removed', 'flapping_end', 'manual', 'retired',
] as const satisfies readonly (ResolveReason | 'retired')[]; // prettier-ignore

export const MESSAGES = [
  // What is measured.
  'subject', 'subject_rate', 'subject_mean', 'subject_spread', 'subject_difference', 'subject_no_data',
  'subject_offline',
  // Beyond the limit, and a change of the severity after it.
  'alert_for', 'above', 'below', 'rises', 'falls', 'unusual_above', 'unusual_below', 'escalated', 'deescalated',
  // Still open: beyond the limit, in the deadband, in the past.
  'still_above', 'still_below', 'still_rises', 'still_falls', 'still_unusual',
  'back_under', 'back_over', 'back_under_until', 'back_over_until', 'open_without_value',
  'was_above', 'was_below', 'was_unusual', 'not_clear',
  // Nothing received.
  'no_data', 'still_no_data', 'offline', 'still_offline', 'offline_reported', 'still_offline_reported',
  'was_no_data', 'was_offline', 'was_offline_reported',
  // So many alerts at once.
  'counted', 'end_counted',
  // The end.
  'end_value', 'end_data_resumed', 'end_rule_changed', 'end_rule_removed', 'end_flapping_end', 'end_manual', 'end_retired',
  'end_forgotten', 'end_offline',
  'flapping_start', 'flapping_end', 'acknowledged', 'acknowledged_until', 'unacknowledged',
  // The system itself: the message of the fault follows.
  'system_firing', 'system_escalated', 'system_resolved',
  // Several in one.
  'group', 'group_above', 'group_below', 'group_no_data', 'group_offline',
  'group_was_above', 'group_was_below', 'group_was_no_data', 'group_was_offline', 'group_no_longer',
  'group_resolved', 'group_resolved_no_data', 'group_resolved_offline', 'group_ended', 'group_unacknowledged', 'group_more',
  // The lines below.
  'since', 'since_trend', 'from_to', 'highest', 'lowest', 'late', 'now', 'not_acknowledged', 'not_acknowledged_notified', 'runbook',
  'ack_ended', 'ack_ended_notified', 'acknowledge', 'silence',
  // The answer to a link or a button.
  'ask_acknowledge', 'ask_silence', 'your_name', 'done_acknowledged', 'done_acknowledged_until', 'done_silenced', 'done_unsilenced', 'not_silenced',
  'already_acknowledged', 'is_over',
  'is_queued', 'is_used', 'is_expired', 'not_allowed', 'not_now',
] as const; // prettier-ignore

export type MessageName = (typeof MESSAGES)[number];

/** A message with its placeholders filled in; what is not given stays empty. */
export const fill = (message: string, values: Readonly<Record<string, string>>): string =>
  message.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '');
