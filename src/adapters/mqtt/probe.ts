import { X509Certificate, randomBytes } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import mqtt, { type IClientOptions } from 'mqtt';
import { messageOf } from '../../core/errors.ts';
import { deadline } from '../../lib/timeout.ts';
import type { Clock } from '../../ports/time.ts';
import { type BrokerFacts, type TlsFacts, daysUntil, serverLimits, tlsFacts } from './broker-limits.ts';
import { type Answer, answerOf } from './connack.ts';
import { buildConnectOptions } from './connect-options.ts';
import { failure } from './failure.ts';
import type { MqttSourceOptions } from './options.ts';

interface Attempt extends Answer {
  readonly reachable: boolean;
  readonly tls: TlsFacts | undefined;
}

/**
 * Probes one address, with a client id of its own and a session that ends with the connection: the daemon may run
 * meanwhile. Never rejects. Takes at most two attempts (MQTT 5, then 3.1.1 where 5 is refused) of `limitMs` each.
 */
export async function probeBroker(
  options: MqttSourceOptions,
  url: string,
  clock: Clock,
  limitMs = 5000,
): Promise<BrokerFacts> {
  let version = options.protocolVersion;
  let { attempt, certificate } = await tryVersion(options, url, version, clock, limitMs);
  if (version === 5 && attempt.failure?.kind === 'protocol_version') {
    version = 4;
    ({ attempt, certificate } = await tryVersion(options, url, version, clock, limitMs));
  }
  const accepted = attempt.connack !== undefined;
  return {
    url,
    reachable: attempt.reachable,
    protocolVersion: accepted ? version : undefined,
    failure: attempt.failure,
    authFailed: attempt.failure?.kind === 'auth',
    server: accepted && version === 5 ? serverLimits(attempt.connack) : undefined,
    tls: attempt.tls,
    clientCertificateDaysLeft:
      certificate === undefined ? undefined : daysUntil(certificate.validTo, clock.nowMs()),
  };
}

async function tryVersion(
  options: MqttSourceOptions,
  url: string,
  protocolVersion: 4 | 5,
  clock: Clock,
  limitMs: number,
): Promise<{ attempt: Attempt; certificate: X509Certificate | undefined }> {
  try {
    const clientId = `${options.clientId.slice(0, 40)}-probe-${randomBytes(4).toString('hex')}`;
    const forProbe = { ...options, protocolVersion, clientId, sessionExpiryS: 0, statusTopic: undefined };
    const built = await deadline(buildConnectOptions(forProbe, url), limitMs, clock);
    const certificate = Buffer.isBuffer(built.cert) ? new X509Certificate(built.cert) : undefined;
    return { attempt: await connectOnce({ ...built, clean: true }, clock, limitMs), certificate };
  } catch (error) {
    const attempt: Attempt = {
      connack: undefined,
      failure: failure('setup', messageOf(error)),
      reachable: false,
      tls: undefined,
    };
    return { attempt, certificate: undefined };
  }
}

/** Throws what `tls.connect` throws on unusable key material. */
async function connectOnce(options: IClientOptions, clock: Clock, limitMs: number): Promise<Attempt> {
  const client = mqtt.connect(options);
  let reachable = false;
  let tls: TlsFacts | undefined;
  const { stream } = client;
  stream.once('connect', () => (reachable = true));
  // A WebSocket stream has no 'connect' event: there, the first packet is the sign.
  client.once('packetreceive', () => (reachable = true));
  stream.once('secureConnect', () => {
    if (stream instanceof TLSSocket) tls = tlsFacts(stream, clock.nowMs());
  });
  let outcome: Answer;
  try {
    outcome = await deadline(answerOf(client, options.protocolVersion === 5), limitMs, clock);
  } catch {
    outcome = { connack: undefined, failure: failure('timeout', `no answer in ${limitMs} ms`) };
  }
  if (outcome.connack !== undefined) client.end();
  else client.end(true);
  return { ...outcome, reachable, tls };
}
