import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { AppMetric, Labels, Metrics } from '../../ports/metrics.ts';

export interface MetricsRegistry extends Metrics {
  readonly contentType: string;
  /** The exposition text; runs the collectors first. */
  scrape(): Promise<string>;
  /** The daemon's own counters and gauges, without histograms and those of the Node process. */
  figures(): Promise<readonly AppMetric[]>;
}

/** Gauges of prom-client that end in `_total`: promtool refuses them, and the same figures come per type without it. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/** Each measurement wakes the process up, also where nothing arrives. */
const LOOP_MONITOR_MS = 50;

/** Counters, gauges and histograms of the daemon, and those of the Node process. */
export function createMetrics(): MetricsRegistry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_MONITOR_MS });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const collectors: (() => void)[] = [];
  const known = new Map<string, unknown>();
  const once = <T>(name: string, make: () => T): T => {
    if (!known.has(name)) known.set(name, make());
    return known.get(name) as T;
  };
  const registers = [registry];
  const unstored = new Set<string>();
  return {
    contentType: registry.contentType,
    counter: (name, help, labelNames = []) =>
      once(name, () => {
        const counter = new Counter({ name, help, labelNames, registers });
        return {
          inc: (by = 1, labels) => (labels === undefined ? counter.inc(by) : counter.inc(labels, by)),
        };
      }),
    gauge: (name, help, labelNames = [], { stored = true } = {}) =>
      once(name, () => {
        const gauge = new Gauge({ name, help, labelNames, registers });
        if (!stored) unstored.add(name);
        return {
          set: (value, labels) => (labels === undefined ? gauge.set(value) : gauge.set(labels, value)),
          clear: () => gauge.reset(),
        };
      }),
    histogram: (name, help, buckets, labelNames = []) =>
      once(name, () => {
        const histogram = new Histogram({ name, help, buckets: [...buckets], labelNames, registers });
        return {
          observe: (value, labels) =>
            labels === undefined ? histogram.observe(value) : histogram.observe(labels, value),
        };
      }),
    onCollect: (collect) => collectors.push(collect),
    figures: async () => {
      for (const collect of collectors) collect();
      const metrics = await registry.getMetricsAsJSON();
      return metrics
        .filter((metric) => isOwnFigure(metric) && !unstored.has(metric.name))
        .flatMap(({ name, values }) =>
          values.map(({ value, labels }) => ({ name, value, labels: stringLabels(labels) })),
        );
    },
    scrape: async () => {
      for (const collect of collectors) collect();
      return registry.metrics();
    },
  };
}

function isOwnFigure({ name, type }: { name: string; type: unknown }): boolean {
  // prom-client names the type as text at run time; its typings declare an enum.
  return name.startsWith('fieldwatch_') && (String(type) === 'counter' || String(type) === 'gauge');
}

function stringLabels(labels: Readonly<Record<string, string | number | undefined>>): Labels {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, String(value)]));
}
