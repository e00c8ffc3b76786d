import { routesOf } from '../../config/notify-routes.ts';
import type { Config } from '../../config/schema/index.ts';
import { parseTopicPattern } from '../../core/ingest/topic.ts';
import { groupingOf } from '../../core/notify/grouping-fields.ts';
import { recentValues } from '../../adapters/timescale/notify/recent-values.ts';
import type { Logger } from '../../ports/metrics.ts';
import { NotificationDispatcher, type NotifySetup } from '../../services/notify/dispatcher.ts';
import { NotificationMetrics } from '../../services/notify/metrics.ts';
import type { SinkSettings } from '../../services/notify/sink-worker.ts';
import { loadHttpClient } from '../../sinks/http.ts';
import { type SinkConfig, createSink, definitionOf } from '../../sinks/index.ts';
import type { SinkDeps } from '../../sinks/sink.ts';
import type { Base, Context } from '../context.ts';
import { answerTopicOf } from './commands.ts';
import { linksOf } from './links.ts';
import { describerOf, textDefaults } from './texts.ts';

// Maps the configuration to sinks: the only place that knows both.

/** The sinks, not started yet. Their notifications wait in the database. */
export function createDispatcher(
  base: Base & Pick<Context, 'database' | 'registry' | 'mqtt'>,
): NotificationDispatcher {
  const { config, clock, logger, metrics, cleanup, database } = base;
  const deps = sinkDepsOf(base);
  if (config.notify.sinks.some((sink) => definitionOf(sink).overBroker !== true)) loadHttpClient();
  const dispatcher = new NotificationDispatcher(notifySetup(config, deps), {
    store: database.notificationStore,
    // The broker allows no two daemons the same: so it identifies this one, also after a restart.
    owner: config.mqtt.client_id,
    factsOf: deps.factsOf,
    clock,
    logger,
    metrics: new NotificationMetrics(metrics),
    random: Math.random,
  });
  cleanup.add('notification sinks', () => dispatcher.stop());
  return dispatcher;
}

export function notifySetup({ notify }: Config, deps: SinkDeps): NotifySetup {
  return {
    sinks: notify.sinks.map((sink) => ({
      settings: settingsOf(sink),
      make: () => createSink(sink, deps),
      fingerprint: JSON.stringify([sink, deps.texts.language, deps.texts.timezone]),
    })),
    routes: routesOf(notify),
    times: notify.times,
  };
}

/** Dependencies of the sinks on the running daemon. */
export function sinkDepsOf({
  clock,
  registry,
  mqtt,
  database,
  config,
}: Pick<Context, 'clock' | 'registry' | 'mqtt' | 'database' | 'config'>): SinkDeps {
  const { factsOf, unitOf } = describerOf({ database, registry });
  return {
    texts: { ...textDefaults(config), unitOf },
    recentOf: recentValues(database.pool, clock),
    ...linksOf(config, clock),
    clock,
    factsOf,
    publish: (topic, payload, options) => mqtt.publish(topic, payload, options),
  };
}

export function warnOfEcho(config: Config, filters: readonly string[], logger: Logger): void {
  const patterns = filters.flatMap((filter) => {
    const parsed = parseTopicPattern(filter);
    return parsed.ok ? parsed.pattern : [];
  });
  const isIngested = (topic: string) => patterns.some((pattern) => pattern.match(topic) !== undefined);
  for (const sink of config.notify.sinks) {
    const published = definitionOf(sink).publishesTo?.(sink);
    if (published !== undefined && isIngested(published.topic))
      logger.warn(
        { kind: sink.kind, prefix: published.prefix },
        'a route matches the topics of a sink: its alerts would be ingested',
      );
  }
  const { topic } = config.mqtt.commands;
  if (topic !== undefined && [topic, answerTopicOf(config, topic)].some(isIngested))
    logger.warn({ topic }, 'a route matches the topics of mqtt.commands: commands would be ingested');
}

export function settingsOf(sink: SinkConfig): SinkSettings {
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
    grouping: 'send_resolved' in sink ? groupingFor(sink) : {},
  };
}

type GroupingSink = Extract<SinkConfig, { readonly group?: unknown }>;

/** The former `group.window` stands for `group_interval`. */
const groupingFor = ({ group, ...sink }: GroupingSink): SinkSettings['grouping'] => ({
  ...groupingOf(sink),
  groupIntervalMs: sink.group_interval ?? group?.window,
});
