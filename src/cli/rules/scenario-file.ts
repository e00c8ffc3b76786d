import { parse } from 'yaml';
import { z } from 'zod';
import { alertsSchema } from '../../config/schema/alerts.ts';
import { parseDuration } from '../../core/duration.ts';
import { RuleSet } from '../../core/alert/rules.ts';
import type { Scenario, ScenarioEvent } from '../../core/alert/scenario.ts';

/** A moment: seconds after the start, a duration after it (`5m`), or an ISO 8601 time. */
const moment = z.union([z.number(), z.string()]);
type Moment = z.output<typeof moment>;

const sensor = z.strictObject({
  type: z.string().optional(),
  location: z.string().optional(),
  tags: z.array(z.string()).default([]),
});
const alert = z.strictObject({
  sensor: z.string().optional(),
  alert_type: z.string().optional(),
  by: z.string().optional(),
});

const entry = z
  .strictObject({
    at: moment.optional(),
    rx: moment.optional(),
    sensor: z.string().optional(),
    metric: z.string().optional(),
    value: z.unknown().optional(),
    metrics: z.record(z.string(), z.unknown()).optional(),
    readings: z.string().optional(),
    tick: z.literal(true).optional(),
    connect: z.literal(true).optional(),
    disconnect: z.literal(true).optional(),
    restart: z.literal(true).optional(),
    reload: z.unknown().optional(),
    ack: alert.optional(),
    resolve: alert.optional(),
  })
  .refine((given) => ACTIONS.filter((action) => action in given).length === 1, {
    error:
      'needs exactly one of value, metrics, readings, tick, connect, disconnect, restart, reload, ack, resolve',
  });
type Entry = z.output<typeof entry>;

const ACTIONS = [
  'value', 'metrics', 'readings', 'tick', 'connect', 'disconnect', 'restart', 'reload', 'ack', 'resolve',
] as const; // prettier-ignore

const listOrCount = z.union([
  z.number().int(),
  z.array(z.union([z.string(), z.record(z.string(), z.unknown())])),
]);

const scenarioSchema = z.strictObject({
  name: z.string().default(''),
  alerts: z.unknown().default({}),
  sensors: z.record(z.string(), sensor).default({}),
  /** Defaults of the timeline and of the notation. */
  sensor: z.string().default('s1'),
  metric: z.string().default('temperature'),
  start: z.string().default('2026-01-01T00:00:00Z'),
  connected: z.boolean().default(true),
  timeline: z.array(entry),
  expect: z
    .strictObject({
      transitions: z.array(z.union([z.string(), z.record(z.string(), z.unknown())])).optional(),
      rows: listOrCount.optional(),
      notifications: listOrCount.optional(),
      counts: z.record(z.string(), z.number()).optional(),
      refused_reloads: z.number().int().optional(),
    })
    .default({}),
});

export type Expectation = z.output<typeof scenarioSchema>['expect'];

export interface ScenarioCase {
  readonly name: string;
  readonly scenario: Scenario;
  readonly expect: Expectation;
  readonly sensor: string;
  readonly metric: string;
}

/** Reads a scenario file: one scenario, or a list of them under `scenarios:`. Throws with every fault in the message. */
export function readScenarios(text: string): readonly ScenarioCase[] {
  const document: unknown = parse(text);
  const several = z.strictObject({ scenarios: z.array(scenarioSchema) }).safeParse(document);
  const isList = typeof document === 'object' && document !== null && 'scenarios' in document;
  if (isList) {
    if (!several.success) throw new Error(z.prettifyError(several.error));
    return several.data.scenarios.map(toCase);
  }
  const one = scenarioSchema.safeParse(document);
  if (!one.success) throw new Error(z.prettifyError(one.error));
  return [toCase(one.data)];
}

function toCase(given: z.output<typeof scenarioSchema>): ScenarioCase {
  const startMs = Date.parse(given.start);
  if (Number.isNaN(startMs)) throw new Error(`start: "${given.start}" is no time`);
  const rules = alertsSchema.safeParse(given.alerts);
  if (!rules.success) throw new Error(`alerts: ${z.prettifyError(rules.error)}`);
  const sensors = Object.entries(given.sensors).map(([key, facts], index) => ({
    id: index + 1,
    key,
    type: facts.type ?? null,
    location: facts.location ?? null,
    tags: facts.tags,
  }));
  const events = given.timeline.flatMap((each) => toEvents(each, given, startMs));
  const { name, expect, sensor: key, metric, connected } = given;
  return {
    name,
    scenario: { rules: new RuleSet(rules.data), sensors, startMs, connected, events },
    expect,
    sensor: key,
    metric,
  };
}

function toEvents(
  each: Entry,
  defaults: { readonly sensor: string; readonly metric: string },
  startMs: number,
): ScenarioEvent[] {
  const at = momentMs(each.at ?? 0, startMs);
  const atMs = momentMs(each.rx ?? each.at ?? 0, startMs);
  const key = each.sensor ?? defaults.sensor;
  const metric = each.metric ?? defaults.metric;
  const reading = (timeMs: number, receivedMs: number, metrics: ReadonlyMap<string, unknown>) =>
    ({ kind: 'reading', atMs: receivedMs, timeUs: Math.round(timeMs * 1000), sensor: key, metrics }) as const;
  if (each.readings !== undefined)
    return pairs(each.readings).map(([second, value]) => {
      const timeMs = startMs + second * 1000;
      return reading(timeMs, each.rx === undefined ? timeMs : atMs, new Map([[metric, value]]));
    });
  if (each.metrics !== undefined) return [reading(at, atMs, new Map(Object.entries(each.metrics)))];
  if ('value' in each) return [reading(at, atMs, new Map([[metric, each.value]]))];
  if ('reload' in each) {
    const parsed = alertsSchema.safeParse(each.reload ?? {});
    return [{ kind: 'reload', atMs, rules: parsed.success ? new RuleSet(parsed.data) : undefined }];
  }
  const operator = each.ack ?? each.resolve;
  if (operator !== undefined)
    return [
      {
        kind: each.ack === undefined ? 'resolve' : 'ack',
        atMs,
        sensor: operator.sensor ?? key,
        alertType: operator.alert_type ?? `${metric}_high`,
        by: operator.by ?? 'operator',
      },
    ];
  const kind = (['tick', 'connect', 'disconnect', 'restart'] as const).find((name) => each[name] === true);
  return [{ kind: kind ?? 'tick', atMs }];
}

function momentMs(moment: Moment, startMs: number): number {
  if (typeof moment === 'number') return startMs + moment * 1000;
  const ms = parseDuration(moment);
  if (ms !== undefined) return startMs + ms;
  const time = Date.parse(moment);
  if (Number.isNaN(time)) throw new Error(`"${moment}" is neither seconds, nor a duration, nor a time`);
  return time;
}

/** `(0,25)(60,31)`: seconds and values, the notation of the contract. */
function pairs(text: string): (readonly [number, number])[] {
  const found = [...text.matchAll(/\(\s*(-?[\d.]+)\s*,\s*(-?[\d.]+(?:e[-+]?\d+)?)\s*\)/gi)];
  const rest = text.replace(/\(\s*(-?[\d.]+)\s*,\s*(-?[\d.]+(?:e[-+]?\d+)?)\s*\)/gi, '').trim();
  if (rest !== '') throw new Error(`readings: cannot read "${rest}"; write (seconds,value)(seconds,value)`);
  return found.map(([, second, value]) => [Number(second), Number(value)] as const);
}
