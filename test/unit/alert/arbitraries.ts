import fc from '../../support/fast-check.ts';
import type { Silence } from '../../../src/core/alert/suppress/silence.ts';
import { type Given, T0_MS, rulesOf, sensorOf } from './support.ts';

// Random timelines, late and repeated readings among them, under random rules.

export const rule = fc.record(
  {
    hysteresis: fc.constantFrom(0, 1, 3),
    for: fc.constantFrom('0s', '1m', '4m'),
    for_mode: fc.constantFrom('confirmed', 'held'),
    min_samples: fc.constantFrom(1, 3, 4),
    keep_firing_for: fc.constantFrom('0s', '2m'),
    levels: fc.constantFrom(
      [],
      [{ severity: 'critical', max: 34 }],
      [{ severity: 'critical', max: 33, for: '2m' }],
    ),
    min: fc.constantFrom(10, 24),
    max_rise: fc.constantFrom(2, 5),
    max_fall: fc.constantFrom(2, 5),
    anomaly: fc.constantFrom({ z: 2, window: 4 }, { z: 1, window: 6 }),
    max_mean: fc.constantFrom(32, 34),
    min_mean: fc.constantFrom(20, 22),
    max_spread: fc.constantFrom(1, 4),
    window: fc.constantFrom('1m', '4m', '20m'),
    latch: fc.constant(true),
  },
  { requiredKeys: [] },
);
const timed = fc.record(
  {
    allowed_lateness: fc.constantFrom('0s', '1m', '2m'),
    backfill_after: fc.constantFrom('1s', '1m', '10m'),
    defaults: fc.record(
      { no_data_after: fc.constantFrom('3m', '10m'), repeat_interval: fc.constantFrom('2m', '7m') },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
);
/** What suppresses alerts. The timelines begin at 00:16 and mostly end within the next hour. */
export const suppressing = fc.record(
  {
    inhibit: fc.constantFrom(
      [{ source: { sensor: 's1' }, target: { sensor: 's2' } }],
      [{ source: { severity: 'critical' }, target: {}, equal: ['metric'] }],
    ),
    maintenance: fc.constantFrom(
      [{ match: {}, window: '00:20-00:30' }],
      [{ match: { sensor: 's2' }, window: '00:00-00:25' }],
    ),
  },
  { requiredKeys: [] },
);
export const silences = fc
  .array(
    fc.record({
      match: fc.constantFrom({ sensor: 's1' }, { severity: 'warning' }, { alert_type: '*_high' }),
      from: fc.constantFrom(0, 1100, 1500),
      for: fc.constantFrom(60, 400, 3000),
    }),
    { maxLength: 2 },
  )
  .map((all): Silence[] =>
    all.map((each, index) => ({
      id: String(index),
      matchers: each.match,
      startsMs: T0_MS + each.from * 1000,
      endsMs: T0_MS + (each.from + each.for) * 1000,
      by: 'ann',
      comment: '',
    })),
  );
/** Also what goes by the receive clock, of which a new process knows nothing. */
export const timedRules = fc
  .tuple(rule, timed, fc.constantFrom({}, { flap: { changes: 4, window: '10m', hold: '5m' } }), suppressing)
  .map(([fields, times, flap, suppress]) =>
    rulesOf({ ...times, ...flap, ...suppress, metrics: { temperature: { max: 30, ...fields } } }),
  );
/** Without inhibition, reminders, and what is history: those go by when something is noticed. */
export const recentRules = fc
  .tuple(
    rule,
    fc.record(
      {
        allowed_lateness: fc.constantFrom('0s', '1m', '2m'),
        defaults: fc.record({ no_data_after: fc.constantFrom('3m', '10m') }, { requiredKeys: [] }),
        flap: fc.constant({ changes: 4, window: '10m', hold: '5m' }),
      },
      { requiredKeys: [] },
    ),
    suppressing,
  )
  .map(([fields, times, { maintenance = [] }]) =>
    rulesOf({
      ...times,
      maintenance,
      backfill_after: '7d',
      metrics: { temperature: { max: 30, ...fields } },
    }),
  );
/** Seconds after T0. */
export const ticks = fc.array(fc.integer({ min: 900, max: 7000 }), { maxLength: 30 });
export const rules = fc
  .tuple(rule, fc.constantFrom(undefined, { changes: 4, window: '10m', hold: '5m' }))
  .map(([fields, flap]) => {
    const metrics = { temperature: { max: 30, ...fields } };
    return rulesOf(flap === undefined ? { metrics } : { metrics, flap });
  });

export const sensors = [sensorOf('s1'), sensorOf('s2')];
const given = fc.record({
  afterS: fc.constantFrom(0, 30, 60, 60, 60, 120, 900),
  late: fc.constantFrom(0, 0, 0, 0, 90),
  // Mostly runs around the limit: delays and streaks need several breaches in a row.
  value: fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 30, max: 36 }) },
    fc.integer({ min: 20, max: 31 }),
  ),
  sensor: fc.constantFrom(...sensors),
});
export const timeline = fc.array(given, { maxLength: 60 }).map((steps): Given[] => {
  let now = 1000;
  return steps.map(({ afterS, late, value, sensor }) => {
    now += afterS;
    return { at: now - late, rx: now, value, sensor };
  });
});
