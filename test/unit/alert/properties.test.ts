import { describe, expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { rounds } from '../../support/rounds.ts';
import { alertKeyText } from '../../../src/core/alert/engine/alert-key.ts';
import { AlertEngine } from '../../../src/core/alert/engine/engine.ts';
import { AlertPreview } from '../../../src/core/alert/engine/preview.ts';
import { restoreRow } from '../../../src/core/alert/engine/restore.ts';
import type { AlertNotification, AlertStateRow } from '../../../src/core/alert/model.ts';
import type { Silence } from '../../../src/core/alert/suppress/silence.ts';
import { alertId } from '../../../src/services/alert/alert-id.ts';
import {
  recentRules,
  rule,
  rules,
  sensors,
  silences,
  suppressing,
  ticks,
  timedRules,
  timeline,
} from './arbitraries.ts';
import { Bench, type Given, T0_MS, letters, rulesOf, sensorOf } from './support.ts';

const outcome = (bench: Bench) => ({
  trace: bench.trace,
  rows: bench.table,
  notifications: bench.notifications,
});

function connected(ruleSet: ReturnType<typeof rulesOf>): Bench {
  const bench = new Bench(ruleSet);
  bench.engine.silence([], T0_MS);
  bench.engine.connected(T0_MS);
  return bench;
}

function oneByOne(ruleSet: ReturnType<typeof rulesOf>, all: readonly Given[]): Bench {
  const bench = connected(ruleSet);
  for (const each of all) bench.send(each);
  return bench;
}

const silenceOf = (sensor: string, from: number, to: number): Silence => ({
  id: sensor,
  matchers: { sensor },
  startsMs: T0_MS + from * 1000,
  endsMs: T0_MS + to * 1000,
  by: 'ann',
  comment: '',
});

/** Ticks at these moments, and one at the end. */
function ticked(
  ruleSet: ReturnType<typeof rulesOf>,
  muted: readonly Silence[],
  all: readonly Given[],
  moments: readonly number[],
): Bench {
  const bench = new Bench(ruleSet);
  bench.engine.silence(muted, T0_MS);
  bench.engine.connected(T0_MS);
  const due = [...moments].sort((a, b) => a - b);
  for (const each of all) {
    while ((due[0] ?? Infinity) <= (each.rx ?? each.at)) bench.tick(due.shift() ?? 0);
    bench.send(each);
  }
  return bench.tick(100_000);
}

/** Without the order between sensors: what time decides of one is noticed before or after a reading of another. */
const perSensor = (bench: Bench) =>
  sensors.map(({ id, key }) => ({
    key,
    trace: bench.effects.filter((each) => each.series.sensorId === id).map(letters),
    rows: bench.table.filter((row) => row.sensorId === id),
    notifications: bench.notifications.filter(({ sensorId }) => sensorId === id),
  }));

describe('over random timelines', () => {
  test('a preview of a batch in hand equals what is committed, and changes nothing', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }));
    fc.assert(
      fc.property(timedRules, timeline, fc.nat(), sizes, (ruleSet, all, at, parts) => {
        const from = all.length === 0 ? 0 : at % all.length;
        const bench = connected(ruleSet);
        bench.send(...all.slice(0, from));
        const before = bench.notifications.length;
        bench.engine.begin();
        for (const each of all.slice(from, from + 5)) bench.read(each);
        const preview = new AlertPreview(bench.engine, alertId);
        const previewed: AlertNotification[] = [];
        let done = from;
        const part = (size: number) => {
          const readings = all.slice(done, (done += size)).map((each) => bench.made(each));
          previewed.push(...preview.readings(readings));
        };
        const [more = 0, ...others] = parts;
        part(5 + more);
        expect(preview.isOf(bench.engine)).toBe(true);
        const { touched } = bench.engine.work;
        bench.finish();
        expect(preview.isOf(bench.engine)).toBe(touched.length === 0);
        // All that was committed had been previewed.
        preview.goOn();
        for (const size of [...others, all.length]) part(size);
        bench.send(...all.slice(from + 5));
        expect(previewed).toEqual(bench.notifications.slice(before));
        expect(outcome(bench)).toEqual(outcome(oneByOne(ruleSet, all)));
      }),
    );
  });

  test('any split into batches changes nothing', () => {
    fc.assert(
      fc.property(timedRules, timeline, fc.array(fc.integer({ min: 1, max: 9 })), (ruleSet, all, sizes) => {
        const bench = connected(ruleSet);
        let from = 0;
        for (const size of [...sizes, all.length]) bench.send(...all.slice(from, (from += size)));
        expect(outcome(bench)).toEqual(outcome(oneByOne(ruleSet, all)));
      }),
    );
  });

  test('redelivery changes nothing', () => {
    fc.assert(
      fc.property(rules, timeline, fc.nat(), fc.nat(), (ruleSet, all, a, b) => {
        const from = all.length === 0 ? 0 : a % all.length;
        const to = from + (b % 10);
        const again = [...all.slice(0, to), ...all.slice(from, to), ...all.slice(to)];
        expect(outcome(oneByOne(ruleSet, again))).toEqual(outcome(oneByOne(ruleSet, all)));
      }),
    );
  });

  test('evaluating without committing changes nothing', () => {
    fc.assert(
      fc.property(timedRules, timeline, timeline, (ruleSet, all, dropped) => {
        const bench = connected(ruleSet);
        for (const each of all) {
          bench.engine.begin();
          for (const other of dropped) bench.read(other);
          bench.send(each);
        }
        expect(outcome(bench)).toEqual(outcome(oneByOne(ruleSet, all)));
      }),
      { numRuns: 30 },
    );
  });

  test('at most one open episode per sensor and type; every row is resolved or open in its state', () => {
    fc.assert(
      fc.property(timedRules, timeline, (ruleSet, all) => {
        const bench = oneByOne(ruleSet, all);
        const open = new Map<string, string>();
        for (const { batch, event, key, alertId } of transitions(bench)) {
          expect(batch).toBeDefined();
          if (event === 'firing') {
            // A deferred firing is notified later, for the same episode.
            expect(open.get(key) ?? alertId).toBe(alertId);
            open.set(key, alertId);
          }
          if (event === 'resolved') expect(open.delete(key)).toBe(true);
        }
        const states = stateRows(bench);
        for (const row of bench.table) {
          if (row.resolvedAtUs !== undefined) continue;
          const state = states.get(alertKeyText(row));
          expect(state?.alertId).toBe(row.alertId);
        }
      }),
    );
  });

  test('a restart at any point changes nothing', () => {
    fc.assert(
      fc.property(rules, timeline, fc.nat(), (ruleSet, all, cut) => {
        const at = all.length === 0 ? 0 : cut % all.length;
        const bench = new Bench(ruleSet);
        for (const each of all.slice(0, at)) bench.send(each);
        bench.engine = restarted(bench, ruleSet, all.slice(0, at));
        for (const each of all.slice(at)) bench.send(each);
        expect(outcome(bench)).toEqual(outcome(oneByOne(ruleSet, all)));
      }),
      { numRuns: rounds(80, 400) },
    );
  });

  test('under silences and windows, a tick at any moment changes nothing', () => {
    fc.assert(
      fc.property(recentRules, silences, timeline, ticks, (ruleSet, muted, all, moments) => {
        expect(perSensor(ticked(ruleSet, muted, all, moments))).toEqual(
          perSensor(ticked(ruleSet, muted, all, [])),
        );
      }),
      {
        numRuns: rounds(60, 300),
        examples: [
          // It fires after a silence that is over.
          [
            rulesOf({ metrics: { temperature: { max: 30 } } }),
            [silenceOf('s1', 1100, 1160)],
            [
              { at: 1900, value: 30 },
              { at: 1960, value: 31 },
            ],
            [1100],
          ],
          // A deadline between the begin and the end of a silence.
          [
            rulesOf({ metrics: { temperature: { max: 30, for: '1m', for_mode: 'held' } } }),
            [silenceOf('s1', 1100, 1160)],
            [
              { at: 1050, value: 31 },
              { at: 1400, value: 31 },
            ],
            [1120, 1170],
          ],
          // A silence ends within a window.
          [
            rulesOf({
              maintenance: [{ match: {}, window: '00:20-00:30' }],
              metrics: { temperature: { max: 30 } },
            }),
            [silenceOf('s1', 1000, 1500)],
            [
              { at: 1050, value: 31 },
              { at: 1900, value: 31 },
            ],
            [1250, 1600],
          ],
        ],
      },
    );
  });

  test('a restart under silences, windows and inhibition changes nothing', () => {
    fc.assert(
      fc.property(rule, suppressing, silences, timeline, fc.nat(), (fields, suppress, muted, all, cut) => {
        const ruleSet = rulesOf({ ...suppress, metrics: { temperature: { max: 30, ...fields } } });
        const at = all.length === 0 ? 0 : cut % all.length;
        // An alert that ends within a second of its inhibition is not notified; a restart ends that second early.
        const later = (all[at - 1]?.rx ?? 0) + 1;
        fc.pre((all[at]?.rx ?? later) >= later);
        const run = (restarts: boolean) => {
          const bench = new Bench(ruleSet);
          bench.engine.silence(muted, T0_MS);
          all.forEach((each, index) => {
            if (index === at) {
              bench.tick(later);
              if (restarts) {
                bench.engine = restarted(bench, ruleSet, all.slice(0, at));
                bench.engine.silence(muted, T0_MS + later * 1000);
              }
            }
            bench.tick(each.rx ?? each.at).send(each);
          });
          return bench.tick(10_000);
        };
        expect(outcome(run(true))).toEqual(outcome(run(false)));
      }),
      {
        numRuns: rounds(60, 300),
        examples: [
          // A late number under a level that waits: the deadline depends on when it was received.
          [
            { for_mode: 'held', levels: [{ severity: 'critical', max: 33, for: '2m' }] },
            { maintenance: [{ match: {}, window: '00:20-00:30' }] },
            [],
            [
              { at: 1060, rx: 1060, value: 34, sensor: sensorOf('s1') },
              { at: 1120, rx: 1120, value: 30, sensor: sensorOf('s2') },
              { at: 1060, rx: 1150, value: 30, sensor: sensorOf('s1') },
              { at: 1210, rx: 1210, value: 30, sensor: sensorOf('s1') },
            ],
            3,
          ],
          // A deadline that moved before the end of the silence.
          [
            { for: '4m', for_mode: 'held', levels: [{ severity: 'critical', max: 33, for: '2m' }] },
            {},
            [silenceOf('s1', 0, 3000)],
            [
              { at: 1000, rx: 1000, value: 31, sensor: sensorOf('s1') },
              { at: 1060, rx: 1060, value: 34, sensor: sensorOf('s1') },
              { at: 1180, rx: 1180, value: 31, sensor: sensorOf('s1') },
            ],
            2,
          ],
        ],
      },
    );
  });
});

