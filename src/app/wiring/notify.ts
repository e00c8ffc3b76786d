import { type SinkKind, type SinkOptions, createSink } from '../../adapters/notify/index.ts';
import type { Publish } from '../../adapters/notify/mqtt.ts';
import type { SinkDeps } from '../../adapters/notify/sink-deps.ts';
import { secretNow } from '../../config/files.ts';
import type { Config } from '../../config/schema/index.ts';
import type { SinkConfig } from '../../config/schema/notify.ts';
import { parseTopicPattern } from '../../core/ingest/topic.ts';
import type { MessageTexts } from '../../core/notify/messages.ts';
import { alertTopic } from '../../core/notify/mqtt-topic.ts';
import { type Template, isTemplateFault, parseTemplate } from '../../core/notify/template.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { NotificationSink } from '../../ports/notification.ts';
import type { Clock } from '../../ports/time.ts';
import type { SensorRegistry } from '../../services/ingest/sensor-registry.ts';
import { NotificationDispatcher, type SinkSetup } from '../../services/notify/dispatcher.ts';
import { NotificationMetrics } from '../../services/notify/metrics.ts';
import type { SinkSettings } from '../../services/notify/sink-worker.ts';
import type { Parts } from '../context.ts';
import type { Live } from '../running.ts';
import type { Database } from './database.ts';

// Maps the configuration to sinks: the only place that knows both.

/** The sinks, not started yet. Their notifications wait in the database. */
export function createDispatcher(
  { config, clock, logger, metrics, cleanup }: Parts,
  { notificationStore }: Database,
  parts: SinkParts,
): NotificationDispatcher {
  const dispatcher = new NotificationDispatcher(sinkSetups(config, parts), {
    store: notificationStore,
    // The broker allows no two daemons the same: so it identifies this one, also after a restart.
    owner: config.mqtt.client_id,
    factsOf: parts.factsOf,
    clock,
    logger,
    metrics: new NotificationMetrics(metrics),
    random: Math.random,
  });
  cleanup.add('notification sinks', () => dispatcher.stop());
  return dispatcher;
}

export function sinkSetups({ notify }: Config, parts: SinkParts): readonly SinkSetup[] {
  return notify.map((sink) => ({
    settings: settingsOf(sink),
    make: () => makeSink(sink, parts),
    fingerprint: JSON.stringify(sink),
  }));
}

/** What the sinks reach beyond what they are configured with. */
export interface SinkParts extends SinkDeps {
  /** Over the daemon's connection to the broker. */
  readonly publish: Publish;
}

export function sinkPartsOf(clock: Clock, registry: SensorRegistry, live: Live): SinkParts {
  return {
    clock,
    factsOf: (sensorId) => registry.findById(sensorId) ?? { name: null, location: null },
    publish: (topic, payload, options) =>
      live.publish === undefined
        ? Promise.reject(new Error('not connected'))
        : live.publish(topic, payload, options),
  };
}

export function warnOfEcho(config: Config, filters: readonly string[], logger: Logger): void {
  for (const prefix of readBack(config, filters))
    logger.warn({ prefix }, 'a route matches the topics of an mqtt sink: its alerts would be ingested');
}

/** Prefixes of MQTT sinks whose messages a subscription would ingest as if sensors had sent them. */
function readBack({ notify }: Config, filters: readonly string[]): readonly string[] {
  const patterns = filters.flatMap((filter) => {
    const parsed = parseTopicPattern(filter);
    return parsed.ok ? parsed.pattern : [];
  });
  return notify.flatMap((sink) =>
    sink.kind === 'mqtt' &&
    patterns.some(
      (pattern) =>
        pattern.match(alertTopic(sink.prefix, { sensorKey: 's', alertType: 'x_high' })) !== undefined,
    )
      ? sink.prefix
      : [],
  );
}

/** A single sink: for `notify test` and `doctor`, too. */
export function makeSink(sink: SinkConfig, parts: SinkParts): NotificationSink {
  const make = <K extends SinkKind>(kind: K, options: SinkOptions[K]) => createSink(kind, options, parts);
  switch (sink.kind) {
    case 'alertmanager':
      return make('alertmanager', {
        url: sink.url,
        credentials: credentialsOf(sink),
        labels: sink.labels,
        externalUrl: sink.external_url ?? '',
        resendMs: sink.resend,
      });
    case 'mqtt':
      return make('mqtt', { prefix: sink.prefix, retain: sink.retain, publish: parts.publish });
    case 'ntfy':
      return make('ntfy', {
        url: sink.url,
        topic: () => secretNow(sink.topic, sink.topic_file) ?? '',
        credentials: credentialsOf(sink),
        priorities: sink.priorities,
        tags: sink.tags,
        ...textsOf(sink),
      });
    case 'smtp':
      return make('smtp', smtpOptions(sink));
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

function smtpOptions(sink: Sink<'smtp'>): SinkOptions['smtp'] {
  return {
    host: sink.host,
    port: sink.port,
    tls: sink.tls,
    caFile: sink.ca_file,
    credentials: credentialsOf(sink),
    from: sink.from,
    to: sink.to,
    timeoutMs: sink.timeout,
    ...textsOf(sink),
  };
}

/** Checked when the configuration was loaded. */
function textsOf({ title, body }: { title?: string | undefined; body?: string | undefined }): MessageTexts {
  return { title: templateOf(title), body: templateOf(body) };
}

function templateOf(text: string | undefined): Template | undefined {
  const parsed = text === undefined ? undefined : parseTemplate(text);
  return parsed === undefined || isTemplateFault(parsed) ? undefined : parsed;
}

/** Read for each request: a rotated secret needs no restart. */
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
    filter: {
      minSeverity: sink.min_severity,
      alertTypes: sink.alert_types,
      locations: sink.locations,
      sendResolved: 'send_resolved' in sink ? sink.send_resolved : true,
    },
    queueMax: sink.queue,
    maxAgeMs: sink.retry_for,
    maxPerMinute: sink.max_per_minute,
    timeoutMs: sink.timeout,
    retry: { baseMs: sink.retry.min, capMs: sink.retry.max },
    grouping: 'group' in sink ? { over: sink.group.over, windowMs: sink.group.window } : UNGROUPED,
  };
}

const UNGROUPED = { over: Infinity, windowMs: 0 };
