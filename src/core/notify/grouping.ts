import { isOfAbsence } from '../alert/kind/index.ts';
import type { AlertNotification } from '../alert/model.ts';
import { type AlertLabels, labelValues } from '../alert/suppress/matcher.ts';
import type { Millis } from '../reading.ts';
import type { GroupingConfig } from './routes.ts';

/** With which others a notification is sent, and when. */
export interface Placement {
  /** JSON of the labels in `group_by` with their values. */
  readonly groupKey: string;
  /** The first of a group waits this long for others. */
  readonly waitMs: Millis;
  /** Time between two notifications of a group. */
  readonly intervalMs: Millis;
}

/** In `group_by`: every episode is a group of its own. */
export const UNGROUPED = '...';

export const DEFAULT_GROUP_BY: readonly string[] = ['alert_type'];
const WAIT_MS = 5000;
const INTERVAL_MS = 30_000;
/** A critical alert must not wait long for those before it. */
const CRITICAL_INTERVAL_MS = 10_000;
/** Missing sensors are noticed minutes late, and many of them one after the other. */
const ABSENCE_WAIT_MS = 30_000;
const ABSENCE_INTERVAL_MS = 300_000;

/** An older one of two waiting notifications of an episode is outdated; within this time both are sent. */
export const COLLAPSE_AFTER_MS = 30_000;
/** So many of a group are named, the most severe first. */
export const GROUP_NAMES = 10;

const MAX_KEY = 1000;

/** `scopes`: the narrowest first, the route before the sink. */
export function placementOf(
  notification: AlertNotification,
  alert: AlertLabels,
  scopes: readonly GroupingConfig[],
): Placement {
  const first = <Key extends keyof GroupingConfig>(key: Key) =>
    scopes.find((scope) => scope[key] !== undefined)?.[key];
  const isMissing = isOfAbsence(notification);
  const intervalMs = notification.severity === 'critical' ? CRITICAL_INTERVAL_MS : INTERVAL_MS;
  return {
    groupKey: groupKeyOf(first('groupBy') ?? DEFAULT_GROUP_BY, notification, alert),
    waitMs: first('groupWaitMs') ?? (isMissing ? ABSENCE_WAIT_MS : WAIT_MS),
    intervalMs: first('groupIntervalMs') ?? (isMissing ? ABSENCE_INTERVAL_MS : intervalMs),
  };
}

function groupKeyOf(groupBy: readonly string[], { alertId }: AlertNotification, alert: AlertLabels): string {
  if (groupBy.includes(UNGROUPED)) return JSON.stringify({ alert_id: alertId });
  const labels = groupBy.map((label) => [label, labelValues(label, alert).join(',')] as const);
  const key = JSON.stringify(Object.fromEntries(labels));
  // Tags are text from the network: a longer key is cut, and names no labels then.
  return key.length <= MAX_KEY ? key : key.slice(0, MAX_KEY);
}

/** The labels that a group has in common; undefined where its key does not say. */
export function groupLabelsOf(groupKey: string): Readonly<Record<string, string>> | undefined {
  try {
    const parsed: unknown = JSON.parse(groupKey);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, string>) : undefined;
  } catch {
    return undefined;
  }
}

/** When a group may be sent: its first notification has waited, and the last time is an interval ago. */
export const groupDueMs = (
  firstDueMs: Millis,
  intervalMs: Millis,
  flushedAtMs: Millis | undefined,
): Millis => (flushedAtMs === undefined ? firstDueMs : Math.max(firstDueMs, flushedAtMs + intervalMs));
