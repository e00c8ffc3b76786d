import { createSink, type SinkDeps, type SinkKind, type SinkOptions } from '../adapters/notify/index.ts';
import { secretNow, type Config, type SinkConfig } from '../config/index.ts';
import type { SinkFilter } from '../core/notify/filter.ts';
import type { NotificationSink } from '../ports.ts';
import { NotifyMeters } from '../services/notify-meters.ts';
import { Notifying, type SinkSetup } from '../services/notifying.ts';
import type { SensorRegistry } from '../services/sensor-registry.ts';
import type { SinkSettings } from '../services/sink-worker.ts';
import type { Database } from './database.ts';
import type { Parts } from './parts.ts';

// Configuration to sinks: the one place that knows both.

/** The sinks, not yet at work. What they are told waits in the database. */
export function createNotifying(
  { config, clock, logger, metrics, releasers }: Parts,
  { deliveryStore }: Database,
  registry: SensorRegistry,
  deps: SinkDeps,
): Notifying {
  const notifying = new Notifying(sinkSetups(config, deps), {
    store: deliveryStore,
    // The broker lets no two daemons have the same: so it names this one, also after a restart.
    owner: config.mqtt.client_id,
    factsOf: (sensorId) => registry.findById(sensorId) ?? UNKNOWN_SENSOR,
    clock,
    logger,
    meters: new NotifyMeters(metrics),
    random: Math.random,
  });
  releasers.add('notification sinks', () => notifying.stop());
  return notifying;
}

const UNKNOWN_SENSOR = { name: null, location: null };

export function sinkSetups({ notify }: Config, deps: SinkDeps): readonly SinkSetup[] {
  return notify.map((sink) => ({
    settings: settingsOf(sink),
    make: () => makeSink(sink, deps),
    fingerprint: JSON.stringify(sink),
  }));
}

/** A sink by itself: for `notify test` and `doctor`. */
export function makeSink(sink: SinkConfig, deps: SinkDeps): NotificationSink {
  const make = <K extends SinkKind>(kind: K, options: SinkOptions[K]) => createSink(kind, options, deps);
  switch (sink.kind) {
    case 'webhook':
      return make('webhook', webhookOptions(sink));
  }
}

type Sink<K extends SinkKind> = Extract<SinkConfig, { kind: K }>;

function webhookOptions(sink: Sink<'webhook'>): SinkOptions['webhook'] {
  return {
    name: sink.name,
    url: () => secretNow(sink.url, sink.url_file) ?? '',
    secret: () => secretNow(sink.secret, sink.secret_file),
    credentials: credentialsOf(sink),
    headers: sink.headers,
    labels: sink.labels,
    externalUrl: sink.external_url ?? '',
  };
}

/** Read again for each request: a rotated secret needs no restart. */
const credentialsOf =
  (sink: {
    token?: string | undefined;
    token_file?: string | undefined;
    username?: string | undefined;
    password?: string | undefined;
    password_file?: string | undefined;
  }) =>
  () => ({
    token: secretNow(sink.token, sink.token_file),
    username: sink.username,
    password: secretNow(sink.password, sink.password_file),
  });

function settingsOf(sink: SinkConfig): SinkSettings {
  return {
    name: sink.name,
    filter: filterOf(sink),
    queueMax: sink.queue,
    maxAgeMs: sink.retry_for,
    maxPerMinute: sink.max_per_minute,
    timeoutMs: sink.timeout,
    retry: { baseMs: sink.retry.min, capMs: sink.retry.max },
    grouping: { over: sink.group.over, windowMs: sink.group.window },
  };
}

function filterOf(sink: SinkConfig): SinkFilter {
  return {
    minSeverity: sink.min_severity,
    alertTypes: sink.alert_types,
    locations: sink.locations,
    sendResolved: sink.send_resolved,
    mirrors: false,
  };
}
