import type * as z from '../core/schema/zod.ts';
import { type Delivery, type OutgoingNotification, statusOf } from '../core/notify/delivery.ts';
import { annotationsOf } from '../core/notify/labels.ts';
import { truncate } from '../core/notify/template.ts';
import { sentenceOf } from '../core/notify/text/sentence.ts';
import { rfc3339 } from '../core/notify/webhook-body.ts';
import { readFilePath, secret } from '../core/schema/fields.ts';
import { secretNow } from '../lib/secret-file.ts';
import type { NotificationSink } from '../ports/notification.ts';
import { externalUrl, httpUrl, labels, needs } from './fields.ts';
import { type AnswerFault, reach, request } from './http.ts';
import { type SinkDeps, defineSink, sinkSchema, textContext } from './sink.ts';

const schema = sinkSchema({
  kind: 'pagerduty',
  summary: 'incidents of a PagerDuty service, by its Events API v2',
  description: 'triggers and resolves alerts of a PagerDuty service',
  // The bound of PagerDuty for one integration.
  perMinute: 120,
  fields: {
    url: httpUrl('the Events API; https://events.eu.pagerduty.com in the EU region').default(
      'https://events.pagerduty.com',
    ),
    routing_key: secret(
      'integration key of the service; better in routing_key_file or the environment',
    ).optional(),
    routing_key_file: readFilePath('file that holds the key; a trailing newline is cut').optional(),
    labels,
    external_url: externalUrl('client_url'),
  },
}).superRefine(needs('routing_key'));

type Config = z.output<typeof schema>;

/** PagerDuty refuses longer ones. */
const MAX_SUMMARY = 1024;

/**
 * One event for each notification: PagerDuty joins those of an episode by `dedup_key`, which is the id of the alert, so
 * that an event that is sent twice changes nothing, and groups alerts into incidents itself.
 */
class PagerdutySink implements NotificationSink {
  readonly kind = 'pagerduty';
  readonly deliveryMode = 'single';
  readonly keepsState = true;
  readonly #config: Config;
  readonly #deps: SinkDeps;

  constructor(config: Config, deps: SinkDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  async send({ notifications }: Delivery, signal: AbortSignal): Promise<void> {
    const routingKey = secretNow(this.#config.routing_key, this.#config.routing_key_file) ?? '';
    for (const notification of notifications)
      await request(
        {
          url: `${this.#config.url.replace(/\/+$/, '')}/v2/enqueue`,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ routing_key: routingKey, ...this.#event(notification) }),
          secrets: [routingKey],
          faultOf: pagerdutyFault,
        },
        signal,
      );
  }

  /** Opens a connection only: the API has no request that checks a key without an event. */
  probe(signal: AbortSignal): Promise<string> {
    return reach(this.#config.url, signal);
  }

  async close(): Promise<void> {}

  #event(notification: OutgoingNotification): object {
    const { alertId, sensorKey, alertType, severity, metric, runbook } = notification;
    const { labels: extra, external_url: client } = this.#config;
    const { location } = notification.facts;
    const context = textContext(this.#config, this.#deps);
    return {
      event_action: statusOf(notification) === 'resolved' ? 'resolve' : 'trigger',
      dedup_key: alertId,
      payload: {
        summary: truncate(sentenceOf(notification, context), MAX_SUMMARY),
        source: sensorKey,
        severity,
        timestamp: rfc3339(notification.eventTimeMs),
        class: alertType,
        ...(metric === undefined || metric === '' ? {} : { component: metric }),
        ...(location === null ? {} : { group: location }),
        custom_details: {
          ...extra,
          ...notification.labels,
          ...annotationsOf(notification, context),
          event: notification.event,
        },
      },
      ...(runbook !== null && /^https?:\/\//.test(runbook)
        ? { links: [{ href: runbook, text: 'runbook' }] }
        : {}),
      ...(client === undefined ? {} : { client: 'fieldwatch', client_url: client }),
    };
  }
}

/** A wrong key is a 400, like an event that is at fault. */
const pagerdutyFault = (status: number, answer: string): AnswerFault | undefined =>
  status === 400 && /routing[_ ]key/i.test(answer) ? { fault: 'auth' } : undefined;

export const pagerduty = defineSink({
  schema,
  example: {
    kind: 'pagerduty',
    url: 'https://events.pagerduty.com',
    routing_key: 'secret',
    labels: { site: 'north' },
    external_url: 'https://dash.example',
  },
  make: (config, deps) => new PagerdutySink(config, deps),
});
