import { EPISODE_STEPS, type EpisodeStepName } from '../core/alert/state/transitions.ts';
import { SEVERITIES, type Severity } from '../core/alert/model.ts';
import type { EpisodeRecord } from './alert-episodes.ts';
import type { TimeRange } from './db.ts';

/** A step in the course of an episode. */
export interface EpisodeStep {
  readonly at: Date;
  readonly event: EpisodeStepName;
  /** From then on; null: unchanged. */
  readonly severity: Severity | null;
  readonly value: number | null;
  /** The notification as a sentence. */
  readonly message: string | null;
  /** An operator; null: the daemon. */
  readonly by: string | null;
  readonly comment: string | null;
  /** End of an acknowledgement that ends before the alert. */
  readonly until: Date | null;
}

const STEP = { severity: null, value: null, message: null, by: null, comment: null, until: null } as const;

/**
 * The course of an episode in order: by its notifications where they are still kept, otherwise by its rows, which know every rise
 * of severity but no fall.
 */
export function courseOf({ rows, notifications, actions }: EpisodeRecord): EpisodeStep[] {
  const [first] = rows;
  const last = rows.at(-1) ?? first;
  const steps: EpisodeStep[] = [];
  if (first.startedAt !== null) steps.push({ ...STEP, at: first.startedAt, event: 'started' });
  steps.push(...(notifications.length > 0 ? fromNotifications(notifications) : fromRows(rows)));
  for (const { kind, by, comment, at, endsAt } of actions)
    if (kind === 'ack')
      steps.push({ ...STEP, at, event: 'acked', by, comment: commentOf(comment), until: endsAt });
  // Commands are kept for 90 days.
  const { ackedAt, ackedBy, ackedUntil } = last;
  if (ackedAt !== null && !steps.some(({ event }) => event === 'acked'))
    steps.push({ ...STEP, at: ackedAt, event: 'acked', by: ackedBy, until: ackedUntil });
  const resolved = actions.find(({ kind }) => kind === 'resolve');
  return steps
    .map((step) =>
      step.event === 'resolved' && resolved !== undefined
        ? { ...step, by: resolved.by, comment: commentOf(resolved.comment) }
        : step,
    )
    .sort((a, b) => a.at.getTime() - b.at.getTime());
}

const commentOf = (comment: string): string | null => (comment === '' ? null : comment);

function fromNotifications(notifications: EpisodeRecord['notifications']): EpisodeStep[] {
  return notifications.flatMap(({ event, severity, value, message, eventTimeMs, createdAt }) => {
    const known = EPISODE_STEPS.find((each) => each === event);
    if (known === undefined) return [];
    // A reminder and the like come when they are sent, whatever the time of the last reading is.
    const at = eventTimeMs === null ? createdAt : new Date(eventTimeMs);
    const named = SEVERITIES.find((each) => each === severity) ?? null;
    return [{ ...STEP, at, event: known, severity: named, value, message }];
  });
}

function fromRows(rows: EpisodeRecord['rows']): EpisodeStep[] {
  const steps = rows.map(({ time, severity, value, message }, index): EpisodeStep => ({
    ...STEP,
    ...{ at: time, event: index === 0 ? 'firing' : 'escalated', value, message },
    severity: SEVERITIES.find((each) => each === severity) ?? null,
  }));
  const { resolvedAt, resolvedValue } = rows.at(-1) ?? rows[0];
  if (resolvedAt !== null) steps.push({ ...STEP, at: resolvedAt, event: 'resolved', value: resolvedValue });
  return steps;
}

const LEAST_MARGIN_MS = 5 * 60_000;
const SHORT_MARGIN_MS = 30 * 60_000;

/** On both sides: twice the duration of a short alert, a quarter of that of a long one. */
export const marginMs = (durationMs: number): number =>
  Math.max(LEAST_MARGIN_MS, Math.min(SHORT_MARGIN_MS, 2 * durationMs), durationMs / 4);

/** Range that shows the whole course: the time from the first breach to the end, with what was before and after it. */
export function curveOf(
  { rows }: EpisodeRecord,
  metric: string,
  nowMs: number,
): (TimeRange & { readonly metric: string }) | null {
  const [first] = rows;
  const last = rows.at(-1) ?? first;
  if (metric === '' || first.system) return null;
  const fromMs = (first.startedAt ?? first.time).getTime();
  const toMs = last.resolvedAt?.getTime() ?? nowMs;
  const margin = marginMs(toMs - fromMs);
  return {
    metric,
    from: new Date(fromMs - margin),
    to: new Date(Math.max(fromMs + 1000, Math.min(toMs + margin, Math.max(nowMs, toMs)))),
  };
}