function* transitions(bench: Bench) {
  for (const batch of bench.batches)
    for (const { sensorId, alertType, alertId, event } of batch.notifications)
      yield { batch, event, alertId, key: `${sensorId}|${alertType}` };
}

/** The table `alert_state` after all batches. */
function stateRows(bench: Bench): Map<string, AlertStateRow> {
  const rows = new Map<string, AlertStateRow>();
  for (const batch of bench.batches)
    for (const row of batch.states) {
      const key = alertKeyText(row);
      if (row.state === 'ok' && Object.keys(row.detail).length === 0) rows.delete(key);
      else rows.set(key, JSON.parse(JSON.stringify(row)) as AlertStateRow);
    }
  return rows;
}

/** A new process: the state rows, and the last event of each sensor from its stored readings. */
function restarted(bench: Bench, ruleSet: ReturnType<typeof rulesOf>, stored: readonly Given[]): AlertEngine {
  const engine = new AlertEngine(ruleSet);
  for (const row of stateRows(bench).values()) {
    const sensor = sensors.find(({ id }) => id === row.sensorId);
    if (sensor !== undefined) expect(restoreRow(engine, sensor, row)).toBeUndefined();
  }
  const scratch = new Bench(ruleSet);
  for (const sensor of sensors) {
    const own = stored.filter((each) => each.sensor === sensor);
    // The first value of a time is the one that is stored.
    const latest = own.reduce<Given | undefined>(
      (a, b) => (a === undefined || b.at > a.at ? b : a),
      undefined,
    );
    if (latest === undefined) continue;
    const series = engine.seriesOf(sensor, 'temperature');
    scratch.engine.begin();
    series?.restore({ last: { timeUs: scratch.timeUs(latest.at), value: latest.value as number } });
  }
  return engine;
}
