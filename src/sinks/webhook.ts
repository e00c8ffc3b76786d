import type * as Crypto from 'node:crypto';
import * as z from '../core/schema/zod.ts';
import { type Delivery, deliveryKeyOf } from '../core/notify/delivery.ts';
import { webhookBody } from '../core/notify/webhook-body.ts';
import { readFilePath, secret } from '../core/schema/fields.ts';
import { secretNow } from '../lib/secret-file.ts';
import { loadLibrary } from '../lib/load-library.ts';
import type { NotificationSink } from '../ports/notification.ts';
import {
  credentialsOf,
  externalUrl,
  httpUrl,
  labels,
  needs,
  oneCredential,
  passwordFields,
  tokenFields,
} from './fields.ts';
import { reach, request, splitCredentials } from './http.ts';
import { type SinkDeps, completed, defineSink, groupFields, sinkSchema, textContext } from './sink.ts';

/** Header names as HTTP has them; those that the sink sets itself are refused. */
const header = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'is no header name')
  .refine((name) => !/^(authorization|content-(type|length)|host|x-fieldwatch-.*)$/i.test(name), {
    error: 'is set by the sink itself: see token, username and secret',
  });

const schema = sinkSchema({
  kind: 'webhook',
  summary: 'a receiver of Alertmanager’s webhook, or of your own',
  description: 'POSTs the body of Alertmanager’s webhook (version 4)',
  perMinute: 600,
  fields: {
    ...groupFields,
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
    external_url: externalUrl('externalURL'),
  },
})
  .superRefine(oneCredential)
  .superRefine(needs('url'));

type Config = z.output<typeof schema>;

/** The body of Alertmanager's webhook (version 4), one request for each notification or group. */
class WebhookSink implements NotificationSink {
  readonly kind = 'webhook';
  readonly deliveryMode = 'group';
  readonly #config: Config;
  readonly #deps: SinkDeps;

  constructor(config: Config, deps: SinkDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  async send(given: Delivery, signal: AbortSignal): Promise<void> {
    const delivery = await completed(given, this.#config, { linksOf: this.#deps.linksOf });
    const { name: receiver, external_url: externalUrl = '', labels } = this.#config;
    const context = textContext(this.#config, this.#deps);
    const body = JSON.stringify(webhookBody(delivery, { receiver, externalUrl, labels, context }));
    const [first] = delivery.notifications;
    const givenUrl = this.#url();
    const { url, authorization } = splitCredentials(givenUrl);
    const credentials = credentialsOf(this.#config);
    const secret = secretNow(this.#config.secret, this.#config.secret_file);
    const headers = {
      ...this.#config.headers,
      ...(authorization === undefined ? {} : { authorization }),
      ...credentials.headers,
      'content-type': 'application/json',
      // Equal for every attempt: a receiver that has seen it can drop the second one.
      'idempotency-key': first === undefined ? '' : deliveryKeyOf(first),
      ...(secret === undefined ? {} : signature(secret, body, this.#deps.clock.nowMs())),
    };
    const secrets = [
      secret,
      ...credentials.secrets,
      authorization,
      givenUrl,
      ...Object.values(this.#config.headers),
    ];
    await request({ url, headers, body, secrets }, signal);
  }

  /** Opens a connection only: a receiver may well answer anything but a POST with an error. */
  probe(signal: AbortSignal): Promise<string> {
    return reach(splitCredentials(this.#url()).url, signal);
  }

  async close(): Promise<void> {}

  #url(): string {
    return secretNow(this.#config.url, this.#config.url_file) ?? '';
  }
}

export const webhook = defineSink({
  schema,
  example: {
    kind: 'webhook',
    url: 'https://hooks.example/fieldwatch/secret',
    secret: 'secret',
    token: 'secret',
    headers: { 'X-Team': 'north' },
    labels: { site: 'north' },
    external_url: 'https://dash.example',
  },
  make: (config, deps) => new WebhookSink(config, deps),
});

/**
 * `x-fieldwatch-signature: v1=<hex>` is HMAC-SHA256 over `<timestamp>.<body>` with the secret; the timestamp (seconds)
 * stands in a header of its own, so that a receiver can refuse what is old.
 */
export function signature(secret: string, body: string, nowMs: number): Readonly<Record<string, string>> {
  // Loaded by the first signature: it takes a start 4 ms.
  const { createHmac } = loadLibrary('node:crypto') as typeof Crypto;
  const timestamp = String(Math.floor(nowMs / 1000));
  const digest = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
  return { 'x-fieldwatch-timestamp': timestamp, 'x-fieldwatch-signature': `v1=${digest}` };
}
