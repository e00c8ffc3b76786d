import { describe, expect, test } from '@jest/globals';
import { feed, routerOf } from '../../support/routes.ts';

/** Metrics and the number of dropped values, or the reject code. */
function decodeWith(route: object, device: string, payload: object): unknown {
  const decoded = feed(routerOf([route]), { topic: device, payload: JSON.stringify(payload) });
  if (decoded.kind === 'reject') return decoded.code;
  return { metrics: Object.fromEntries(decoded.readings[0]?.metrics ?? []), dropped: decoded.dropped };
}

describe('plausibility of the canonical columns', () => {
  test.each([
    [{ temperature: 1.6e308, humidity: 40 }, { humidity: 40 }, 1],
    [{ temperature: -1e9, humidity: 1e9 }, { temperature: -1e9, humidity: 1e9 }, 0],
    [{ pressure: 1_000_000_001, battery: 4 }, { battery: 4 }, 1],
    [{ rssi: -61.5, battery: 4 }, { rssi: -61, battery: 4 }, 0],
    [{ rssi: -0.4, battery: 4 }, { rssi: 0, battery: 4 }, 0],
    [{ rssi: 3e9, battery: 4 }, { battery: 4 }, 1],
    // Not a canonical column: no sum of all sensors is made of it.
    [{ energy: 1.6e308, battery: 4 }, { energy: 1.6e308, battery: 4 }, 0],
  ])('%j is %j', (payload, metrics, dropped) => {
    expect(decodeWith({ topic: '{device}', codec: 'json' }, 'a', payload)).toEqual({ metrics, dropped });
  });

  test('a route states its own bounds', () => {
    const route = {
      topic: '{device}',
      codec: 'json',
      fields: { pressure: { max: 1e12 }, temperature: { max: 60 } },
    };
    expect(decodeWith(route, 'a', { pressure: 2e9, temperature: 61 })).toEqual({
      metrics: { pressure: 2e9 },
      dropped: 1,
    });
  });

  test.each([
    [{ max: 60 }, -2e9, 1],
    [{ min: -40 }, 1.6e308, 1],
    [{ min: -40 }, 1e9, 0],
    [{ min: 2e9, max: 3e9 }, 2.5e9, 0],
    [{ min: 2e9 }, 2.5e9, 0],
    [{ unit: 'C' }, 1.6e308, 1],
    [{ max: 1e308 }, 1.6e307, 1],
    [{ max: 1e308 }, 1e100, 0],
  ])('a bound on one side, %j, leaves the other as it is: %d drops %d', (temperature, value, dropped) => {
    const route = { topic: '{device}', codec: 'json', fields: { temperature } };
    const metrics = dropped === 0 ? { temperature: value } : {};
    expect(decodeWith(route, 'a', { temperature: value, battery: 4 })).toEqual({
      metrics: { ...metrics, battery: 4 },
      dropped,
    });
  });

  test('a reading of which nothing is believable is a dead letter', () => {
    expect(decodeWith({ topic: '{device}', codec: 'json' }, 'a', { temperature: 1e300 })).toBe('no_metrics');
  });
});
