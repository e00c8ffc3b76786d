import type * as Crypto from 'node:crypto';
import type { Millis } from '../core/reading.ts';
import { loadLibrary } from './load-library.ts';

/** Actions of a link in a notification: one thing, with one alert. */
export const ACTIONS = ['ack', 'silence'] as const;
export type AlertAction = (typeof ACTIONS)[number];

export interface ActionClaim {
  readonly alertId: string;
  readonly action: AlertAction;
  /** The sink whose notification has the link. */
  readonly sink: string;
  /** Number of the notification: each has links of its own. */
  readonly seq: number;
  readonly expiresMs: Millis;
}

/** A signature of anything else never fits. */
const PURPOSE = 'fieldwatch action v1\n';
const MOST_CHARACTERS = 1024;

// Loaded by the first link: it takes a start 4 ms.
const crypto = (): typeof Crypto => loadLibrary('node:crypto') as typeof Crypto;

const signatureOf = (payload: string, secret: string): Buffer =>
  crypto().createHmac('sha256', secret).update(`${PURPOSE}${payload}`).digest();

/** Characters of a URL path segment; about 140 of them. */
export function signAction({ alertId, action, sink, seq, expiresMs }: ActionClaim, secret: string): string {
  const fields = JSON.stringify([action, alertId, sink, seq, Math.ceil(expiresMs / 1000)]);
  const payload = Buffer.from(fields).toString('base64url');
  return `${payload}.${signatureOf(payload, secret).toString('base64url')}`;
}

/** The claim of a token that was signed with this secret, expired or not; undefined for any other. */
export function readAction(token: string, secret: string): ActionClaim | undefined {
  if (token.length > MOST_CHARACTERS) return undefined;
  const [payload = '', signature = '', more] = token.split('.');
  if (more !== undefined) return undefined;
  const expected = signatureOf(payload, secret);
  const given = Buffer.from(signature, 'base64url');
  if (given.length !== expected.length || !crypto().timingSafeEqual(given, expected)) return undefined;
  const fields = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as [
    AlertAction,
    string,
    string,
    number,
    number,
  ];
  const [action, alertId, sink, seq, expiresS] = fields;
  return { action, alertId, sink, seq, expiresMs: expiresS * 1000 };
}

/** The name of a request by a link: the same however often it is used, and nothing that the link could be made of. */
export const requestOf = (token: string): string =>
  `link:${crypto().createHash('sha256').update(token).digest('base64url')}`;
