import { FieldwatchError } from '../../core/errors.ts';
import { idsBeginningWith } from '../../queries/alert-episodes.ts';
import type { Db } from '../../queries/db.ts';
import { isUuid } from '../arguments.ts';
import { usage } from '../command.ts';

/** As many digits that a typing mistake hardly is the beginning of another id. */
const BEGINNING = /^[0-9a-f]{4,8}(?:-[0-9a-f-]{0,27})?$/i;

/** Whether a text may name an alert: its alert_id, or four or more of its first digits. */
export const isAlertId = (text: string): boolean => isUuid(text) || BEGINNING.test(text);

/** The alert_id that begins with a text. Rejects with ALERT_UNKNOWN if no id does, with USAGE if several do. */
export async function wholeAlertId(db: Db, text: string): Promise<string> {
  if (isUuid(text)) return text.toLowerCase();
  const [first, ...others] = await idsBeginningWith(db, text);
  if (first === undefined) throw unknownAlert(text);
  if (others.length === 0) return first;
  throw usage(`"${text}" is the beginning of several ids: ${[first, ...others].join(', ')}`);
}

export const unknownAlert = (alert: string): FieldwatchError =>
  new FieldwatchError(`no alert ${alert}`, {
    code: 'ALERT_UNKNOWN',
    kind: 'data',
    remedy: '`fieldwatch alerts list --since 30d` shows the ids.',
  });
