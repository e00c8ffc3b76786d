import { messageOf } from '../../core/errors.ts';
import { type Delivery, type OutgoingNotification, statusOf } from '../../core/notify/delivery.ts';
import { alertTopic } from '../../core/notify/mqtt-topic.ts';
import { SinkError, type SinkFault } from '../../core/notify/sink-error.ts';
import { rfc3339 } from '../../core/notify/webhook-body.ts';
import type { NotificationSink } from '../../ports/notification.ts';

/** Resolves once the broker has accepted it (QoS 1); rejects without a connection. */
export type Publish = (
  topic: string,
  payload: string,
  options: { readonly qos: 0 | 1; readonly retain: boolean },
) => Promise<void>;

export interface MqttSinkOptions {
  readonly prefix: string;
  /** `never` · `while_firing` the state of what fires, taken away at its end · `always` the last state, resolved too */
  readonly retain: 'never' | 'while_firing' | 'always';
  readonly publish: Publish;
}

/** MQTT 5 reason codes that further attempts do not fix quickly. */
const FAULTS: Readonly<Record<number, SinkFault>> = {
  135: 'auth',
  144: 'setup',
  149: 'refused',
  153: 'refused',
};

/** One topic per alert, over the connection that the daemon has anyway. */
export class MqttSink implements NotificationSink {
  readonly kind = 'mqtt';
  readonly deliveryMode = 'single';
  readonly #options: MqttSinkOptions;

  constructor(options: MqttSinkOptions) {
    this.#options = options;
  }

  async send({ notifications }: Delivery): Promise<void> {
    for (const notification of notifications) await this.#notify(notification);
  }

  /** Publishes nothing that is kept: an empty message, not retained, below the prefix. */
  async probe(): Promise<string> {
    await this.#publish(`${this.#options.prefix}/probe`, '', false);
    return 'the broker accepts messages';
  }

  async close(): Promise<void> {}

  async #notify(notification: OutgoingNotification): Promise<void> {
    const { prefix, retain } = this.#options;
    const topic = alertTopic(prefix, notification);
    const over = statusOf(notification) === 'resolved';
    const clears = over && retain === 'while_firing';
    await this.#publish(topic, JSON.stringify(payloadOf(notification)), retain !== 'never' && !clears);
    // Last: a client that subscribes in between sees the old state once more rather than never the end.
    if (clears) await this.#publish(topic, '', true);
  }

  async #publish(topic: string, payload: string, retain: boolean): Promise<void> {
    try {
      await this.#options.publish(topic, payload, { qos: 1, retain });
    } catch (error) {
      const code = (error as { code?: unknown }).code;
      const fault = typeof code === 'number' ? (FAULTS[code] ?? 'away') : 'away';
      throw new SinkError(fault, `broker: ${messageOf(error)}`, { cause: error });
    }
  }
}

/** The fields of the alert log, and the facts of the sensor. */
function payloadOf(notification: OutgoingNotification): object {
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
    message: notification.message,
  };
}
