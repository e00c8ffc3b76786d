import { describe, expect, test } from '@jest/globals';
import { limitsSchema, routesSchema, timeWindowSchema } from '../../../src/config/schema/routes.ts';

/** `path: message` of every fault. */
function faults(route: unknown): string[] {
  const parsed = routesSchema.safeParse([route]);
  return parsed.success
    ? []
    : parsed.error.issues.map(({ path, message }) => `${path.slice(1).join('.')}: ${message}`);
}

const base = { codec: 'json', topic: 'sensors/{device}' };

describe('routes', () => {
  test('all keys of the guide', () => {
    const route = {
      topic: 'sensors/{location}/{device}/readings',
      codec: 'json',
      compression: 'auto',
      device: '{location}/{device}',
      time: { path: '/ts', unit: 'ms' },
      fields: {
        temperature: { path: '/t', unit: 'F' },
        battery: { path: '/vbat', linear: { from: [2, 3], to: [0, 100] } },
        rssi: { path: '/radio/rssi', min: -140, max: 0 },
        co2: '/co2',
      },
      extras: false,
      where: { '/type': ['report', 'periodic'] },
    };
    expect(faults(route)).toEqual([]);
    expect(routesSchema.parse([route])[0]?.fields?.['co2']).toEqual({ path: '/co2' });
  });

  test.each<[object, string, RegExp]>([
    [{ topic: 'a/#/b' }, 'topic', /# must be the last level/],
    [{ topic: ['a', 'b+'] }, 'topic.1', /alone/],
    [{ topic: undefined }, 'topic', /needs a topic/],
    [{ device: '{room}' }, 'device', /\{room\} is no segment/],
    [{ codec: 'scalar' }, 'topic', /needs its metric/],
    [{ codec: 'xml' }, 'codec', /known are json, scalar/],
    [{ preset: 'zigbee3' }, 'preset', /is no preset; known are json/],
    [{ preset: 'shelly' }, 'preset', /is no preset; did you mean "shelly-gen2" or "shelly-gen1"\?/],
    [{ timezone: 'Europe/Berlim' }, 'timezone', /no known time zone/],
    [{ time: { path: '/a', timezone: 'x' } }, 'time.timezone', /no known time zone/],
    [{ time: { path: 'ts' } }, 'time.path', /no JSON Pointer/],
    [{ device_path: 'id' }, 'device_path', /no JSON Pointer/],
    [{ fields: { t: { path: 't' } } }, 'fields.t.path', /no JSON Pointer/],
    [{ fields: { t: { linear: { from: [1, 1], to: [0, 1] } } } }, 'fields.t.linear.from', /differ/],
    [{ fields: { t: { min: 2, max: 1 } } }, 'fields.t.min', /above max/],
    [{ where: { type: 'x' } }, 'where.type', /no JSON Pointer/],
    [{ encoding: 'cbor' }, 'encoding', /one encoding only/],
    [{ preset: 'senml', codec: 'senml', encoding: 'xml' }, 'encoding', /known are json, cbor/],
    [{ ignore: ['a/{'] }, 'ignore.0', /named segment/],
    [{ metrics_path: '/a', pivot: { items: '', name: '/n', value: '/v' } }, 'pivot', /exclude/],
  ])('%j', (change, path, message) => {
    const found = faults({ ...base, ...change });
    expect(found).toHaveLength(1);
    expect(found[0]?.split(': ')[0]).toBe(path);
    expect(found[0]).toMatch(message);
  });

  test('several faults of one route are reported together, unknown keys too', () => {
    const found = faults({ ...base, topic: 'a/{', timezone: 'x', tpoic: 1 });
    expect(found).toHaveLength(3);
  });
});

test('limits and window have defaults', () => {
  expect(limitsSchema.parse(undefined)).toEqual({
    max_payload: 512 * 1024,
    max_decompressed: 512 * 1024,
    max_depth: 32,
    max_readings: 10_000,
    max_metrics: 256,
  });
  expect(timeWindowSchema.parse(undefined)).toEqual({ max_past: 3650 * 86_400_000, max_future: 3_600_000 });
  expect(limitsSchema.parse({ max_payload: '64KiB' }).max_payload).toBe(65_536);
});
