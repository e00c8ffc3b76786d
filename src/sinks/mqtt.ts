import { identityOf } from '../core/alert/engine/alert-key.ts';
import * as z from '../core/schema/zod.ts';
import { messageOf } from '../core/errors.ts';
import { type Delivery, type OutgoingNotification, statusOf } from '../core/notify/delivery.ts';
import { alertTopic } from '../core/notify/mqtt-topic.ts';
import { SinkError, type SinkFault } from '../core/notify/sink-error.ts';
import { type TextContext, sentenceOf, unitOf } from '../core/notify/text/sentence.ts';
import { rfc3339 } from '../core/notify/webhook-body.ts';
import { text } from '../core/schema/fields.ts';
import type { NotificationSink } from '../ports/notification.ts';
import { type Publish, type SinkDeps, defineSink, sinkSchema, textContext } from './sink.ts';

const schema = sinkSchema({
  kind: 'mqtt',
  summary: 'messages over the daemon’s own connection to the broker',
  description: 'publishes to the broker',
  perMinute: 60_000,
  fields: {
    prefix: text('topics are <prefix>/<sensor>/<alert type>; no route may match them')
      .regex(/^[^+#\p{Cc}$/][^+#\p{Cc}]*[^+#\p{Cc}/]$/u, 'must be a topic without wildcards')
      .default('fieldwatch/alerts'),
    retain: z
      .enum(['never', 'while_firing', 'always'])
      .default('never')
      .describe('retain the state at the broker: while_firing clears it at the end, always keeps the end'),
  },
});

type Config = z.output<typeof schema>;

/** MQTT 5 reason codes that further attempts do not fix quickly. */
const FAULTS: Readonly<Record<number, SinkFault>> = {
  135: 'auth',
  144: 'setup',
  149: 'refused',
  153: 'refused',
};

/** One topic per alert, over the connection that the daemon has anyway. */
class MqttSink implements NotificationSink {
  readonly kind = 'mqtt';
  readonly deliveryMode = 'single';
  readonly keepsState = true;
  readonly #config: Config;
  readonly #publish: Publish;
  readonly #deps: SinkDeps;

  constructor(config: Config, deps: SinkDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#publish = deps.publish;
  }

  async send({ notifications }: Delivery): Promise<void> {
    for (const notification of notifications) await this.#notify(notification);
  }

  /** Publishes nothing that is kept: an empty message, not retained, below the prefix. */
  async probe(): Promise<string> {
    await this.#send(`${this.#config.prefix}/probe`, '', false);
    return 'the broker accepts messages';
  }

  async close(): Promise<void> {}

  async #notify(notification: OutgoingNotification): Promise<void> {
    const { prefix, retain } = this.#config;
    const topic = alertTopic(prefix, notification);
    const over = statusOf(notification) === 'resolved';
    const clears = over && retain === 'while_firing';
    await this.#send(
      topic,
      JSON.stringify(payloadOf(notification, textContext(this.#config, this.#deps))),
      retain !== 'never' && !clears,
    );
    // Last: a client that subscribes in between sees the old state once more rather than never the end.
    if (clears) await this.#send(topic, '', true);
  }

  async #send(topic: string, payload: string, retain: boolean): Promise<void> {
    try {
      await this.#publish(topic, payload, { qos: 1, retain });
    } catch (error) {
      const code = (error as { code?: unknown }).code;
      const fault = typeof code === 'number' ? (FAULTS[code] ?? 'away') : 'away';
      throw new SinkError(fault, `broker: ${messageOf(error)}`, { cause: error });
    }
  }
}

export const mqtt = defineSink({
  schema,
  example: { kind: 'mqtt', prefix: 'fieldwatch/alerts', retain: 'while_firing' },
  overBroker: true,
  publishesTo: ({ prefix }) => ({
    prefix,
    topic: alertTopic(prefix, { sensorKey: 's', alertType: 'x_high' }),
  }),
  make: (config, deps) => new MqttSink(config, deps),
});

/** The fields of the alert log, and the facts of the sensor. */
function payloadOf(notification: OutgoingNotification, context: TextContext): object {
  const { kind, metric } = identityOf(notification);
  return {
    status: statusOf(notification),
    event: notification.event,
    alert_id: notification.alertId,
    seq: notification.seq,
    sensor: notification.sensorKey,
    name: notification.facts.name,
    location: notification.facts.location,
    alert_type: notification.alertType,
    metric: notification.metric ?? null,
    kind: notification.kind ?? null,
    severity: notification.severity,
    value: notification.value,
    threshold: notification.threshold,
    event_time: rfc3339(notification.eventTimeMs),
    started_at: rfc3339(notification.startedAtMs),
    duration_s: notification.durationS,
    peak_value: notification.peakValue,
    reason: notification.reason,
    runbook: notification.runbook,
    ...(notification.labels === undefined ? {} : { labels: notification.labels }),
    unit: unitOf(kind, metric, context) ?? null,
    message: sentenceOf(notification, context),
  };
}
