import { z } from 'zod';
import { duration } from './common.ts';
import { port, readFilePath, secret, section, text, url, whole } from './fields.ts';
import {
  commonFields,
  labels,
  oneCredential,
  passwordFields,
  notifyFields,
  tokenFields,
  textFields,
} from './notify-common.ts';

const httpUrl = (description: string) => url(['http', 'https'], description);
/** Header names as HTTP has them; those that the sink sets itself are refused. */
const header = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'is no header name')
  .refine((name) => !/^(authorization|content-(type|length)|host|x-fieldwatch-.*)$/i.test(name), {
    error: 'is set by the sink itself: see token, username and secret',
  });

/** A secret that the sink cannot do without, from wherever it comes. */
const needs =
  <Key extends string>(key: Key) =>
  (value: { readonly [name in Key]?: string | undefined }, context: z.RefinementCtx): void => {
    if (value[key] === undefined)
      context.addIssue({ code: 'custom', path: [key], message: `is missing: give ${key} or ${key}_file` });
  };

const webhook = section(
  {
    kind: z.literal('webhook').describe('a receiver of Alertmanager’s webhook, or of your own'),
    ...commonFields(600),
    ...notifyFields,
    url: httpUrl('where to POST; it may hold a secret and is never shown')
      .meta({ writeOnly: true })
      .optional(),
    url_file: readFilePath('file that holds the url; a trailing newline is cut').optional(),
    secret: secret('key of the HMAC signature; better in secret_file or the environment').optional(),
    secret_file: readFilePath('file that holds the key; a trailing newline is cut').optional(),
    ...tokenFields,
    ...passwordFields,
    headers: z
      .record(
        header,
        z
          .string()
          .regex(/^[\t\x20-\x7e]*$/, 'must be printable ASCII')
          .meta({ writeOnly: true }),
      )
      .default({})
      .describe('further headers; their values are never shown'),
    labels,
    external_url: httpUrl('link to further details; sent as externalURL').optional(),
  },
  'POSTs the body of Alertmanager’s webhook (version 4)',
)
  .superRefine(oneCredential)
  .superRefine(needs('url'));

const alertmanager = section(
  {
    kind: z.literal('alertmanager').describe('an Alertmanager, by its API'),
    ...commonFields(600),
    url: httpUrl('where Alertmanager is, such as http://alertmanager.example:9093'),
    ...tokenFields,
    ...passwordFields,
    resend: duration({ min: '1s', max: '1h' })
      .prefault('1m')
      .describe(
        'how often firing alerts are sent again; after four times as long without, Alertmanager resolves them',
      ),
    labels,
    external_url: httpUrl('link to further details; sent as generatorURL').optional(),
  },
  'sends alerts to an Alertmanager, again and again while they are firing',
).superRefine(oneCredential);

const priority = (fallback: number, description: string) => whole({ min: 1, max: 5, fallback }, description);

const ntfy = section(
  {
    kind: z.literal('ntfy').describe('push notifications by ntfy.sh or a server of your own'),
    ...commonFields(60),
    ...notifyFields,
    ...textFields,
    url: httpUrl('the server').default('https://ntfy.sh'),
    topic: secret('topic to publish to; never shown: on a public server whoever knows it can read it')
      .regex(/^[-_A-Za-z0-9]{1,64}$/, 'must be letters, digits, - and _')
      .optional(),
    topic_file: readFilePath('file that holds the topic; a trailing newline is cut').optional(),
    ...tokenFields,
    ...passwordFields,
    priorities: section(
      {
        critical: priority(5, 'of critical alerts'),
        warning: priority(4, 'of warnings'),
        info: priority(2, 'of notes'),
        resolved: priority(3, 'of what is over'),
      },
      'priority at ntfy, from 1 (no sound) to 5 (highest)',
    ).prefault({}),
    tags: z.array(text('tag')).max(10).default([]).describe('further tags or emoji names'),
  },
  'publishes to ntfy',
)
  .superRefine(oneCredential)
  .superRefine(needs('topic'));

const mail = text('address, such as alerts@example.org').regex(
  /^[^\r\n]*[^\s@<>]+@[^\s@<>]+>?$/,
  'is no mail address',
);

const smtp = section(
  {
    kind: z.literal('smtp').describe('mail'),
    ...commonFields(30),
    ...notifyFields,
    ...textFields,
    host: text('mail server'),
    port: port(587, '587 with STARTTLS, 465 with implicit TLS, 25 between servers'),
    tls: z
      .enum(['required', 'implicit', 'opportunistic', 'off'])
      .default('required')
      .describe('required: STARTTLS or no mail; implicit: TLS from the start; opportunistic: if offered'),
    ca_file: readFilePath('PEM file of the authority that signed the server certificate').optional(),
    ...passwordFields,
    from: mail,
    to: z.array(mail).min(1).max(50).describe('recipients'),
  },
  'sends mail',
)
  .superRefine(oneCredential)
  .refine(({ tls, username }) => username === undefined || tls === 'required' || tls === 'implicit', {
    path: ['tls'],
    error: 'must be required or implicit: the password would travel in clear text',
  });

const mqtt = section(
  {
    kind: z.literal('mqtt').describe('messages over the daemon’s own connection to the broker'),
    ...commonFields(60_000),
    prefix: text('topics are <prefix>/<sensor>/<alert type>; no route may match them')
      .regex(/^[^+#\p{Cc}$/][^+#\p{Cc}]*[^+#\p{Cc}/]$/u, 'must be a topic without wildcards')
      .default('fieldwatch/alerts'),
    retain: z
      .enum(['never', 'while_firing', 'always'])
      .default('never')
      .describe('retain the state at the broker: while_firing clears it at the end, always keeps the end'),
  },
  'publishes to the broker',
);

const KINDS = [alertmanager, mqtt, ntfy, smtp, webhook] as const;

const sink = z
  .discriminatedUnion('kind', KINDS, {
    error: (issue) =>
      issue.code === 'invalid_union'
        ? 'kind is not one of alertmanager, mqtt, ntfy, smtp, webhook'
        : undefined,
  })
  .describe('where notifications go');

export type SinkConfig = z.output<typeof sink>;

export const notifySchema = z
  .array(sink)
  .max(50)
  .superRefine((sinks, context) => {
    sinks.forEach(({ name }, index) => {
      if (sinks.findIndex((other) => other.name === name) < index)
        context.addIssue({
          code: 'custom',
          path: [index, 'name'],
          message: `"${name}" is taken by another sink`,
        });
    });
  })
  .default([])
  .describe('where notifications go besides the log');
