import { expect, test } from '@jest/globals';
import { sensorRules } from '../../../src/cli/sensors/rules.ts';
import { alertsSchema } from '../../../src/config/schema/alerts.ts';
import { parseDuration } from '../../../src/core/duration.ts';
import * as z from '../../../src/core/schema/zod.ts';
import { kindFields } from '../../../src/core/alert/kind/index.ts';
import { commonFields } from '../../../src/core/alert/rules/common-fields.ts';

const sensor = { id: 1, key: 'coldroom-07', type: null, location: null, tags: [] };

function shown(rule: object): Readonly<Record<string, unknown>> {
  const config = alertsSchema.parse({ metrics: { temperature: rule } });
  const fields = sensorRules(config, sensor, ['temperature']);
  return Object.fromEntries(fields.map(({ field, value }) => [field, value]));
}

test('every duration of a rule is shown as it is written', () => {
  const durations = Object.entries({ ...commonFields, ...kindFields }).flatMap(([field, schema]) => {
    // Whatever takes 1h and makes milliseconds of it.
    const { success, data } = z.safeParse(schema as z.ZodType, '1h');
    return success && data === parseDuration('1h') ? [field] : [];
  });
  expect(durations).toEqual(expect.arrayContaining(['for', 'no_data_after', 'window']));
  const written = Object.fromEntries(durations.map((field) => [field, '1h30m']));
  expect(shown({ max_mean: 8, ...written })).toMatchObject(written);
});

test('a duration within a field, too; numbers that are none stay as they are', () => {
  const levels = [{ severity: 'critical', max: 12, for: '10m' }];
  const anomaly = { z: 3, window: 60, hysteresis: 0 };
  expect(shown({ max: 8, levels, anomaly })).toMatchObject({ max: 8, levels, anomaly });
});
