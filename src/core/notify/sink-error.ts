import { FieldwatchError } from '../errors.ts';
import type { Millis } from '../reading.ts';

/**
 * Why a sink did not accept a notification: `refused` this one only, so it is dropped · `away` no answer, or one that
 * asks for a retry later · `auth` credentials · `setup` the far end differs from the configuration. The last three
 * are retried, the last two more slowly.
 */
export type SinkFault = 'refused' | 'away' | 'auth' | 'setup' | 'certificate';

const KINDS = {
  refused: 'data',
  away: 'transient',
  auth: 'auth',
  setup: 'config',
  certificate: 'config',
} as const;
const CODES = {
  refused: 'NOTIFY_REFUSED',
  away: 'NOTIFY_UNREACHABLE',
  auth: 'NOTIFY_AUTH',
  setup: 'NOTIFY_SETUP',
  certificate: 'NOTIFY_CERTIFICATE',
} as const;
const REMEDIES = {
  refused: 'the notification is given up; see what the sink says about it',
  certificate:
    'check the certificate of the sink: its expiry, its name, and the authority that signed it (NODE_EXTRA_CA_CERTS, or ca_file for mail)',
  away: 'it is tried again; check that the sink runs, and the network between',
  auth: 'check user, password, token and their files',
  setup: 'check the url and the other settings of the sink',
} as const;

/** The message never holds a secret: it is logged, stored and shown. */
export class SinkError extends FieldwatchError {
  readonly fault: SinkFault;
  /** The retry delay that the sink requests. */
  readonly retryAfterMs: Millis | undefined;

  constructor(fault: SinkFault, message: string, more: { cause?: unknown; retryAfterMs?: Millis } = {}) {
    super(message, {
      code: CODES[fault],
      kind: KINDS[fault],
      remedy: REMEDIES[fault],
      ...(more.cause === undefined ? {} : { cause: more.cause }),
    });
    this.fault = fault;
    this.retryAfterMs = more.retryAfterMs;
  }
}

export const retryAfterMsOf = (error: unknown): Millis | undefined =>
  error instanceof SinkError ? error.retryAfterMs : undefined;

/** Converts anything thrown while sending; unclassified errors are retried. */
export function sinkError(error: unknown): SinkError {
  if (error instanceof SinkError) return error;
  return new SinkError('away', error instanceof Error ? error.message : String(error), { cause: error });
}
