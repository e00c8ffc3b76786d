import { createHmac } from 'node:crypto';
import type { Delivery } from '../../core/notify/delivery.ts';
import type { LabelSet } from '../../core/notify/labels.ts';
import { webhookBody } from '../../core/notify/webhook-body.ts';
import type { NotificationSink } from '../../ports/notification.ts';
import { reach, request, splitCredentials } from './http.ts';
import { type HttpCredentials, type SinkDeps, credentials } from './sink-deps.ts';

export interface WebhookSinkOptions {
  readonly name: string;
  /** May be a secret itself (a chat's incoming webhook), so it is read at each use. */
  readonly url: () => string;
  /** Signs the body; absent: it goes out unsigned. */
  readonly secret: () => string | undefined;
  readonly credentials: () => HttpCredentials;
  readonly headers: Readonly<Record<string, string>>;
  readonly labels: LabelSet;
  readonly externalUrl: string;
}

/** The body of Alertmanager's webhook (version 4), one request for each notification or group. */
export class WebhookSink implements NotificationSink {
  readonly kind = 'webhook';
  readonly deliveryMode = 'group';
  readonly #options: WebhookSinkOptions;
  readonly #clock: SinkDeps['clock'];

  constructor(options: WebhookSinkOptions, { clock }: SinkDeps) {
    this.#options = options;
    this.#clock = clock;
  }

  async send(delivery: Delivery, signal: AbortSignal): Promise<void> {
    const { name: receiver, externalUrl, labels } = this.#options;
    const body = JSON.stringify(webhookBody(delivery, { receiver, externalUrl, labels }));
    const [first] = delivery.notifications;
    const { url, authorization } = splitCredentials(this.#options.url());
    const given = credentials(this.#options.credentials());
    const secret = this.#options.secret();
    const headers = {
      ...this.#options.headers,
      ...(authorization === undefined ? {} : { authorization }),
      ...given.headers,
      'content-type': 'application/json',
      // The same at every attempt: a receiver that has seen it can drop the second one.
      'idempotency-key': `${first?.alertId ?? ''}-${first?.seq ?? 0}`,
      ...(secret === undefined ? {} : signature(secret, body, this.#clock.nowMs())),
    };
    const secrets = [
      secret,
      ...given.secrets,
      authorization,
      this.#options.url(),
      ...Object.values(this.#options.headers),
    ];
    await request({ url, headers, body, secrets }, signal);
  }

  /** Opens a connection only: a receiver may well answer anything but a POST with an error. */
  probe(signal: AbortSignal): Promise<string> {
    return reach(splitCredentials(this.#options.url()).url, signal);
  }

  async close(): Promise<void> {}
}

/**
 * `x-fieldwatch-signature: v1=<hex>` is HMAC-SHA256 over `<timestamp>.<body>` with the secret; the timestamp (seconds)
 * stands in a header of its own, so that a receiver can refuse what is old.
 */
export function signature(secret: string, body: string, nowMs: number): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(nowMs / 1000));
  const digest = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
  return { 'x-fieldwatch-timestamp': timestamp, 'x-fieldwatch-signature': `v1=${digest}` };
}
