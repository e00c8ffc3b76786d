import { ReasonCodes } from 'mqtt';

/** Why a connection ended or never came about; the metrics label, so a closed list. */
export type FailureKind =
  | 'auth'
  | 'taken_over'
  | 'protocol_version'
  | 'refused'
  | 'broker_closed'
  | 'keepalive'
  | 'timeout'
  | 'tls'
  | 'network'
  | 'setup'
  | 'protocol';

/** One connection attempt's end, ready for the log and for the choice of the next wait. */
export interface Failure {
  readonly kind: FailureKind;
  /** Constant per cause: the same reason twice in a row is logged once. */
  readonly reason: string;
  readonly remedy?: string;
  /** A quick retry cannot help: wait about as long as the cap. */
  readonly slow: boolean;
}

const REMEDIES: Partial<Record<FailureKind, string>> = {
  auth: 'Check user name and password (or the client certificate) and what the broker allows this client id.',
  taken_over: 'Another client uses the same client id: give every daemon its own client_id.',
  protocol_version: 'The broker does not speak this MQTT version: set protocol_version to 4 (MQTT 3.1.1).',
  tls: 'Check the CA, certificate and key files, their expiry dates, and the server name.',
  setup: 'Check the credentials provider and that the TLS files exist and are readable.',
};

const SLOW: ReadonlySet<FailureKind> = new Set(['auth', 'taken_over', 'protocol_version']);

export function failure(kind: FailureKind, reason: string): Failure {
  const remedy = REMEDIES[kind];
  return { kind, reason, slow: SLOW.has(kind), ...(remedy === undefined ? {} : { remedy }) };
}

/** CONNACK codes of both versions: 3.1.1 has 1 to 5 (section 3.2.2.3), 5.0 has 128 and up (3.2.2.2). */
const CONNACK_KINDS: Readonly<Record<number, FailureKind>> = {
  1: 'protocol_version',
  132: 'protocol_version',
  4: 'auth',
  5: 'auth',
  134: 'auth',
  135: 'auth',
  138: 'auth',
  140: 'auth',
};

export function connackFailure(code: number): Failure {
  return failure(CONNACK_KINDS[code] ?? 'refused', `the broker refused the connection: ${nameOf(code)}`);
}

/** A DISCONNECT that the broker sent (MQTT 5, 3.14.2.1). */
export function disconnectFailure(code: number): Failure {
  if (code === 142) return failure('taken_over', 'another client took over the session');
  if (code === 141) return failure('keepalive', 'the broker missed our pings');
  return failure('broker_closed', `the broker ended the connection: ${nameOf(code)}`);
}

const TLS_CODE =
  /^(ERR_SSL|ERR_TLS|ERR_OSSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|EPROTO|HOSTNAME_MISMATCH)/;

/** What MQTT.js or the socket raised, by its code; MQTT.js gives its two timeouts no code, only a fixed text. */
export function errorFailure(error: Error): Failure {
  const code = (error as NodeJS.ErrnoException).code;
  if (error.message === 'Keepalive timeout') return failure('keepalive', 'the broker does not answer pings');
  if (error.message === 'connack timeout') return failure('timeout', 'the broker did not answer in time');
  if (typeof code === 'string') {
    return failure(TLS_CODE.test(code) ? 'tls' : 'network', `${code}: ${error.message}`);
  }
  return failure('protocol', error.message);
}

function nameOf(code: number): string {
  const name: string | undefined = ReasonCodes[code as keyof typeof ReasonCodes];
  return name === undefined ? `code ${code}` : `${name} (${code})`;
}
