import { ReasonCodes } from 'mqtt';
import { FieldwatchError } from '../../core/errors.ts';

/** Why a connection ended or never came about; the metrics label, so a closed list. */
export type FailureKind =
  | 'auth'
  | 'taken_over'
  | 'protocol_version'
  | 'refused'
  | 'broker_closed'
  | 'subscribe'
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
  /** The reason code of the CONNACK that refused the connection. */
  readonly code?: number;
}

const REMEDIES: Partial<Record<FailureKind, string>> = {
  auth: 'Check user name and password (or the client certificate) and what the broker allows this client id.',
  taken_over: 'Another client uses the same client id: give every daemon its own client_id.',
  protocol_version: 'The broker does not speak this MQTT version: set mqtt.protocol: "3.1.1".',
  tls: 'Check the CA, certificate and key files (mqtt.tls), their expiry dates, and the server name.',
  network: 'Check host and port of mqtt.url, that the broker runs, and the firewall between.',
  timeout: 'Check host and port of mqtt.url, that the broker runs, and the firewall between.',
  setup: 'Check the credentials provider and that the TLS files exist and are readable.',
};

const SLOW: ReadonlySet<FailureKind> = new Set(['auth', 'taken_over', 'protocol_version']);

export function failure(kind: FailureKind, reason: string, remedy = REMEDIES[kind]): Failure {
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

/** CONNACK codes about the will, which carries the status topic (MQTT 5, 3.2.2.3.4 and 3.2.2.3.5). */
export const RETAIN_NOT_SUPPORTED = 154;
export const QOS_NOT_SUPPORTED = 155;

const CONNACK_REMEDIES: Readonly<Record<number, string>> = {
  [RETAIN_NOT_SUPPORTED]: 'The broker keeps no retained messages: the status is published without retain.',
  [QOS_NOT_SUPPORTED]: 'The broker supports QoS 0 only: the status is published at QoS 0.',
  133: 'The broker does not accept this client id: set another mqtt.client_id.',
  2: 'The broker does not accept this client id: set another mqtt.client_id.',
  137: 'The broker is busy; raise its connection limit if this goes on.',
  151: 'A quota of the broker is used up: see the limits of the account or of the listener.',
  156: 'The broker asks for another server: set mqtt.url to the address that it names.',
  157: 'The broker has moved: set mqtt.url to its new address.',
  159: 'The broker limits the rate of connections: raise mqtt.reconnect.min.',
};

export function connackFailure(code: number): Failure {
  const kind = CONNACK_KINDS[code] ?? 'refused';
  const reason = `the broker refused the connection: ${reasonName(code)}`;
  return { ...failure(kind, reason, CONNACK_REMEDIES[code] ?? REMEDIES[kind]), code };
}

/** The state of a connection that ended before its CONNACK. */
export interface NoAnswer {
  readonly protocolVersion: 4 | 5;
  /** The address asks for TLS. */
  readonly tls: boolean;
  /** The TLS handshake was done; for a WebSocket it is not known, and false. */
  readonly secured: boolean;
}

const HUNG_UP = /^(ECONNRESET|EPIPE|ECONNABORTED): /;

/**
 * A connection that the other side closed before any CONNACK, for which MQTT has no code. The socket error (`cause`)
 * only says that it closed; which of the usual reasons it is follows from how far the connection came.
 * Brokers that speak MQTT 3.1.1 only often hang up on a CONNECT at level 5; at MQTT 3.1.1, which has no code for it, a
 * retained will that the broker does not take ends so; a TLS port hangs up on plain text, and the other way round.
 */
export function noAnswer(cause: Failure | undefined, known: NoAnswer): Failure {
  if (cause !== undefined && cause.kind !== 'broker_closed' && !HUNG_UP.test(cause.reason)) return cause;
  if (known.tls && !known.secured) {
    return failure('tls', 'the connection closed during the TLS handshake', PLAIN_PORT_REMEDY);
  }
  const tls = known.tls ? '' : 'if the port expects TLS, use mqtts:// (wss://); ';
  const version =
    known.protocolVersion === 5
      ? 'if the broker speaks MQTT 3.1.1 only, set mqtt.protocol: "3.1.1"; '
      : 'if it keeps no retained messages, set mqtt.status_topic: null; ';
  return failure(
    'broker_closed',
    'the broker closed the connection without an answer to CONNECT',
    `The log of the broker says why; ${tls}${version}otherwise check the listener and the access rules.`,
  );
}

/** Why a broker ends a connection that it had accepted, and what to do: Azure, AWS, Cloudflare, EMQX and HiveMQ say so. */
const DISCONNECT_REMEDIES: Readonly<Record<number, string>> = {
  135: 'The broker does not allow a topic of the routes, or the status topic: see its access rules.',
  137: 'The broker is busy; raise its limits if this goes on.',
  149: 'A packet is larger than the broker takes: lower mqtt.max_subscribe_filters, or raise its limit.',
  150: 'The broker limits the rate of messages: raise the limit of the account or of the listener.',
  151: 'A quota of the broker is used up: see the limits of the account or of the listener.',
  [RETAIN_NOT_SUPPORTED]: 'The broker keeps no retained messages: set mqtt.status_topic: null.',
  [QOS_NOT_SUPPORTED]:
    'The broker supports QoS 0 only, and does not say so when it connects: use another broker.',
  156: 'The broker asks for another server: set mqtt.url to the address that it names.',
  157: 'The broker has moved: set mqtt.url to its new address.',
  158: 'The broker has no shared subscriptions: remove mqtt.share_group and $share from the routes.',
  160: 'The broker ends each connection after a time: nothing is lost, the session goes on with the next one.',
  162: 'The broker has no wildcard subscriptions: name each topic in the routes.',
};

/** A DISCONNECT that the broker sent (MQTT 5, 3.14.2.1). */
export function disconnectFailure(code: number): Failure {
  if (code === 142) return failure('taken_over', 'another client took over the session');
  if (code === 141) return failure('keepalive', 'the broker missed our pings');
  return failure(
    'broker_closed',
    `the broker ended the connection: ${reasonName(code)}`,
    DISCONNECT_REMEDIES[code],
  );
}

/** OpenSSL met something else than a TLS record: the port speaks plain MQTT (or HTTP). */
const PLAIN_PORT_CODE = new Set(['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', 'EPROTO']);
const PLAIN_PORT_TEXT = /wrong version number|packet length too long|before secure TLS connection/;
const PLAIN_PORT_REMEDY =
  'The port does not seem to speak TLS: use mqtt:// (ws://), or the TLS port of the broker (mostly 8883).';

const TLS_CODE =
  /^(ERR_SSL|ERR_TLS|ERR_OSSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|EPROTO|HOSTNAME_MISMATCH)/;

const UNKNOWN_AUTHORITY_REMEDY =
  'Name the authority that signed the certificate of the broker: mqtt.tls.ca_file (--ca-file), a PEM file.';
const CERTIFICATE_DATES_REMEDY =
  'Renew the certificate of the broker, or set the clock of the machine where it is wrong.';

/** By the code of the handshake; for any other code the remedy of the kind holds. */
const TLS_REMEDIES: Readonly<Record<string, string>> = {
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY_REMEDY,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_AUTHORITY_REMEDY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY_REMEDY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY_REMEDY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY_REMEDY,
  CERT_HAS_EXPIRED: CERTIFICATE_DATES_REMEDY,
  CERT_NOT_YET_VALID: CERTIFICATE_DATES_REMEDY,
  ERR_TLS_CERT_ALTNAME_INVALID:
    'Use a name of the certificate in mqtt.url, or name the one to expect: mqtt.tls.servername.',
};

/** An error of MQTT.js or the socket, by its code; MQTT.js gives its two timeouts no code, only a fixed text. */
export function errorFailure(error: Error): Failure {
  const code = (error as NodeJS.ErrnoException).code;
  if (error.message === 'Keepalive timeout') return failure('keepalive', 'the broker does not answer pings');
  if (error.message === 'connack timeout') return failure('timeout', 'the broker did not answer in time');
  if (typeof code === 'string' && isPlainPort(code, error.message))
    return failure('tls', `${code}: ${error.message}`, PLAIN_PORT_REMEDY);
  if (typeof code === 'string') {
    const kind = TLS_CODE.test(code) ? 'tls' : 'network';
    return failure(kind, `${code}: ${error.message}`, TLS_REMEDIES[code] ?? REMEDIES[kind]);
  }
  return failure('protocol', error.message);
}

function isPlainPort(code: string, message: string): boolean {
  return (PLAIN_PORT_CODE.has(code) || code === 'ECONNRESET') && PLAIN_PORT_TEXT.test(message);
}

/** A reason code of MQTT 5 with its name. */
export function reasonName(code: number): string {
  const name: string | undefined = ReasonCodes[code as keyof typeof ReasonCodes];
  return name === undefined ? `code ${code}` : `${name} (${code})`;
}

/** The broker cannot be reached, or has ended the connection; `problem` says which and where. */
export function brokerUnreachable(
  problem: string,
  { remedy, cause }: { readonly remedy?: string | undefined; readonly cause?: unknown } = {},
): FieldwatchError {
  return new FieldwatchError(problem, {
    code: 'BROKER_UNREACHABLE',
    kind: 'transient',
    cause,
    remedy: remedy ?? 'check the address, that the broker runs, and the firewall between',
  });
}
