import * as z from '../../core/schema/zod.ts';
import { backoff, bytes, duration } from '../../core/schema/common.ts';
import { parseTopicPattern } from '../../core/ingest/topic.ts';
import {
  certificatePair,
  flag,
  readFilePath,
  secret,
  section,
  text,
  url,
  whole,
} from '../../core/schema/fields.ts';

// A client id becomes a level of the status topic, where wildcards and NUL are illegal (MQTT 5, 4.7.1).
const topicLevel = (description: string) =>
  text(description).refine((value) => !/[+#\p{Cc}]/u.test(value), {
    error: 'must not contain +, # or control characters',
  });

const tls = section(
  {
    ca_file: readFilePath('PEM file of the authority that signed the broker certificate').optional(),
    cert_file: readFilePath('PEM file of the client certificate').optional(),
    key_file: readFilePath('PEM file of the client key').optional(),
    servername: text('name to expect in the broker certificate, where it is not the host of url').optional(),
    reject_unauthorized: flag(true, 'refuse a broker whose certificate does not verify'),
  },
  'TLS for mqtts:// and wss://; files are read again at each reconnect',
).superRefine(certificatePair);

// As the will's topic: no wildcards, and none of the broker's own.
const plainTopic = (description: string) =>
  text(description).regex(/^(?![$/])[^+#\p{Cc}]*[^+#\p{Cc}/]$/u, 'must be a topic without wildcards');

const topicFilter = text('topic filter').superRefine((value, context) => {
  const parsed = parseTopicPattern(value);
  if (!parsed.ok) context.addIssue({ code: 'custom', message: parsed.message });
});

const commands = section(
  {
    topic: plainTopic(
      'topic whose messages acknowledge or silence alerts: whoever may publish there may do it; absent: none',
    ).optional(),
    answer_topic: plainTopic(
      'where answers go; absent: <topic>/answers. MQTT 5: a response topic of the message goes before',
    ).optional(),
    response_topics: z
      .array(topicFilter)
      .max(20)
      .optional()
      .describe('filters of the response topics that are used; absent: <answer topic>/#'),
    max_per_minute: whole({ min: 1, max: 6000, fallback: 60 }, 'more commands are refused'),
  },
  'commands of operators by MQTT',
).superRefine(({ topic, answer_topic: answers, response_topics: responses }, context) => {
  const given = answers === undefined ? responses && 'response_topics' : 'answer_topic';
  if (topic === undefined && given !== undefined)
    context.addIssue({
      code: 'custom',
      path: [given],
      message: 'needs topic: without it there are no commands',
    });
  if (topic !== undefined && topic === answers)
    context.addIssue({
      code: 'custom',
      path: ['answer_topic'],
      message: 'must not be the topic of the commands',
    });
});

const reconnect = backoff(
  { least: '10ms', mostAtFirst: '10m', first: '500ms', every: '30s' },
  'jittered, capped wait between connection attempts',
);

export const mqttSchema = section(
  {
    url: url(
      ['mqtt', 'mqtts', 'ws', 'wss'],
      'broker, such as mqtts://broker.example:8883; absent: the embedded broker',
    )
      // The client is given credentials apart from the URL, which is logged.
      .refine((value) => !/\/\/[^/?#]*@/.test(value), {
        error: 'must not carry credentials: put them in username and password_file',
      })
      .optional(),
    client_id: topicLevel('fixed name of the persistent session; {hostname} is replaced').default(
      'fieldwatch-{hostname}',
    ),
    protocol: z
      .union([z.enum(['5.0', '3.1.1']), z.literal(5)], { error: 'expected 5.0 or 3.1.1' })
      .transform((value): '5.0' | '3.1.1' => (value === 5 ? '5.0' : value))
      .prefault('5.0')
      .describe('MQTT version: 5.0 or 3.1.1 (3.1.1 has a window of 20 messages on a default mosquitto)'),
    username: text('user name at the broker').optional(),
    password: secret('password at the broker; better in password_file or the environment').optional(),
    password_file: readFilePath('file that holds the password; a trailing newline is cut').optional(),
    keepalive: duration({ min: '1s', max: '65535s' }).prefault('30s').describe('MQTT keep alive'),
    connect_timeout: duration({ min: '100ms', max: '10m' })
      .prefault('10s')
      .describe('wait for TCP, TLS and CONNACK'),
    session_expiry: duration({ min: '1s', max: '49710d' })
      .prefault('7d')
      .describe('how long the broker keeps the session and its queue while fieldwatch is away (MQTT 5.0)'),
    receive_maximum: whole(
      { min: 1, max: 65_535, fallback: 8000 },
      'unacknowledged QoS 1 messages that the broker may send (MQTT 5.0); of a broker that sends more, the rest is not read yet. A batch has half of them at most',
    ),
    max_packet_size: bytes({ min: 1024, max: 268_435_455 })
      .prefault('16MiB')
      .describe('the broker discards larger messages unseen (MQTT 5.0): keep it above limits.max_payload'),
    share_group: topicLevel(
      'subscribe as $share/<group>/…, so that several daemons share the messages and the evaluation of alerts',
    )
      .refine((value) => !value.includes('/'), { error: 'must not contain /' })
      .optional(),
    status_topic: topicLevel(
      'retained online/offline status and last will; {client_id} is replaced; null: no status and no will',
    )
      .nullable()
      .default('fieldwatch/{client_id}/status'),
    max_subscribe_filters: whole(
      { min: 1, max: 1000, fallback: 100 },
      'topic filters of one SUBSCRIBE packet; reduced automatically where the broker disconnects on more (AWS IoT Core: 8)',
    ),
    tls: tls.prefault({}),
    reconnect: reconnect.prefault({}),
    commands: commands.prefault({}),
  },
  'the MQTT connection',
);
