import { parse } from 'yaml';
import { z } from 'zod';
import { alertsSchema } from '../../config/schema/alerts.ts';
import { RuleSet } from '../../core/alert/rules.ts';
import type { Scenario } from '../../core/alert/scenario.ts';
import type { Silence } from '../../core/alert/suppress/silence.ts';
import { entrySchema, eventsOf, silenceOf, silencesSchema } from './scenario-entries.ts';

const sensor = z.strictObject({
  type: z.string().optional(),
  location: z.string().optional(),
  tags: z.array(z.string()).default([]),
});

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
  /** Those that are there from the start. */
  silences: silencesSchema,
  timeline: z.array(entrySchema),
  expect: z
    .strictObject({
      transitions: z.array(z.union([z.string(), z.record(z.string(), z.unknown())])).optional(),
      rows: listOrCount.optional(),
      notifications: listOrCount.optional(),
      /** The notifications without those that are suppressed. */
      sent: listOrCount.optional(),
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
  const { name, expect, sensor: key, metric, connected } = given;
  const events = given.timeline.flatMap((each) => eventsOf(each, { sensor: key, metric, startMs }));
  const silences = given.silences.map((each) => silenceOf(each, startMs, startMs));
  checkExpired(scenarioIds(silences, events), events);
  return {
    name,
    scenario: { rules: new RuleSet(rules.data), sensors, silences, startMs, connected, events },
    expect,
    sensor: key,
    metric,
  };
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
