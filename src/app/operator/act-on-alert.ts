import { SILENCE_MS } from '../../core/notify/delivery.ts';
import type { AnswerResult } from '../../core/notify/text/answer.ts';
import type { AlertAction } from '../../lib/action-token.ts';
import {
  type EarlierRequest,
  earlierRequest,
  requestAck,
  requestSilence,
} from '../../queries/alert-requests.ts';
import { findOpenAlert, outcomeWithin } from '../../queries/alerts.ts';
import type { Db } from '../../queries/db.ts';

/** An action on one alert from outside: a link, a button, a message. */
export interface ActionRequest {
  readonly action: AlertAction;
  readonly alertId: string;
  readonly by: string;
  readonly comment: string;
  /** The same for the same press of a button, however often it arrives. */
  readonly requestId: string;
}

/**
 * Acknowledges an alert, or silences its type at its sensor for two hours, by the operator commands of the command line. The same
 * request changes nothing more, whatever was killed in between, and gives the same result.
 */
export async function actOnAlert(
  db: Db,
  request: ActionRequest,
  { patienceMs, silenceMs = SILENCE_MS }: { readonly patienceMs: number; readonly silenceMs?: number },
): Promise<AnswerResult> {
  const before = await earlierRequest(db, request.requestId);
  if (before !== undefined) return resultOf(db, before, { repeated: true, patienceMs });
  const alert = await findOpenAlert(db, { alertId: request.alertId });
  if (alert === undefined) return { outcome: 'over', repeated: false };
  if (request.action === 'ack') await requestAck(db, alert, request);
  else await requestSilence(db, alert, silenceMs, request);
  const made = await earlierRequest(db, request.requestId);
  if (made === undefined) throw new Error('a request that was just stored is not there');
  return resultOf(db, made, { repeated: false, patienceMs });
}

async function resultOf(
  db: Db,
  { kind, id, by, at, outcome, endsAt }: EarlierRequest,
  { repeated, patienceMs }: { readonly repeated: boolean; readonly patienceMs: number },
): Promise<AnswerResult> {
  const shared = { by, atMs: at.getTime(), repeated };
  if (kind === 'silence') return { ...shared, outcome: 'done', untilMs: endsAt?.getTime() };
  const known = outcome ?? (await outcomeWithin(db, id, patienceMs));
  return { ...shared, outcome: OUTCOMES[known ?? ''] ?? 'queued' };
}

const OUTCOMES: Readonly<Record<string, AnswerResult['outcome']>> = {
  done: 'done',
  already: 'already',
  not_open: 'over',
};
