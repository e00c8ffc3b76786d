import { FieldwatchError } from '../../core/errors.ts';
import { episodeRecord } from '../../queries/alert-episodes.ts';
import { pollUntil } from '../../lib/sleep.ts';
import { OUTCOME_POLL_MS, askFor, findOpenAlert, outcomeOf } from '../../queries/alerts.ts';
import { operatorOf } from '../access/caller.ts';
import {
  OUTCOMES,
  type AckAction,
  type AlertOutcome,
  ackActionSchema,
  alertActionSchema,
  alertOutcomeSchema,
  alertParams,
} from '../contract/alerts.ts';
import type { ApiDeps } from '../deps.ts';
import { unknownAlert } from './alerts.ts';
import { resource } from './resource.ts';

/** The daemon executes a command within a second; it takes longer only where it has no database. */
const PATIENCE_MS = 5000;

const action = (kind: 'ack' | 'resolve', summary: string) =>
  resource({
    id: kind === 'ack' ? 'acknowledgeAlert' : 'resolveAlert',
    method: 'POST',
    path: `/alerts/:alertId/${kind}`,
    tag: 'alerts',
    summary,
    role: 'operator',
    params: alertParams,
    body: kind === 'ack' ? ackActionSchema : alertActionSchema,
    answer: alertOutcomeSchema,
    faults: ['ALERT_UNKNOWN', 'ALERT_NOT_OPEN'],
    async handle({ params, body, by: caller }, { db, clock }): Promise<AlertOutcome> {
      const { alertId } = params;
      const by = operatorOf(caller);
      const alert = await findOpenAlert(db, { alertId });
      if (alert === undefined) throw await notOpen(db, alertId);
      const { id } = await askFor(db, alert, { kind, by, comment: body.comment, ...lasting(body) });
      const outcome = await pollUntil(clock, { everyMs: OUTCOME_POLL_MS, withinMs: PATIENCE_MS }, () =>
        outcomeOf(db, id),
      );
      const { sensor, alertType } = alert;
      return {
        alertId,
        sensor,
        alertType,
        by,
        outcome: OUTCOMES.find((each) => each === outcome) ?? 'queued',
      };
    },
  });

export const acknowledgeAlert = action(
  'ack',
  'Acknowledge an open alert: no more reminders, until it escalates',
);
export const resolveAlert = action('resolve', 'Close an open alert by hand');

const lasting = (body: AckAction) => (body.forS === undefined ? {} : { forMs: Math.round(body.forS * 1000) });

async function notOpen(db: ApiDeps['db'], alertId: string): Promise<FieldwatchError> {
  const record = await episodeRecord(db, alertId);
  if (record === undefined) return unknownAlert(alertId);
  const [{ system }] = record.rows;
  return new FieldwatchError(`alert ${alertId} is not open${system ? ' to commands' : ''}`, {
    code: 'ALERT_NOT_OPEN',
    kind: 'data',
    remedy: system
      ? 'An alert about the database or the daemon ends when its cause is gone.'
      : 'GET /api/v1/alerts lists what is open.',
  });
}
