import { describe, expect, jest, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import {
  Backtest,
  type BacktestEpisode,
  BacktestTally,
  compareEpisodes,
} from '../../../src/core/alert/analysis/backtest.ts';
import { type ScenarioEvent, runScenario } from '../../../src/core/alert/analysis/scenario.ts';
import type { RuleSet } from '../../../src/core/alert/rules/rule-set.ts';
import { alertId } from '../../../src/services/alert/alert-id.ts';
import { T0_MS, T0_US, rulesOf, sensorOf, withRule } from './support.ts';
import { rounds } from '../../support/rounds.ts';

// Many runs, on a machine that may be busy.
jest.setTimeout(60_000);

type Sample = readonly [second: number, value: number, sensor?: string];

function backtest(rules: RuleSet, samples: readonly Sample[], endS: number): BacktestEpisode[] {
  const ended: BacktestEpisode[] = [];
  const run = new Backtest(rules, { alertId, fromMs: T0_MS, ended: (each) => void ended.push(each) });
  for (const [second, value, key = 's1'] of samples)
    run.reading(sensorOf(key), T0_US + second * 1e6, new Map([['temperature', value]]));
  return [...ended, ...run.end(T0_MS + endS * 1000)];
}

const seconds = (us: number | undefined) => (us === undefined ? undefined : (us - T0_US) / 1e6);
const short = (each: BacktestEpisode) =>
  `${each.alertType} ${each.firedAtUs.map(seconds).join('+')}(${each.value}/${each.threshold}) ${seconds(each.resolvedAtUs) ?? 'open'}`;

describe('a backtest', () => {
  test('gives an episode per row, from firing to resolved, escalations within', () => {
    const rules = withRule({ levels: [{ severity: 'critical', max: 35 }] });
    const episodes = backtest(rules, [[0, 25], [60, 31], [120, 36], [180, 29], [240, 32]], 300); // prettier-ignore
    expect(episodes.map(short)).toEqual([
      'temperature_high 60+120(31/30) 180',
      'temperature_high 240(32/30) open',
    ]);
    expect(episodes[0]).toMatchObject({ severity: 'critical', peakValue: 36, resolvedValue: 29 });
  });

  test('shows the higher of two crossings at one moment, as the row does', () => {
    const rules = withRule({
      for: '1m',
      for_mode: 'held',
      levels: [{ severity: 'critical', max: 40, for: '0s' }],
    });
    expect(backtest(rules, [[0, 31], [60, 41], [120, 29]], 300).map(short)).toEqual([
      'temperature_high 60(41/40) 120',
    ]); // prettier-ignore
  });

  test('lets time pass between readings and after the last: held, and silence', () => {
    const rules = withRule({ for: '5m', for_mode: 'held', no_data_after: '20m' });
    const episodes = backtest(rules, [[0, 31], [60, 25, 's2'], [2000, 25], [2100, 25, 's2']], 3600); // prettier-ignore
    expect(episodes.map(short).sort()).toEqual([
      'temperature_high 300(31/30) 2000',
      'temperature_no_data 1200(1200/1200) 2000',
      'temperature_no_data 1260(1200/1200) 2100',
      'temperature_no_data 3200(1200/1200) open',
      'temperature_no_data 3300(1200/1200) open',
    ]);
  });

  test('gives what a scenario of the same timeline gives', () => {
    const rules = rulesOf({
      defaults: { no_data_after: '10m' },
      flap: { changes: 5, window: '10m', hold: '5m' },
      metrics: {
        temperature: {
          max: 30,
          min: 15,
          hysteresis: 1,
          for: '1m',
          for_mode: 'held',
          keep_firing_for: '1m',
          max_rise: 8,
          anomaly: { z: 3, window: 5 },
          levels: [{ severity: 'critical', max: 34 }],
        },
      },
    });
    const step = fc.tuple(fc.constantFrom(0, 20, 60, 60, 300, 1500), fc.integer({ min: 10, max: 38 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(step, fc.constantFrom('s1', 's2')), { maxLength: 50 }), (steps) => {
        let now = 1;
        const seen = new Set<string>();
        const samples: Sample[] = [];
        for (const [[wait, value], key] of steps) {
          now += wait;
          // The first value of a time is the one that is stored.
          if (seen.has(`${key} ${now}`)) continue;
          seen.add(`${key} ${now}`);
          samples.push([now, value, key]);
        }
        const end = now + 5000;
        const events: ScenarioEvent[] = samples.map(([second, value, sensor = 's1']) => ({
          kind: 'reading',
          atMs: T0_MS + second * 1000,
          timeUs: T0_US + second * 1e6,
          sensor,
          metrics: new Map([['temperature', value]]),
        }));
        events.push({ kind: 'tick', atMs: T0_MS + end * 1000 });
        // Registers the sensors on arrival, as the backtest does.
        const scenario = { rules, sensors: [], startMs: T0_MS, connected: true, events };
        const rows = runScenario(scenario, alertId).rows;
        const ids = new Map<string, string>();
        for (const [, , key = 's1'] of samples) if (!ids.has(key)) ids.set(key, `s${ids.size + 1}`);
        const renamed = samples.map(([second, value, key = 's1']): Sample => [
          second,
          value,
          ids.get(key) ?? key,
        ]);
        const expected = rows.map((row) => `${row.alertId} ${row.timeUs} ${row.resolvedAtUs ?? 'open'}`);
        const actual = backtest(rules, renamed, end).flatMap((each) =>
          each.firedAtUs.map((time) => `${each.alertId} ${time} ${each.resolvedAtUs ?? 'open'}`),
        );
        expect(actual.sort()).toEqual(expected.sort());
      }),
      { numRuns: rounds(80, 200) },
    );
  });
});

describe('the tally', () => {
  test('counts by day and sensor, and keeps up to its bound', () => {
    const tally = new BacktestTally(T0_US + 10 * 86_400e6, 2);
    for (const each of backtest(
      withRule({}),
      [
        [0, 31],
        [60, 29],
        [90_000, 31],
        [90_060, 29],
        [90_100, 31],
      ],
      90_200,
    ))
      // prettier-ignore
      tally.add(each);
    expect([...tally.days]).toEqual([
      ['2026-01-01', 1],
      ['2026-01-02', 2],
    ]);
    expect([...tally.sensors.values()]).toMatchObject([{ sensor: 's1', episodes: 3 }]);
    expect(tally.retained).toHaveLength(2);
    expect(tally.truncated).toBe(true);
  });

  test('an episode is the same where it overlaps; the others are gained or lost', () => {
    const samples: Sample[] = [[0, 31], [60, 33], [120, 29], [300, 31], [360, 29], [600, 40], [660, 20]]; // prettier-ignore
    const of = (max: number) => backtest(withRule({ max }), samples, 1000);
    const starts = (episodes: readonly BacktestEpisode[]) =>
      episodes.map((each) => seconds(each.firedAtUs[0]));
    const stricter = compareEpisodes(of(32), of(30));
    expect([starts(stricter.same), starts(stricter.gained), starts(stricter.lost)]).toEqual([
      [0, 600],
      [300],
      [],
    ]);
    const looser = compareEpisodes(of(30), of(32));
    expect([starts(looser.same), starts(looser.gained), starts(looser.lost)]).toEqual([[60, 600], [], [300]]);
  });
});
