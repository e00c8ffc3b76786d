import type { Counter, Gauge, Metrics } from '../../ports/metrics.ts';

export interface MqttMetrics {
  readonly connected: Gauge;
  readonly connects: Counter;
  readonly connectionEnds: Counter;
  readonly sessionsLost: Counter;
  readonly acksSent: Counter;
  readonly acksDropped: Counter;
  readonly subscriptionsFailed: Gauge;
}

/** Registers the metrics of the MQTT connection; `held` is read at each scrape. */
export function createMqttMetrics(metrics: Metrics, held: () => number): MqttMetrics {
  const unacknowledged = metrics.gauge(
    'fieldwatch_mqtt_unacknowledged_messages',
    'QoS 1 messages of the current connection not acknowledged yet',
  );
  metrics.onCollect(() => unacknowledged.set(held()));
  const connected = metrics.gauge(
    'fieldwatch_mqtt_connected',
    '1 while connected to the broker, 0 otherwise',
  );
  connected.set(0);
  const subscriptionsFailed = metrics.gauge(
    'fieldwatch_mqtt_subscriptions_failed',
    'Topic filters that the broker refuses',
  );
  subscriptionsFailed.set(0);
  return {
    connected,
    subscriptionsFailed,
    connects: metrics.counter('fieldwatch_mqtt_connects_total', 'Connections that the broker accepted'),
    connectionEnds: metrics.counter(
      'fieldwatch_mqtt_connection_ends_total',
      'Connections and connection attempts that ended, by reason',
      ['reason'],
    ),
    sessionsLost: metrics.counter(
      'fieldwatch_mqtt_sessions_lost_total',
      'Reconnects at which the broker no longer had our session',
    ),
    acksSent: metrics.counter('fieldwatch_mqtt_acks_sent_total', 'PUBACKs written to the broker'),
    acksDropped: metrics.counter(
      'fieldwatch_mqtt_acks_dropped_total',
      'Acknowledgements not sent: stale belong to an earlier connection, not_held were given twice',
      ['reason'],
    ),
  };
}
