import type { DaemonView, PolicyState } from '../../api/daemon.ts';
import type { RouteList } from '../../api/contract/routes.ts';
import type { Status } from '../../api/contract/status.ts';
import { readDatabaseUrl } from '../../core/database-url.ts';
import { effectiveConfig } from '../../core/ingest/preset/index.ts';
import { topicList } from '../../core/ingest/topic.ts';
import { metricRetention } from '../../core/policy/metric-retention.ts';
import { planOf } from '../../core/policy/plan.ts';
import { Rate } from '../../lib/rate.ts';
import type { SchedulerStatus } from '../../services/policy/scheduler.ts';
import type { Context } from '../context.ts';
import { checksOf } from '../health.ts';

type ViewContext = Omit<Context, 'http'>;

/** The daemon as the API shows it. */
export function viewOf(context: ViewContext): DaemonView {
  const { live, ingest, dispatcher, watchedRoutes, clockMonitor, scheduler } = context;
  const checks = checksOf(context);
  const rate = new Rate(context.clock, () => ingest.totals().received);
  return {
    health: () => checks.map(({ name, check }) => ({ detail: null, name, ...check() })),
    intake() {
      const { merged, ...totals } = ingest.totals();
      return { perSecond: Number(rate.perSecond().toFixed(2)), lateMerged: merged, ...totals };
    },
    isBehind: () => ingest.isBehind,
    database: () => databaseOf(context),
    broker: () => brokerOf(context),
    spool: () => spoolOf(context),
    sinks: () => dispatcher.health().map(({ sink, kind, detail = null }) => ({ sink, kind, detail })),
    silentRoutes: () => watchedRoutes.silent().map(({ name }) => name),
    clockOffS: () => (clockMonitor.correctionMs === undefined ? undefined : clockMonitor.correctionMs / 1000),
    policies: () => scheduler && policyStateOf(context, scheduler.status()),
    retention: () => metricRetention(planOf(live.config.policies)),
    unitOf: (metric) => context.database.metricIds.unitOf(metric),
    alertRules: () => live.config.alerts,
    plan: () => planOf(live.config.policies),
    routes: () => routesOf(context),
    config() {
      const { shown } = live;
      if (shown === undefined) return undefined;
      const { file, yaml, config, sources } = shown.make();
      return {
        file,
        yaml,
        config: { ...config },
        sources: { ...sources },
        loadedAt: new Date(shown.loadedAtMs).toISOString(),
      };
    },
  };
}

export const policyStateOf = (
  { live }: Pick<ViewContext, 'live'>,
  { role, verifiedAtMs, error, findings }: SchedulerStatus,
): PolicyState => ({ role, verifiedAtMs, error, findings, repair: live.config.policies.repair });

function databaseOf({ writer, probe, servers }: ViewContext): Status['database'] {
  const { health } = writer;
  const trouble = health.state === 'ok' ? probe.trouble : health;
  return {
    connected: trouble === undefined,
    since: trouble === undefined ? null : new Date(trouble.sinceMs).toISOString(),
    code: trouble?.code ?? null,
    detail: trouble?.message ?? null,
    host: databaseHost(servers.databaseUrl),
    embedded: servers.embeddedDatabase,
  };
}

/** Without credentials. */
function databaseHost(url: string): string {
  const read = readDatabaseUrl(url);
  if ('fault' in read) return 'not known';
  return (
    read.hosts.map(({ host = 'localhost', port = 5432 }) => `${host}:${port}`).join(', ') || 'localhost:5432'
  );
}

function brokerOf({ live, servers, config }: ViewContext): Status['broker'] {
  const { connectivity } = live;
  return {
    state: connectivity.state,
    detail: connectivity.state === 'disconnected' ? connectivity.reason : null,
    refusedFilters: connectivity.state === 'subscribed' ? connectivity.refused : 0,
    host: URL.canParse(servers.mqttUrl) ? new URL(servers.mqttUrl).host : 'not known',
    embedded: config.mqtt.url === undefined,
  };
}

function spoolOf({ writer, spool, config }: ViewContext): Status['spool'] {
  const health = writer.spoolHealth;
  if (health === undefined) return null;
  const lanes = Object.values(spool?.contents.lanes ?? {});
  return {
    items: health.items,
    sizeBytes: lanes.reduce((sum, { bytes }) => sum + bytes, 0),
    limitBytes: config.spool.max_bytes,
    parked: health.parked,
    detail: health.trouble === undefined ? null : `${health.trouble.code}: ${health.trouble.message}`,
  };
}

function routesOf({ live, watchedRoutes, clock }: ViewContext): RouteList {
  const { router, config } = live;
  const nowMs = clock.nowMs();
  const items = watchedRoutes.activity().flatMap(({ name, messages, sinceLastMs, isSilent }, index) => {
    const written = config.routes[index];
    if (written === undefined) return [];
    const { preset, topic, ignore = [], codec = 'json' } = effectiveConfig(written);
    return {
      ...{ name, codec, messages, silent: isSilent },
      preset: preset ?? null,
      topics: [...topicList(topic)],
      ignore: [...ignore],
      refused: router.refused[index] ?? 0,
      lastMessageAt: sinceLastMs === undefined ? null : new Date(nowMs - sinceLastMs).toISOString(),
    };
  });
  return { items, next: null, filters: [...router.filters] };
}
