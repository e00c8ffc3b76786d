import type { NewSilence } from '../../api/contract/silences.ts';
import { someMatchers } from '../../config/schema/suppression.ts';
import { silenceEnd } from '../../core/alert/suppress/silence.ts';
import { FieldwatchError } from '../../core/errors.ts';
import { countMatches } from '../../queries/alerts.ts';
import type { Db } from '../../queries/db.ts';
import { addSilence, type SilenceRow } from '../../queries/silences.ts';

export interface SilenceRequest extends Omit<NewSilence, 'comment'> {
  readonly comment: string;
}

/** Adds a silence, by the rules of the command line; with how many open alerts it fits. */
export async function addCheckedSilence(
  db: Db,
  { matchers, from, until, forS, comment }: SilenceRequest,
  { by, nowMs, maxMs }: { readonly by: string; readonly nowMs: number; readonly maxMs: number },
): Promise<SilenceRow & { readonly matched: number; readonly open: number }> {
  const checked = someMatchers('').safeParse(matchers);
  if (!checked.success) throw fault(checked.error.issues.map(({ message }) => message).join('; '));
  if ((until === undefined) === (forS === undefined))
    throw fault('a silence needs an end: either until or forS');
  const startsAt = from === undefined ? null : new Date(from);
  const request = {
    startMs: startsAt?.getTime() ?? nowMs,
    untilMs: until === undefined ? undefined : Date.parse(until),
    forMs: forS === undefined ? undefined : forS * 1000,
  };
  const end = silenceEnd(request, maxMs);
  if ('fault' in end) throw fault(end.fault, end.remedy);
  const row = await addSilence(db, { matchers, startsAt, end, by, comment });
  if (row === undefined) throw new Error('the database gave no row for a silence');
  return { ...row, ...(await countMatches(db, matchers)) };
}

const fault = (message: string, remedy?: string) =>
  new FieldwatchError(message, {
    code: 'SILENCE_INVALID',
    kind: 'data',
    ...(remedy === undefined ? {} : { remedy }),
  });
