import { expect, test } from '@jest/globals';
import { Bench, D, T0_MS, rulesOf, sensorOf } from './support.ts';

const before = sensorOf('s1');
const after = sensorOf('s1', { location: 'lab' });

test('a sensor that gets its location keeps its states, and its notifications have it', () => {
  const bench = new Bench(rulesOf(D)).send({ at: 0, value: 31, sensor: before });
  expect(bench.engine.replaceSensors([after, sensorOf('s2')], T0_MS)).toBe(true);
  bench.send({ at: 60, value: 29, sensor: after });
  expect(bench.trace).toEqual(['F@0(31/30)', 'R@60']);
  expect(bench.effects.map(({ series }) => series.sensor.location)).toEqual(['lab', 'lab']);
});

test('a copy made before is outdated', () => {
  const { engine } = new Bench(rulesOf(D)).send({ at: 0, value: 31, sensor: before });
  const { version } = engine;
  engine.replaceSensors([after], T0_MS);
  expect(engine.version).toBeGreaterThan(version);
});

test('a silence of the location suppresses the alert that is open', () => {
  const rules = rulesOf({ metrics: { temperature: { max: 30, repeat_interval: '1m' } } });
  const bench = new Bench(rules).send({ at: 0, value: 31, sensor: before });
  const silence = {
    id: '1',
    matchers: { location: 'lab' },
    startsMs: T0_MS,
    endsMs: T0_MS + 3_600_000,
    by: 'ann',
    comment: '',
  };
  bench.engine.silence([silence], T0_MS);
  bench.tick(30);
  expect(bench.engine.replaceSensors([after], T0_MS + 40_000)).toBe(true);
  bench.tick(41).send({ at: 120, value: 32, sensor: after }).tick(200);
  // No reminder.
  expect(bench.trace).toEqual(['F@0(31/30)']);
});

test.each([
  [
    'an override of the location',
    { overrides: [{ location: 'lab', metrics: { temperature: { max: 40 } } }] },
  ],
  [
    'an inhibition, which counts sources by their labels',
    { inhibit: [{ source: { severity: 'critical' }, target: { severity: 'warning' }, equal: ['location'] }] },
  ],
  ['a count', { counts: [{ name: 'many', of: { location: 'lab' }, at_least: 2 }] }],
])('with %s nothing is replaced', (_what, more) => {
  const bench = new Bench(rulesOf({ ...D, ...more })).send({ at: 0, value: 31, sensor: before });
  expect(bench.engine.replaceSensors([after], T0_MS)).toBe(false);
  bench.send({ at: 60, value: 29, sensor: after });
  expect(bench.effects.map(({ series }) => series.sensor.location)).toEqual([null, null]);
});

test('another gateway, and a sensor that is retired, are not replaced', () => {
  const { engine } = new Bench(rulesOf(D)).send({ at: 0, value: 31, sensor: before });
  expect(engine.replaceSensors([sensorOf('s1', { gateway: 'hub' })], T0_MS)).toBe(false);
  expect(engine.replaceSensors([sensorOf('s1', { retired: 'for_good' })], T0_MS)).toBe(false);
});
