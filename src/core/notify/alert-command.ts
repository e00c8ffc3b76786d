import { parseDuration } from '../duration.ts';
import type { Millis } from '../reading.ts';
import { oneLine } from './one-line.ts';

/** An action on one alert, as a message asks for it. */
export interface AlertCommand {
  readonly action: AlertCommandAction;
  readonly alertId: string;
  readonly by: string;
  readonly comment: string;
  /** Duration of an acknowledgement or a silence; absent: while the alert is open, or the usual time of a silence. */
  readonly forMs?: Millis | undefined;
  /** The `id` of the message, or null where its correlation data stand for it. */
  readonly id: string | null;
}

export const COMMAND_ACTIONS = ['ack', 'silence', 'unsilence'] as const;
export type AlertCommandAction = (typeof COMMAND_ACTIONS)[number];

/** Why a message is not executed: for programs, and in a sentence. */
export interface CommandRefusal {
  readonly reason:
    'retained' | 'too_large' | 'invalid' | 'no_id' | 'too_many' | 'response_topic' | 'too_long';
  readonly detail: string;
  readonly id: string | null;
}

export interface CommandMessageFacts {
  readonly payload: Uint8Array;
  readonly retain: boolean;
  /** It has correlation data. */
  readonly isCorrelated: boolean;
}

/** Bytes of a payload. */
export const MOST_COMMAND_BYTES = 4096;
const MOST_ID = 128;
const MOST_NAME = 60;
const MOST_COMMENT = 500;
const LONGEST_MS = 366 * 86_400_000;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const KEYS = ['id', 'action', 'alert_id', 'by', 'comment', 'for'];

/** Reads a message of the command topic: a JSON object. */
export function parseAlertCommand({
  payload,
  retain,
  isCorrelated,
}: CommandMessageFacts): AlertCommand | CommandRefusal {
  // A broker hands it out again and again, to each new subscriber.
  if (retain) return refusal('retained', 'a command must not be retained');
  if (payload.length > MOST_COMMAND_BYTES)
    return refusal('too_large', `the payload has more than ${MOST_COMMAND_BYTES} bytes`);
  const given = objectOf(payload);
  if (given === undefined) return refusal('invalid', 'the payload is no JSON object');
  const { id, action, alert_id: alertId, by, comment = '', for: lasts } = given;
  const unknown = Object.keys(given).find((key) => !KEYS.includes(key));
  const named = typeof id === 'string' && id !== '' && id.length <= MOST_ID ? id : null;
  const invalid = (detail: string) => refusal('invalid', detail, named);
  if (unknown !== undefined)
    return invalid(`unknown key ${JSON.stringify(unknown.slice(0, 40))}; known: ${KEYS.join(', ')}`);
  if (id !== undefined && named === null) return invalid(`id: expected a text of 1 to ${MOST_ID} characters`);
  if (!isAction(action)) return invalid(`action: expected ${COMMAND_ACTIONS.join(', ')}`);
  if (typeof alertId !== 'string' || !UUID.test(alertId))
    return invalid('alert_id: expected the alert_id of a notification');
  const name = typeof by === 'string' ? oneLine(by).trim() : '';
  if (name === '' || name.length > MOST_NAME)
    return invalid(`by: expected the name of who asks, of 1 to ${MOST_NAME} characters`);
  if (typeof comment !== 'string' || comment.length > MOST_COMMENT)
    return invalid(`comment: expected a text of at most ${MOST_COMMENT} characters`);
  const forMs = typeof lasts === 'string' ? parseDuration(lasts) : undefined;
  if (lasts !== undefined && !(forMs !== undefined && forMs > 0 && forMs <= LONGEST_MS))
    return invalid('for: expected a duration such as 30m, of at most a year');
  if (lasts !== undefined && action === 'unsilence') return invalid('for: unsilence takes none');
  if (named === null && !isCorrelated)
    return refusal(
      'no_id',
      'id is missing: a message that arrives twice could not be distinguished from two',
    );
  return {
    ...{ action, alertId: alertId.toLowerCase(), by: name, comment: oneLine(comment), id: named },
    ...(forMs === undefined ? {} : { forMs }),
  };
}

export const isRefusal = (parsed: AlertCommand | CommandRefusal): parsed is CommandRefusal =>
  'reason' in parsed;

const refusal = (
  reason: CommandRefusal['reason'],
  detail: string,
  id: string | null = null,
): CommandRefusal => ({ reason, detail, id });

const isAction = (value: unknown): value is AlertCommandAction =>
  (COMMAND_ACTIONS as readonly unknown[]).includes(value);

function objectOf(payload: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
