import type { FieldConfig, RouteConfig } from '../route-config.ts';
import type { AssemblyPlan } from './assemble.ts';
import type { Limits, TimeWindow } from './context.ts';
import { DEVICE_KEYS } from './device.ts';
import { type Pointer, lookup, pointer } from './document.ts';
import type { Field } from './field.ts';
import { MetricPlan } from './metric.ts';
import type { Shape, SplitPlan } from './split.ts';
import { TIME_KEYS, type TimePlan, timeAt, usualTime } from './time.ts';
import { type Convert, convertFrom, linearMap } from './unit.ts';
import { UTC, parseZone } from './zone.ts';

/** The mapping of a route (its own keys over those of its preset), ready to run. */
export interface Mapping {
  readonly split: SplitPlan;
  readonly assembly: AssemblyPlan;
}

/** Expects a route without faults (`mappingFaults`). */
export function compileMapping(
  config: RouteConfig,
  limits: Limits,
  window: TimeWindow,
  shape: Shape | undefined,
): Mapping {
  return {
    split: compileSplit(config, shape),
    assembly: {
      device: {
        template: config.device,
        path: devicePath(config),
      },
      time: compileTime(config, window),
      retained: config.retained,
      metrics: compileMetrics(config, limits, false),
      verbatim: compileMetrics(config, limits, true),
    },
  };
}

/** A tag is a member of the record of its line. */
function devicePath({ device_path, device_tag }: RouteConfig): Pointer | undefined {
  if (device_path !== undefined) return pointer(device_path);
  return device_tag === undefined ? undefined : { text: '', keys: [device_tag] };
}

function compileSplit(config: RouteConfig, shape: Shape | undefined): SplitPlan {
  return {
    items: config.items === undefined ? undefined : pointer(config.items),
    metricsPath: config.metrics_path === undefined ? undefined : pointer(config.metrics_path),
    pairs: config.pivot && compilePairs(config, config.pivot),
    used: usedMembers(config),
    hasDevicePath: devicePath(config) !== undefined,
    valuePath: config.value_path === undefined ? undefined : pointer(config.value_path),
    where: Object.entries(config.where ?? {}).map(([path, wanted]) => ({
      path: pointer(path),
      oneOf: new Set([wanted].flat().map(String)),
    })),
    shape,
  };
}

function compilePairs(config: RouteConfig, pivot: NonNullable<RouteConfig['pivot']>): SplitPlan['pairs'] {
  const device = devicePath(config);
  const times = timePaths(config).map(pointer);
  return {
    items: pointer(pivot.items),
    name: pointer(pivot.name),
    value: pointer(pivot.value),
    identity: (pair) => ({
      device: device === undefined ? undefined : lookup(pair, device),
      time: times.length > 0 ? timeAt(times, pair) : usualTime(pair),
    }),
  };
}

function compileTime(config: RouteConfig, window: TimeWindow): TimePlan {
  const zone = config.time?.timezone ?? config.timezone;
  const paths = timePaths(config);
  return {
    paths: paths.length === 0 ? undefined : paths.map(pointer),
    unit: config.time?.unit ?? 'auto',
    zone: (zone === undefined ? UTC : parseZone(zone)) ?? UTC,
    onBad: config.on_bad_time ?? 'reject',
    maxPastUs: window.max_past * 1000,
    maxFutureUs: window.max_future * 1000,
  };
}

/** `time.path` as a list. */
export function timePaths(config: RouteConfig): readonly string[] {
  const path = config.time?.path;
  return path === undefined ? [] : typeof path === 'string' ? [path] : path;
}

function compileMetrics(config: RouteConfig, limits: Limits, verbatim: boolean): MetricPlan {
  const fields = Object.entries(config.fields ?? {}).map(([name, field]) => compileField(name, field));
  const skip = new Set(config.skip);
  const skipPaths = new Set<string>();
  const identity = new Set<string>();
  if (!verbatim) {
    // Identity and time are no metrics (D8).
    for (const key of DEVICE_KEYS) identity.add(key.toLowerCase());
    if (timePaths(config).length === 0) for (const key of TIME_KEYS) identity.add(key);
    for (const path of consumed(config)) {
      const inside = withinMetrics(path, config.metrics_path);
      if (inside.keys.length === 1) skip.add(inside.keys[0] ?? '');
      else if (inside.keys.length > 1) skipPaths.add(`/${inside.keys.join('/')}`);
    }
  }
  return new MetricPlan({
    fields,
    metricMap: new Map(Object.entries(config.metric_map ?? {})),
    extras: config.extras ?? true,
    skip,
    identity,
    skipPaths,
    maxMetrics: limits.max_metrics,
  });
}

/** The locations whose value is already used: an extra must not repeat it. */
function consumed(config: RouteConfig): Pointer[] {
  const paths = [
    ...timePaths(config),
    ...Object.values(config.fields ?? {}).flatMap((field) => field.path ?? []),
    ...(config.device_path === undefined ? [] : [config.device_path]),
  ];
  return paths.map(pointer);
}

/** Members of a record that the route gives a use or a name of its own. */
function usedMembers(config: RouteConfig): ReadonlySet<string> {
  const { fields = {}, metric_map = {}, skip = [], where = {} } = config;
  const places = [...consumed(config), ...Object.keys(where).map(pointer)].flatMap(({ keys }) =>
    keys.slice(0, 1),
  );
  return new Set([...places, ...Object.keys(fields), ...Object.keys(metric_map), ...skip]);
}

/** `path` as seen from the metrics object. */
function withinMetrics(path: Pointer, metricsPath: string | undefined): Pointer {
  if (metricsPath === undefined || !path.text.startsWith(`${metricsPath}/`)) return path;
  return pointer(path.text.slice(metricsPath.length));
}

function compileField(name: string, field: FieldConfig): Field {
  return {
    name,
    path: field.path === undefined ? undefined : pointer(field.path),
    convert: fieldConvert(field),
    min: field.min,
    max: field.max,
  };
}

function fieldConvert({ unit, linear }: FieldConfig): Convert | undefined {
  const first = unit === undefined ? undefined : convertFrom(unit);
  if (linear === undefined) return first;
  const line = linearMap(linear);
  return first === undefined ? line : (value) => line(first(value));
}
