import type { AlertCommandAction } from '../../core/notify/alert-command.ts';
import { SILENCE_MS } from '../../core/notify/delivery.ts';
import type { AnswerResult } from '../../core/notify/text/answer.ts';
import {
  type EarlierRequest,
  alertSubject,
  earlierRequest,
  requestAck,
  requestSilence,
  requestSilenceEnd,
  standingAck,
} from '../../queries/alert-requests.ts';
import { pollUntil } from '../../lib/sleep.ts';
import { OUTCOME_POLL_MS, findOpenAlert, outcomeOf } from '../../queries/alerts.ts';
import type { Clock } from '../../ports/time.ts';
import type { Db } from '../../queries/db.ts';

/** An action on one alert from outside: a link, a button, a message. */
export interface ActionRequest {
  readonly action: AlertCommandAction;
  readonly alertId: string;
  readonly by: string;
  readonly comment: string;
  /** Duration of an acknowledgement or a silence; absent: while the alert is open, or two hours. */
  readonly forMs?: number | undefined;
  /** Equal for one press of a button, however often it arrives. */
  readonly requestId: string;
}

/** How long a daemon that executes the request is waited for. */
export interface Patience {
  readonly clock: Clock;
  readonly patienceMs: number;
}

/**
 * Acknowledges an alert, silences its type at its sensor, or ends such silences, by the operator commands of the command line. The same
 * request changes nothing more, whatever was killed in between, and gives the same result.
 */
export async function actOnAlert(db: Db, request: ActionRequest, patience: Patience): Promise<AnswerResult> {
  const before = await earlierRequest(db, request.requestId);
  if (before !== undefined) return resultOf(db, before, true, patience);
  const { action, alertId, forMs } = request;
  if (action === 'unsilence') {
    const subject = await alertSubject(db, alertId);
    if (subject === undefined) return { outcome: 'over', action, repeated: false };
    await requestSilenceEnd(db, subject, request);
  } else {
    const alert = await findOpenAlert(db, { alertId });
    if (alert === undefined) return { outcome: 'over', action, repeated: false };
    if (action === 'ack') await requestAck(db, alert, request);
    else await requestSilence(db, alert, forMs ?? SILENCE_MS, request);
  }
  const made = await earlierRequest(db, request.requestId);
  if (made !== undefined) return resultOf(db, made, false, patience);
  if (action === 'unsilence') return { outcome: 'already', action, repeated: false };
  throw new Error('a request that was just stored is not there');
}

async function resultOf(
  db: Db,
  request: EarlierRequest,
  repeated: boolean,
  { clock, patienceMs }: Patience,
): Promise<AnswerResult> {
  const { kind: action, id } = request;
  if (action !== 'ack') return { action, ...factsOf(request), outcome: 'done', repeated };
  const known =
    request.outcome ??
    (await pollUntil(clock, { everyMs: OUTCOME_POLL_MS, withinMs: patienceMs }, () => outcomeOf(db, id)));
  const outcome = OUTCOMES[known ?? ''] ?? 'queued';
  // Then it is not that of the one who asked.
  const ack = outcome === 'already' ? await standingAck(db, id) : request;
  return { action, ...(ack === undefined ? {} : factsOf(ack)), outcome, repeated };
}

const factsOf = ({
  by,
  at,
  endsAt,
}: Pick<EarlierRequest, 'by' | 'at' | 'endsAt'>): Pick<AnswerResult, 'by' | 'atMs' | 'untilMs'> => ({
  ...{ by, atMs: at.getTime(), untilMs: endsAt?.getTime() },
});

const OUTCOMES: Readonly<Record<string, AnswerResult['outcome']>> = {
  done: 'done',
  already: 'already',
  not_open: 'over',
};
