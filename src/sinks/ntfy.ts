import * as z from '../core/schema/zod.ts';
import type { Severity } from '../core/alert/model.ts';
import type { Delivery, OutgoingNotification } from '../core/notify/delivery.ts';
import { truncate } from '../core/notify/template.ts';
import type { TextContext } from '../core/notify/text/sentence.ts';
import { readFilePath, secret, section, text, whole } from '../core/schema/fields.ts';
import { secretNow } from '../lib/secret-file.ts';
import type { NotificationSink } from '../ports/notification.ts';
import {
  credentialsOf,
  httpUrl,
  needs,
  oneCredential,
  passwordFields,
  textFields,
  tokenFields,
} from './fields.ts';
import { request } from './http.ts';
import { type SinkDeps, defineSink, groupFields, sinkSchema } from './sink.ts';
import { DeliveryTexts, answerLabels } from './delivery-texts.ts';

const priority = (fallback: number, description: string) => whole({ min: 1, max: 5, fallback }, description);

const schema = sinkSchema({
  kind: 'ntfy',
  summary: 'push notifications by ntfy.sh or a server of your own',
  description: 'publishes to ntfy',
  perMinute: 60,
  fields: {
    ...groupFields,
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
        resolved: priority(3, 'of resolved alerts'),
      },
      'priority at ntfy, from 1 (no sound) to 5 (highest)',
    ).prefault({}),
    tags: z.array(text('tag')).max(10).default([]).describe('further tags or emoji names'),
  },
})
  .superRefine(oneCredential)
  .superRefine(needs('topic'));

type Config = z.output<typeof schema>;

/** ntfy makes longer messages an attachment. */
const MAX_MESSAGE = 3500;
const EMOJI: Readonly<Record<Severity | 'resolved', string>> = {
  critical: 'rotating_light',
  warning: 'warning',
  info: 'information_source',
  resolved: 'white_check_mark',
};

/** Publishes as JSON: headers would have to be escaped, and names of sensors come from the network. */
class NtfySink implements NotificationSink {
  readonly kind = 'ntfy';
  readonly deliveryMode = 'group';
  readonly #config: Config;
  readonly #texts: DeliveryTexts;

  constructor(config: Config, deps: SinkDeps) {
    this.#config = config;
    this.#texts = new DeliveryTexts(config, deps);
  }

  async send(delivery: Delivery, signal: AbortSignal): Promise<void> {
    const { first, look, title, body: message, context } = await this.#texts.of(delivery);
    const { url, priorities, tags } = this.#config;
    const topic = secretNow(this.#config.topic, this.#config.topic_file) ?? '';
    const { runbook } = first;
    const body = JSON.stringify({
      topic,
      title,
      message: truncate(message, MAX_MESSAGE),
      priority: priorities[look],
      tags: [EMOJI[look], ...tags],
      ...actionsOf(first, context),
      ...(runbook !== null && /^https?:\/\//.test(runbook) ? { click: runbook } : {}),
    });
    const { headers, secrets } = credentialsOf(this.#config);
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
    const { headers, secrets } = credentialsOf(this.#config);
    const health = `${this.#config.url.replace(/\/+$/, '')}/v1/health`;
    await request({ url: health, method: 'GET', headers, secrets }, signal);
    return `${new URL(health).host} is healthy`;
  }

  async close(): Promise<void> {}
}

/** Buttons that POST, so that no scanner of links presses them; ntfy takes three at most. */
function actionsOf({ links }: OutgoingNotification, context: TextContext): object {
  if (links === undefined) return {};
  const { acknowledge, silence } = answerLabels(context);
  const button = (label: string, url: string) => ({
    action: 'http',
    label,
    url,
    method: 'POST',
    clear: true,
  });
  return {
    actions: [button(acknowledge, links.acknowledge), button(silence, links.silence)],
  };
}

export const ntfy = defineSink({
  schema,
  example: {
    kind: 'ntfy',
    url: 'https://ntfy.sh',
    topic: 'greenhouse-4f2c',
    token: 'secret',
    tags: ['greenhouse'],
  },
  make: (config, deps) => new NtfySink(config, deps),
});
