import type { Severity } from '../../core/alert/model.ts';
import { type Delivery, statusOf } from '../../core/notify/delivery.ts';
import { bodyOf, firstOf, titleOf } from '../../core/notify/messages.ts';
import { type Template, truncate } from '../../core/notify/template.ts';
import type { NotificationSink } from '../../ports/notification.ts';
import { request } from './http.ts';
import { type HttpCredentials, credentials } from './sink-deps.ts';

export interface NtfySinkOptions {
  readonly url: string;
  /** On a public server anyone who knows it can read it: a secret, so it is read at each use. */
  readonly topic: () => string;
  readonly credentials: () => HttpCredentials;
  /** 1 (least) to 5, by severity; of what is over `resolved`. */
  readonly priorities: Readonly<Record<Severity | 'resolved', number>>;
  readonly tags: readonly string[];
  readonly title?: Template | undefined;
  readonly body?: Template | undefined;
}

/** ntfy makes longer messages an attachment. */
const MAX_MESSAGE = 3500;
const EMOJI: Readonly<Record<Severity | 'resolved', string>> = {
  critical: 'rotating_light',
  warning: 'warning',
  info: 'information_source',
  resolved: 'white_check_mark',
};

/** Publishes as JSON: headers would have to be escaped, and names of sensors come from the network. */
export class NtfySink implements NotificationSink {
  readonly kind = 'ntfy';
  readonly deliveryMode = 'group';
  readonly #options: NtfySinkOptions;

  constructor(options: NtfySinkOptions) {
    this.#options = options;
  }

  async send(delivery: Delivery, signal: AbortSignal): Promise<void> {
    const { url, priorities, tags } = this.#options;
    const topic = this.#options.topic();
    const first = firstOf(delivery);
    const look = statusOf(first) === 'resolved' ? 'resolved' : first.severity;
    const { runbook } = first;
    const body = JSON.stringify({
      topic,
      title: titleOf(delivery, this.#options),
      message: truncate(bodyOf(delivery, this.#options), MAX_MESSAGE),
      priority: priorities[look],
      tags: [EMOJI[look], ...tags],
      ...(runbook !== null && /^https?:\/\//.test(runbook) ? { click: runbook } : {}),
    });
    const { headers, secrets } = credentials(this.#options.credentials());
    await request(
      {
        url,
        headers: { ...headers, 'content-type': 'application/json' },
        body,
        secrets: [topic, ...secrets],
      },
      signal,
    );
  }

  async probe(signal: AbortSignal): Promise<string> {
    const { headers, secrets } = credentials(this.#options.credentials());
    const health = `${this.#options.url.replace(/\/+$/, '')}/v1/health`;
    await request({ url: health, method: 'GET', headers, secrets }, signal);
    return `${new URL(health).host} is healthy`;
  }

  async close(): Promise<void> {}
}
