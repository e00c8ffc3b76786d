import * as z from '../../core/schema/zod.ts';
import { type ScenarioNotify, scenarioNotify, sinksOf } from './scenario-sinks.ts';
import { alertsSchema } from '../../config/schema/alerts.ts';
import type { Scenario, ScenarioEvent } from '../../core/alert/analysis/scenario.ts';
import { RuleSet } from '../../core/alert/rules/rule-set.ts';
import type { Silence } from '../../core/alert/suppress/silence.ts';
import { isoUs } from './moments.ts';
import { entrySchema, eventsOf, silenceOf, silencesSchema } from './scenario-entries.ts';
import { ScenarioSource, type SourcePath } from './scenario-source.ts';

const sensor = z.strictObject({
  type: z.string().optional(),
  location: z.string().optional(),
  tags: z.array(z.string()).default([]),
  gateway: z.string().optional(),
});

const listOrCount = z.union([
  z.number().int(),
  z.array(z.union([z.string(), z.record(z.string(), z.unknown())])),
]);

const scenarioSchema = z.strictObject({
  name: z.string().default(''),
  alerts: alertsSchema.optional(),
  notify: scenarioNotify.optional(),
  sensors: z.record(z.string(), sensor).default({}),
  /** Defaults of the timeline and of the notation. */
  sensor: z.string().default('s1'),
  metric: z.string().default('temperature'),
  start: z.string().default('2026-01-01T00:00:00Z'),
  connected: z.boolean().default(true),
  /** Silences that exist from the start. */
  silences: silencesSchema,
  timeline: z.array(entrySchema),
  expect: z
    .strictObject({
      transitions: z.array(z.union([z.string(), z.record(z.string(), z.unknown())])).optional(),
      rows: listOrCount.optional(),
      notifications: listOrCount.optional(),
      /** The notifications without those that are suppressed. */
      sent: listOrCount.optional(),
      /** Deliveries to the sinks. */
      notified: listOrCount.optional(),
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
  /** Zone of the texts of notifications. */
  readonly timezone: string;
}

type Given = z.output<typeof scenarioSchema>;

/** Parts of a configuration, for scenarios that leave them out. */
export interface ScenarioDefaults {
  readonly alerts: z.output<typeof alertsSchema>;
  readonly notify?: ScenarioNotify | undefined;
}

const NO_DEFAULTS: ScenarioDefaults = { alerts: alertsSchema.parse({}) };

/**
 * Reads a scenario file: one scenario, or a list of them, at the top or under `scenarios:`. Throws with every fault in
 * the message, each with its place.
 */
export function readScenarios(
  text: string,
  file = 'scenario',
  defaults: ScenarioDefaults = NO_DEFAULTS,
): readonly ScenarioCase[] {
  const source = new ScenarioSource(text, file);
  const cases = given(source).map(([each, path]) => toCase(each, path, source, defaults));
  source.refuse();
  return cases;
}

function given(source: ScenarioSource): readonly (readonly [Given, SourcePath])[] {
  const { tree } = source;
  if (Array.isArray(tree))
    return source.parse(z.array(scenarioSchema)).map((each, index) => [each, [index]] as const);
  if (typeof tree !== 'object' || tree === null || !('scenarios' in tree))
    return [[source.parse(scenarioSchema), []]];
  const { scenarios } = source.parse(z.strictObject({ scenarios: z.array(scenarioSchema) }));
  return scenarios.map((each, index) => [each, ['scenarios', index]] as const);
}

function toCase(
  each: Given,
  path: SourcePath,
  source: ScenarioSource,
  defaults: ScenarioDefaults,
): ScenarioCase {
  const startMs = source.at([...path, 'start'], () => startOf(each.start)) ?? 0;
  const sensors = Object.entries(each.sensors).map(([key, facts], index) => ({
    id: index + 1,
    key,
    type: facts.type ?? null,
    location: facts.location ?? null,
    tags: facts.tags,
    gateway: facts.gateway ?? null,
  }));
  const { name, expect, sensor: key, metric, connected } = each;
  const { alerts = defaults.alerts, notify = defaults.notify } = each;
  if (expect.notified !== undefined && notify === undefined)
    source.at([...path, 'expect', 'notified'], () => {
      throw new Error('needs notify: the sinks, and the routes to them');
    });
  const rules = new RuleSet(alerts);
  const sinks = notify && sinksOf(notify);
  const silences = each.silences.flatMap(
    (silence, index) =>
      source.at([...path, 'silences', index], () => silenceOf(silence, startMs, startMs)) ?? [],
  );
  const events = timelineOf(each, startMs, (index, read) => source.at([...path, 'timeline', index], read));
  source.at([...path, 'timeline'], () => checkExpired(scenarioIds(silences, events), events));
  return {
    name,
    scenario: { rules, sinks, sensors, silences, startMs, connected, events },
    timezone: notify?.timezone ?? 'UTC',
    expect,
    sensor: key,
    metric,
  };
}

function startOf(text: string): number {
  const timeUs = isoUs(text);
  if (timeUs === undefined) throw new Error(`"${text}" is no time; write it like 2026-01-01T00:00:00Z`);
  return timeUs / 1000;
}

/** Entries happen in the order in which they stand; only a reading may carry an earlier time. */
function timelineOf(
  { timeline, sensor, metric }: Given,
  startMs: number,
  at: (index: number, read: () => ScenarioEvent[]) => ScenarioEvent[] | undefined,
): ScenarioEvent[] {
  let clockMs = startMs;
  const read = (each: Given['timeline'][number]) => {
    const events = eventsOf(each, { sensor, metric, startMs, clockMs });
    for (const { kind, atMs } of events) {
      if (kind !== 'reading' && atMs < clockMs)
        throw new Error(
          `${kind} at ${(atMs - startMs) / 1000} stands after an entry at ${(clockMs - startMs) / 1000}; ` +
            'the timeline is in the order of arrival',
        );
      clockMs = Math.max(clockMs, atMs);
    }
    return events;
  };
  return timeline.flatMap((each, index) => at(index, () => read(each)) ?? []);
}

const scenarioIds = (silences: readonly Silence[], events: Scenario['events']): ReadonlySet<string> =>
  new Set([
    ...silences.map(({ id }) => id),
    ...events.flatMap((event) => (event.kind === 'silence' ? [event.silence.id] : [])),
  ]);

/** A misspelt id would leave the silence as it is, and the scenario would test something else. */
function checkExpired(ids: ReadonlySet<string>, events: Scenario['events']): void {
  for (const event of events)
    if (event.kind === 'expire' && !ids.has(event.id))
      throw new Error(`expire: there is no silence with the id "${event.id}"`);
}
