import { SEVERITIES } from '../../core/alert/model.ts';
import type { EpisodeRecord } from '../../queries/alert-episodes.ts';
import { TRANSITIONS, type AlertDetail, type Transition } from '../contract/alerts.ts';
import { finite, iso } from './values.ts';

const STEP = { severity: null, value: null, message: null, by: null, comment: null } as const;

/**
 * The course of an episode in order: by its notifications where they are still kept, otherwise by its rows, which know every rise
 * of severity but no fall.
 */
export function courseOf({ rows, notifications, actions }: EpisodeRecord): Transition[] {
  const [first] = rows;
  const last = rows.at(-1) ?? first;
  const steps: Transition[] = [];
  if (first.startedAt !== null) steps.push({ ...STEP, at: iso(first.startedAt), event: 'started' });
  steps.push(...(notifications.length > 0 ? fromNotifications(notifications) : fromRows(rows)));
  for (const { kind, by, comment, at } of actions)
    if (kind === 'ack')
      steps.push({ ...STEP, at: iso(at), event: 'acked', by, comment: comment === '' ? null : comment });
  // Commands are kept for 90 days.
  if (last.ackedAt !== null && !steps.some(({ event }) => event === 'acked'))
    steps.push({ ...STEP, at: iso(last.ackedAt), event: 'acked', by: last.ackedBy });
  const resolved = actions.find(({ kind }) => kind === 'resolve');
  return steps
    .map((step) =>
      step.event === 'resolved' && resolved !== undefined
        ? { ...step, by: resolved.by, comment: resolved.comment === '' ? null : resolved.comment }
        : step,
    )
    .sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

function fromNotifications(notifications: EpisodeRecord['notifications']): Transition[] {
  return notifications.flatMap(({ event, severity, value, message, eventTimeMs, createdAt }) => {
    const known = TRANSITIONS.find((each) => each === event);
    if (known === undefined) return [];
    // A reminder and the like come when they are sent, whatever the time of the last reading is.
    const at = eventTimeMs === null ? createdAt : new Date(eventTimeMs);
    const named = SEVERITIES.find((each) => each === severity) ?? null;
    return [{ ...STEP, at: iso(at), event: known, severity: named, value: finite(value), message }];
  });
}

function fromRows(rows: EpisodeRecord['rows']): Transition[] {
  const steps = rows.map(({ time, severity, value, message }, index): Transition => ({
    ...STEP,
    ...{ at: iso(time), event: index === 0 ? 'firing' : 'escalated', value: finite(value), message },
    severity: SEVERITIES.find((each) => each === severity) ?? null,
  }));
  const { resolvedAt, resolvedValue } = rows.at(-1) ?? rows[0];
  if (resolvedAt !== null)
    steps.push({ ...STEP, at: iso(resolvedAt), event: 'resolved', value: finite(resolvedValue) });
  return steps;
}

const LEAST_MARGIN_MS = 5 * 60_000;
const SHORT_MARGIN_MS = 30 * 60_000;

/** On both sides: twice the duration of a short alert, a quarter of that of a long one. */
export const marginMs = (durationMs: number): number =>
  Math.max(LEAST_MARGIN_MS, Math.min(SHORT_MARGIN_MS, 2 * durationMs), durationMs / 4);

/** What shows the whole course: the time from the first breach to the end, with what was before and after it. */
export function curveOf({ rows }: EpisodeRecord, metric: string | null, nowMs: number): AlertDetail['curve'] {
  const [first] = rows;
  const last = rows.at(-1) ?? first;
  if (metric === null || first.system) return null;
  const fromMs = (first.startedAt ?? first.time).getTime();
  const toMs = last.resolvedAt?.getTime() ?? nowMs;
  const margin = marginMs(toMs - fromMs);
  return {
    metric,
    from: iso(new Date(fromMs - margin)),
    to: iso(new Date(Math.max(fromMs + 1000, Math.min(toMs + margin, Math.max(nowMs, toMs))))),
  };
}
