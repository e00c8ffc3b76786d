import type { BrokerFacts } from '../../adapters/mqtt/broker-limits.ts';
import type { Config } from '../../config/schema/index.ts';
import { counted } from '../../core/counted.ts';
import { formatDuration } from '../../core/duration.ts';
import { type Diagnosis, areaOf } from './report.ts';

const broker = areaOf('broker');
const CERTIFICATE_WARNING_DAYS = 21;
/** Messages that mosquitto sends unacknowledged to an MQTT 3.1.1 client by default. */
const DEFAULT_WINDOW = 20;

/** Retained values of the broker. Undefined: none on that topic. */
export interface BrokerTopics {
  /** The retained status of the daemon. */
  readonly status: string | undefined;
  readonly version: string | undefined;
  /** Messages that a mosquitto dropped because a queue was full, since it started. */
  readonly dropped: number | undefined;
}

/** Evaluates the answer to a probe of the configured broker. */
export function checkBroker(
  facts: BrokerFacts,
  topics: BrokerTopics | undefined,
  config: Config,
): readonly Diagnosis[] {
  const { mqtt } = config;
  if (facts.protocolVersion === undefined) return [unreachable(facts, mqtt.url === undefined)];
  const findings = [
    protocol(facts, mqtt.protocol, mqtt.url === undefined),
    ...limits(facts, config),
    ...certificates(facts),
    ...(topics === undefined ? [] : announced(topics, mqtt.status_topic)),
  ];
  return findings.filter((one) => one !== undefined);
}

function unreachable({ url, failure, reachable }: BrokerFacts, embedded: boolean): Diagnosis {
  const { host } = new URL(url);
  if (embedded && !reachable)
    return broker.skipped(
      'connection',
      `the embedded broker is not running on ${host}; the daemon starts it`,
    );
  return broker.fault({
    subject: 'connection',
    detail: `no connection to ${host}: ${failure?.reason ?? 'no answer'}`,
    remedy: failure?.remedy ?? 'check mqtt.url, that the broker runs, and the firewall between',
  });
}

function protocol(facts: BrokerFacts, wanted: Config['mqtt']['protocol'], embedded: boolean): Diagnosis {
  const version = facts.protocolVersion === 5 ? 'MQTT 5.0' : 'MQTT 3.1.1';
  const where = `${version} at ${new URL(facts.url).host}`;
  if (facts.protocolVersion === 5 || embedded) return broker.ok('connection', where);
  return broker.warning({
    subject: 'window',
    detail: `${where}: the broker alone decides how many messages are under way (mosquitto: ${DEFAULT_WINDOW})`,
    remedy:
      wanted === '5.0'
        ? 'use a broker that speaks MQTT 5.0, or set max_inflight_messages 0 in mosquitto.conf'
        : 'set mqtt.protocol: "5.0", or max_inflight_messages 0 in mosquitto.conf',
  });
}

/** The limits of an MQTT 5 broker, compared with what the configuration requires. */
function limits({ server }: BrokerFacts, { mqtt }: Config): readonly (Diagnosis | undefined)[] {
  if (server === undefined) return [];
  const expiryMs = server.sessionExpiryS === undefined ? undefined : server.sessionExpiryS * 1000;
  const fault = (subject: string, detail: string, remedy: string) =>
    broker.fault({ subject, detail, remedy });
  return [
    broker.ok(
      'window',
      `fieldwatch asks for ${mqtt.receive_maximum} messages under way (mqtt.receive_maximum)`,
    ),
    packets(server.maximumPacketSize, mqtt.max_packet_size),
    server.maximumQos < 1
      ? fault('qos', 'the broker grants QoS 0 only: messages can be lost', 'allow QoS 1 in the broker')
      : undefined,
    server.wildcardSubscriptionAvailable
      ? undefined
      : fault(
          'wildcards',
          'the broker refuses wildcard subscriptions',
          'allow them, or use routes without + and #',
        ),
    mqtt.share_group !== undefined && !server.sharedSubscriptionAvailable
      ? fault(
          'shared',
          'the broker refuses shared subscriptions',
          'remove mqtt.share_group, or use another broker',
        )
      : undefined,
    server.retainAvailable
      ? undefined
      : broker.warning({
          subject: 'retain',
          detail: 'the broker keeps no retained messages: the online status of the daemon is not kept',
          remedy: 'allow retained messages in the broker',
        }),
    expiryMs !== undefined && expiryMs < mqtt.session_expiry
      ? broker.warning({
          subject: 'session',
          detail: `the broker keeps a session for ${formatDuration(expiryMs)}, not ${formatDuration(mqtt.session_expiry)}`,
          remedy: 'raise the limit of the broker, or be back within that time',
        })
      : undefined,
  ];
}

/** A packet above the client's maximum is discarded by the broker (MQTT 5.0, 3.1.2.11.4); mosquitto neither counts nor logs it. */
function packets(ofBroker: number | undefined, ofClient: number): Diagnosis {
  return ofBroker !== undefined && ofBroker <= ofClient
    ? broker.ok('packets', `the broker takes ${counted(ofBroker, 'byte')} at most from publishers`)
    : broker.note(
        'packets',
        `messages above mqtt.max_packet_size (${counted(ofClient, 'byte')}) are discarded by the broker and counted nowhere; with max_packet_size ${ofClient} in mosquitto.conf their publishers are refused`,
      );
}

function certificates({ tls, clientCertificateDaysLeft }: BrokerFacts): readonly (Diagnosis | undefined)[] {
  return [
    expiry('certificate', "the broker's certificate", tls?.certificateDaysLeft),
    expiry('client certificate', 'the certificate of mqtt.tls.cert_file', clientCertificateDaysLeft),
  ];
}

function expiry(subject: string, what: string, days: number | undefined): Diagnosis | undefined {
  if (days === undefined) return undefined;
  const remedy = 'renew it; files are read again at the next connection';
  if (days < 0)
    return broker.fault({ subject, detail: `${what} expired ${counted(-days, 'day')} ago`, remedy });
  const detail = `${what} expires in ${counted(days, 'day')}`;
  return days < CERTIFICATE_WARNING_DAYS
    ? broker.warning({ subject, detail, remedy })
    : broker.ok(subject, detail);
}

function announced({ status, version, dropped }: BrokerTopics, topic: string | null): readonly Diagnosis[] {
  const queue =
    dropped === undefined
      ? broker.note(
          'queue',
          'the broker reports no count of dropped messages now; docs/errors.md says which limits to set',
        )
      : dropped === 0
        ? broker.ok('queue', 'no message dropped since the broker started')
        : broker.warning({
            subject: 'queue',
            detail: `the broker has dropped ${counted(dropped, 'message')} since it started: a queue was full`,
            remedy: 'raise max_queued_messages and max_queued_bytes, as config/mosquitto.conf does',
          });
  return [
    ...(version === undefined ? [] : [broker.ok('server', version)]),
    broker.note('status', statusNote(topic, status)),
    queue,
  ];
}

function statusNote(topic: string | null, status: string | undefined): string {
  if (topic === null) return 'no status is published (mqtt.status_topic: null)';
  return status === undefined ? `nothing retained at ${topic}` : `${topic}: ${status}`;
}
