import { describe, expect, test } from '@jest/globals';
import { type ScenarioEvent, runScenario } from '../../../src/core/alert/analysis/scenario.ts';
import type { SensorFacts } from '../../../src/core/alert/rules/effective.ts';
import { alertId } from '../../../src/services/alert/alert-id.ts';
import fc from '../../support/fast-check.ts';
import { T0_MS, rulesOf } from './support.ts';
import { rounds } from '../../support/rounds.ts';

const KEYS = ['hub', 'd1', 'd2', 'alone'] as const;
const SENSORS: readonly SensorFacts[] = KEYS.map((key, index) => ({
  id: index + 1,
  ...{ key, type: key === 'hub' ? 'gateway' : null, location: null, tags: [] },
  gateway: key.startsWith('d') ? 'hub' : null,
}));

type Step = readonly [
  afterS: number,
  what: 'reading' | 'offline' | 'online' | 'tick' | 'restart',
  sensor: (typeof KEYS)[number],
  metrics: readonly string[],
];

const step: fc.Arbitrary<Step> = fc.tuple(
  fc.integer({ min: 0, max: 40 }),
  fc.constantFrom(
    ...(['reading', 'reading', 'reading', 'reading', 'offline', 'online', 'tick', 'restart'] as const),
  ),
  fc.constantFrom(...KEYS),
  fc.subarray(['temperature', 'humidity', 'uptime'], { minLength: 1 }),
);
const steps = fc.array(step, { maxLength: 60 });

const variants = fc.record({
  offline_after: fc.constantFrom('60s', '90s', 'auto'),
  allowed_lateness: fc.constantFrom('0s', '2s', '60s'),
  hub: fc.constantFrom('20s', '60s', '120s', null),
  noData: fc.constantFrom('30s', '60s', null),
});

function timeline(all: readonly Step[], endS: number): ScenarioEvent[] {
  let atMs = T0_MS;
  const events = all.map(([afterS, what, sensor, metrics]): ScenarioEvent => {
    atMs += afterS * 1000;
    if (what === 'tick' || what === 'restart') return { kind: what, atMs };
    if (what !== 'reading')
      return { kind: 'availability', atMs, sensor, online: what === 'online', retained: false };
    const values = new Map(metrics.map((metric) => [metric, 20]));
    return { kind: 'reading', atMs, timeUs: atMs * 1000, sensor, metrics: values };
  });
  return [...events, { kind: 'tick', atMs: atMs + endS * 1000 }];
}

/** The clock is looked at every few seconds as well, before what happens then. */
function withTicks(events: readonly ScenarioEvent[], everyMs: number): ScenarioEvent[] {
  let tickMs = T0_MS;
  return events.flatMap((event) => {
    const before: ScenarioEvent[] = [];
    for (; tickMs <= event.atMs; tickMs += everyMs) before.push({ kind: 'tick', atMs: tickMs });
    return [...before, event];
  });
}

function ran(
  variant: { offline_after: string; allowed_lateness: string; hub: string | null; noData: string | null },
  events: readonly ScenarioEvent[],
) {
  const rules = rulesOf({
    offline_after: variant.offline_after,
    allowed_lateness: variant.allowed_lateness,
    defaults: variant.noData === null ? {} : { no_data_after: variant.noData },
    metrics: { temperature: { max: 30 }, humidity: { max: 80 } },
    overrides: [{ type: 'gateway', offline_after: variant.hub }],
  });
  return runScenario({ rules, sensors: SENSORS, startMs: T0_MS, connected: true, events }, alertId);
}

const rowsOf = ({ rows }: ReturnType<typeof ran>) =>
  rows
    .map(
      (row) =>
        `${row.timeUs / 1e6 - T0_MS / 1000} ${row.sensorId} ${row.alertType} ${row.suppressed} until ${row.resolvedAtUs === undefined ? 'now' : row.resolvedAtUs / 1e6 - T0_MS / 1000}`,
    )
    .sort();

/** Each runs the clock second by second. */
const RUNS = { numRuns: rounds(20, 40) };

describe('sensors that fall silent, their metrics and their gateway, over random timelines', () => {
  test('give the same rows however often the clock is read', () => {
    fc.assert(
      fc.property(variants, steps, (variant, given) => {
        // A rhythm is stored now and then only: what a restart finds of it depends on what else was written.
        const all = variant.offline_after === 'auto' ? given.filter(([, what]) => what !== 'restart') : given;
        const events = timeline(all, 300);
        const rows = rowsOf(ran(variant, events));
        expect(rowsOf(ran(variant, withTicks(events, 1000)))).toEqual(rows);
      }),
      RUNS,
    );
  });

  test('while a sensor is offline none of its metrics is missed anew, and nothing of a gateway’s sensors is notified while it is', () => {
    fc.assert(
      fc.property(variants, steps, (variant, all) => {
        const { rows, notifications } = ran(variant, withTicks(timeline(all, 300), 1000));
        const offline = rows.filter(({ kind }) => kind === 'offline');
        const isOffline = (sensorId: number, atUs: number) =>
          offline.some(
            (row) => row.sensorId === sensorId && row.timeUs < atUs && atUs < (row.resolvedAtUs ?? Infinity),
          );
        for (const row of rows)
          if (row.kind === 'no_data') expect(isOffline(row.sensorId, row.timeUs)).toBe(false);
        for (const each of notifications) {
          if (each.event !== 'firing' || ![2, 3].includes(each.sensorId)) continue;
          if (isOffline(1, each.eventTimeMs * 1000)) expect(each.suppressed).toBe('inhibition');
        }
      }),
      RUNS,
    );
  });

  test('a loss of the gateway is one firing and one end, whatever comes of its sensors', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 61, max: 2000 }),
        fc.integer({ min: 1, max: 50 }),
        fc.boolean(),
        (goneS, stepS, will) => {
          const reading = (sensor: Step[2], afterS: number): Step => [
            afterS,
            'reading',
            sensor,
            ['temperature', 'humidity'],
          ];
          const all: Step[] = [
            ...[0, 1, 2, 3].flatMap(() => [reading('d1', stepS), reading('d2', 1)]),
            ...(will ? [[1, 'offline', 'hub', ['x']] as Step] : []),
            [goneS, will ? 'online' : 'tick', 'hub', ['x']],
            reading('d1', 5),
            reading('d2', 5),
          ];
          const variant = { offline_after: '60s', allowed_lateness: '0s', hub: '60s', noData: '60s' };
          const events = withTicks(timeline(all, 30), 1000);
          const sent = ran(variant, events).notifications.filter(
            ({ suppressed, sensorId }) => suppressed === null && sensorId !== 4,
          );
          expect(sent.map(({ event, sensorKey }) => `${event} ${sensorKey}`)).toEqual([
            'firing hub',
            'resolved hub',
          ]);
        },
      ),
    );
  });
});
