import type { Ranges } from '../core/ingest/datasheet.ts';
import { presetNamed } from '../core/ingest/preset/index.ts';
import type { Observed } from '../core/ingest/preset/samples.ts';
import type { RouteConfig } from '../core/ingest/route-config.ts';
import { type RouterOptions, compileRoutes } from '../core/ingest/route.ts';
import { FILTERED_CODES, type Reading, type RejectCode } from '../core/reading.ts';
import { type Series, noteSeries } from './series.ts';

const MAX_NAMES = 5000;

export interface MetricFacts {
  count: number;
  min: number;
  max: number;
}

/** Result of one route on the samples. */
export interface RouteDryRun {
  messages: number;
  readonly topics: Set<string>;
  /** Topics that gave a reading. */
  readonly good: Set<string>;
  /** The metrics of each device. */
  readonly devices: Map<string, Map<string, Series>>;
  readonly metrics: Map<string, MetricFacts>;
  /** Metrics that had several values for one device and time. */
  readonly contested: Set<string>;
  /** The values at each time of a device that payloads name: the last few thousand. */
  readonly values: Map<string, ReadonlyMap<string, number>>;
  /** Dead letters: topic -> code -> messages. */
  readonly faults: Map<string, Map<RejectCode, number>>;
}

export interface DryRun {
  readonly routes: readonly RouteDryRun[];
  /** Messages that no route reads. */
  readonly unread: readonly Observed[];
  /** Messages that an ecosystem's own ignore list holds. */
  readonly ignored: number;
}

/** Runs the samples through the routes, in the order of their arrival. */
export function tryRoutes(
  routes: readonly RouteConfig[],
  samples: readonly Observed[],
  options: RouterOptions,
): DryRun {
  const router = compileRoutes(routes, options);
  const trials = routes.map(emptyDryRun);
  const unread: Observed[] = [];
  let ignored = 0;
  const places = new Map<string, ReturnType<typeof router.routeOf>>();
  for (const sample of samples) {
    const place = places.get(sample.topic) ?? router.routeOf(sample.topic);
    places.set(sample.topic, place);
    const dryRun = typeof place === 'number' ? trials[place] : undefined;
    if (place === 'ignored') ignored++;
    else if (dryRun === undefined) unread.push(sample);
    else {
      const preset = presetNamed(routes[place as number]?.preset ?? '');
      note(dryRun, sample, router.decode(sample), (device) => preset?.datasheet?.(sample, device));
    }
  }
  return { routes: trials, unread, ignored };
}

function emptyDryRun(): RouteDryRun {
  return {
    messages: 0,
    topics: new Set(),
    good: new Set(),
    devices: new Map(),
    metrics: new Map(),
    contested: new Set(),
    values: new Map(),
    faults: new Map(),
  };
}

type Decoded = ReturnType<ReturnType<typeof compileRoutes>['decode']>;

function note(
  dryRun: RouteDryRun,
  sample: Observed,
  decoded: Decoded,
  rangesOf: (device: string) => Ranges | undefined,
): void {
  const { topic } = sample;
  dryRun.messages++;
  dryRun.topics.add(topic);
  if (decoded.kind === 'reject') {
    if (FILTERED_CODES.has(decoded.code)) return;
    const codes = dryRun.faults.get(topic) ?? new Map<RejectCode, number>();
    dryRun.faults.set(topic, codes.set(decoded.code, (codes.get(decoded.code) ?? 0) + 1));
    return;
  }
  dryRun.good.add(topic);
  for (const name of decoded.losses?.ambiguous ?? []) dryRun.contested.add(name);
  for (const reading of decoded.readings) {
    const { device, metrics } = reading;
    noteContested(dryRun, reading);
    const known = dryRun.devices.get(device) ?? new Map<string, Series>();
    const ranges = rangesOf(device);
    if (dryRun.devices.size < MAX_NAMES) dryRun.devices.set(device, known);
    for (const [name, value] of metrics) {
      if (known.size < MAX_NAMES || known.has(name))
        known.set(name, noteSeries(known.get(name), sample, value, ranges?.[name]));
      noteMetric(dryRun.metrics, name, value);
    }
  }
}

/** Two messages with the same time and different values: one of them would be rejected, or replace the other. */
function noteContested(
  { values, contested }: RouteDryRun,
  { device, timeUs, stamped, metrics }: Reading,
): void {
  if (stamped) return;
  const key = `${device} ${timeUs}`;
  const known = values.get(key);
  if (known === undefined) {
    if (values.size < MAX_NAMES) values.set(key, metrics);
    return;
  }
  for (const [name, value] of metrics)
    if (known.has(name) && known.get(name) !== value && contested.size < MAX_NAMES) contested.add(name);
}

function noteMetric(metrics: Map<string, MetricFacts>, name: string, value: number): void {
  const known = metrics.get(name);
  if (known === undefined) {
    if (metrics.size < MAX_NAMES) metrics.set(name, { count: 1, min: value, max: value });
    return;
  }
  known.count++;
  known.min = Math.min(known.min, value);
  known.max = Math.max(known.max, value);
}
