import { describe, expect, test } from '@jest/globals';
import { configSchema } from '../../../src/config/schema/index.ts';
import { policiesSchema } from '../../../src/config/schema/policies.ts';
import { declaredPolicy } from '../../../src/core/policy/plan.ts';
import { planWith } from '../../support/policy-plan.ts';

/** The faults of a `policies` section as `path: message`. */
function faults(section: unknown): string[] {
  const parsed = policiesSchema.safeParse(section);
  return parsed.success
    ? []
    : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

const readings = (settings: object) => ({ hypertables: { sensor_readings: settings } });
const hourly = (refresh: object) => ({ aggregates: { sensor_hourly_agg: { refresh } } });
const daily = (refresh: object) => ({ aggregates: { sensor_daily_agg: { refresh } } });
const HOURLY = 'aggregates.sensor_hourly_agg.refresh.start_offset';
const DAILY = 'aggregates.sensor_daily_agg.refresh.start_offset';

test('the defaults are a plan that may be carried out, and part of the whole configuration', () => {
  expect(faults({})).toEqual([]);
  const { policies } = configSchema.parse({});
  expect(policies.repair).toBe('suggest');
  expect(policies.hypertables.sensor_readings.retention.after).toBe('90 days');
});

describe('the ordering rule, with its numbers', () => {
  test.each([
    [
      'readings later than any refresh reaches',
      { late_horizon: '4 days' },
      `${HOURLY}: 3 days must be at least the late_horizon of 4 days`,
    ],
    [
      'an aggregate that reaches less far than its source',
      daily({ start_offset: '60 hours' }),
      `${DAILY}: 60 hours must be at least the 3 days of sensor_hourly_agg`,
    ],
    [
      'a window of less than two buckets',
      daily({ start_offset: '36 hours' }),
      `${DAILY}: 36 hours less the end_offset`,
    ],
    [
      'a refresh that reads compressed chunks',
      daily({ start_offset: '7 days' }),
      `${DAILY}: 7 days must be less than the 7 days after which sensor_readings is compressed`,
    ],
    [
      'compression after retention',
      readings({ compression: { after: '90 days' } }),
      'hypertables.sensor_readings.compression.after: 90 days must be less than the 90 days of its retention',
    ],
    [
      'a refresh that reaches dropped rows',
      {
        ...readings({ compression: { enabled: false }, retention: { after: '3 days' } }),
        ...daily({ enabled: false }),
      },
      `${HOURLY}: 3 days and a bucket of 1 hour must not exceed the 3 days that sensor_readings is kept`,
    ],
    [
      'a daily refresh that reaches dropped hours',
      { aggregates: { sensor_hourly_agg: { retention: { after: '5 days' } } } },
      `${DAILY}: 5 days and a bucket of 1 day must not exceed the 5 days that sensor_hourly_agg is kept`,
    ],
    [
      'too many chunks',
      readings({ chunk_interval: '1 hour' }),
      'hypertables.sensor_readings.chunk_interval: 1 hour over a retention of 90 days makes 2160 chunks, more than 1500',
    ],
  ])('%s', (_, section, expected) => {
    expect(faults(section)).toEqual(expect.arrayContaining([expect.stringContaining(expected)]));
  });

  test('a plan that was changed as a whole is fine', () => {
    expect(
      faults({
        late_horizon: '10 days',
        ...readings({
          chunk_interval: '7 days',
          compression: { after: '30 days' },
          retention: { after: '1 year' },
        }),
        aggregates: {
          sensor_hourly_agg: { refresh: { start_offset: '10 days' }, retention: { after: '2 years' } },
          sensor_daily_agg: { refresh: { start_offset: '14 days' }, retention: { enabled: false } },
        },
      }),
    ).toEqual([]);
  });

  test('an aggregate that states no start_offset has that of the readings, as far as its source allows', () => {
    const startOf = (section: Record<string, unknown>, name: string) =>
      declaredPolicy(planWith(section), name, 'refresh')?.config['start_offset'];
    expect(startOf({}, 'sensor_metrics_hourly_agg')).toBe('3 days');
    expect(startOf({}, 'sensor_metrics_daily_agg')).toBe('5 days');
    const early = {
      hypertables: { sensor_metrics: { compression: { after: '2 days' }, retention: { after: '4 days' } } },
    };
    expect(faults(early)).toEqual([]);
    expect(startOf(early, 'sensor_metrics_hourly_agg')).toBe('47 hours');
    expect(startOf(early, 'sensor_metrics_daily_agg')).toBe('5 days');
    const earliest = { hypertables: { sensor_metrics: { compression: { after: '1 hour' } } } };
    expect(faults(earliest)).toEqual([]);
    expect(startOf(earliest, 'sensor_metrics_hourly_agg')).toBe('3 hours');
    const brief = {
      hypertables: { sensor_metrics: { compression: { enabled: false }, retention: { after: '2 days' } } },
    };
    expect(faults(brief)).toEqual([]);
    expect(startOf(brief, 'sensor_metrics_hourly_agg')).toBe('47 hours');
  });

  test('a start_offset of its own is checked like any other', () => {
    expect(
      faults({ aggregates: { sensor_metrics_hourly_agg: { refresh: { start_offset: '1 day' } } } }),
    ).toEqual([expect.stringContaining('1 day must be at least the late_horizon of 3 days')]);
  });

  test('without refresh there is nothing to reach too far', () => {
    expect(faults({ ...hourly({ enabled: false, start_offset: '1 year' }), ...readings({}) })).toEqual([]);
  });
});

test('intervals are checked one by one', () => {
  expect(faults(readings({ retention: { after: 'soon' } }))).toEqual([
    'hypertables.sensor_readings.retention.after: "soon" is no interval; write it like 10 minutes, 7 days or 1 year',
  ]);
  expect(faults(readings({ retention: { after: '5 minutes' } }))).toEqual([
    'hypertables.sensor_readings.retention.after: "5 minutes" is out of bounds: 1 hour to any',
  ]);
  expect(faults({ hypertables: { sensor_reading: {} } })).toHaveLength(1);
});
