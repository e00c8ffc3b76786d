import { describe, expect, test } from '@jest/globals';
import { type WatchedRoute, RECEIVED_AT, feed, metricsOf, plain, routerOf } from '../../support/routes.ts';

// The clauses D1 to D15 of the payload contract, each by its name.

const NOW_US = Date.parse(RECEIVED_AT) * 1000;
const us = (iso: string) => Date.parse(iso) * 1000;

/** The time of one JSON object on `sensors/n1`, or the reject code. */
function timeOf(payload: object | string, options: object = {}, message: WatchedRoute = {}): unknown {
  const router = routerOf([{ codec: 'json', topic: 'sensors/{device}', ...options }]);
  const text = typeof payload === 'string' ? payload : JSON.stringify({ v: 1, ...payload });
  const decoded = feed(router, { payload: text, ...message });
  return decoded.kind === 'reject' ? decoded.code : decoded.readings[0]?.timeUs;
}

function deviceOf(payload: object | string, options: object = {}): unknown {
  const router = routerOf([{ codec: 'json', topic: 'up', ...options }]);
  const text = typeof payload === 'string' ? payload : JSON.stringify({ v: 1, ...payload });
  const decoded = feed(router, { topic: 'up', payload: text });
  return decoded.kind === 'reject' ? decoded.code : decoded.readings[0]?.device;
}

function scalarOf(topic: string, message: WatchedRoute, options: object = {}): unknown {
  const router = routerOf([{ codec: 'scalar', topic: 's/{device}/{metric}', ...options }]);
  const decoded = feed(router, { topic, ...message });
  return decoded.kind === 'reject' ? decoded.code : Object.fromEntries(decoded.readings[0]!.metrics);
}

test('D1 the result depends on the message alone', () => {
  const router = routerOf([{ codec: 'json', topic: 'sensors/{device}' }]);
  const message = { payload: '{"temperature":1}' };
  expect(feed(router, message)).toEqual(feed(router, message));
  expect(plain(feed(router, message))).toEqual([{ device: 'n1', time: NOW_US, metrics: { temperature: 1 } }]);
});

describe('D2 canonical units, nothing clamped', () => {
  test.each([
    [{ temp_f: 212 }, { temperature: 100 }],
    [{ pressure_kpa: 101.3 }, { pressure: 1013 }],
    [{ pressure_pa: 101300 }, { pressure: 1013 }],
    [{ pressure_mbar: 1013 }, { pressure: 1013 }],
    [{ hum: 104.7 }, { humidity: 104.7 }],
    [{ battery_ok: 0.5 }, { battery: 50 }],
    [{ battery_mv: 2900 }, { battery_voltage: 2.9 }],
    [{ volt: '2.9' }, { battery_voltage: 2.9 }],
  ])('%j', (payload, metrics) => expect(metricsOf(payload)).toEqual(metrics));

  test.each([
    ['K', 300.15, 27],
    ['F', 32, 0],
    ['C', 21.5, 21.5],
  ])('temperature in %s', (unit, raw, wanted) => {
    const metrics = metricsOf({ t: raw }, { fields: { temperature: { path: '/t', unit } } });
    expect((metrics as { temperature: number }).temperature).toBeCloseTo(wanted, 9);
  });

  test.each([
    ['Pa', 101325],
    ['kPa', 101.325],
    ['mmHg', 760],
    ['inHg', 29.921255],
    ['psi', 14.6959488],
    ['mbar', 1013.25],
  ])('pressure in %s', (unit, raw) => {
    const metrics = metricsOf({ p: raw }, { fields: { pressure: { path: '/p', unit } } });
    expect((metrics as { pressure: number }).pressure).toBeCloseTo(1013.25, 3);
  });
});

describe('D3 extras', () => {
  test.each<[unknown, unknown]>([
    [{ a: { b: { c: 1 }, d: 2 } }, { a_b_c: 1, a_d: 2 }],
    [
      { a: [1, 2], b: { c: [3] }, d: 4 },
      { a_1: 1, a_2: 2, b_c_1: 3, d: 4 },
    ],
    [{ ['x'.repeat(128)]: 1 }, { ['x'.repeat(128)]: 1 }],
    [{ ['x'.repeat(129)]: 1 }, 'no_metrics'],
    [{ ['é'.repeat(128)]: 1 }, { ['é'.repeat(128)]: 1 }],
    [{ ['x'.repeat(100)]: { ['y'.repeat(100)]: 1 } }, 'no_metrics'],
    [{ 'a\u007fb': 1, 'a\u0085b': 2, c: 3 }, { c: 3 }],
    [{ '\ud800': 1 }, 'no_metrics'],
    [{ '': 1 }, 'no_metrics'],
    // Aliases are for the top level only.
    [{ bme: { temperature: 21 } }, { bme_temperature: 21 }],
    [{ temperature: { value: 21 } }, { temperature_value: 21 }],
  ])('%j', (payload, metrics) => expect(metricsOf(payload)).toEqual(metrics));

  test('extras: false keeps what is known', () => {
    expect(metricsOf({ temp: 1, x: 2, y: { z: 3 } }, { extras: false })).toEqual({ temperature: 1 });
  });
});

describe('D4 values', () => {
  test.each<[string, unknown]>([
    ['{"a":1e400,"b":1}', { b: 1 }],
    ['{"temperature":1e400}', 'no_metrics'],
    ['{"a":-0}', { a: 0 }],
    ['{"a":true,"b":false}', { a: 1, b: 0 }],
    ['{"temperature":true}', 'no_metrics'],
    ['{"temperature":" 21.5 "}', { temperature: 21.5 }],
    ['{"temperature":"+.5e1"}', { temperature: 5 }],
    ['{"temperature":""}', 'no_metrics'],
    ['{"temperature":"0x1F"}', 'no_metrics'],
    ['{"temperature":"1e400"}', 'no_metrics'],
    ['{"temperature":"NaN"}', 'no_metrics'],
    ['{"a":"21.5"}', 'no_metrics'],
    ['{"a":null,"temperature":null}', 'no_metrics'],
    ['{"a":18446744073709551615}', { a: 18446744073709552000 }],
    ['{"a":-9223372036854775808}', { a: -9223372036854775808 }],
    ['{"a":123456789012345678901234567890}', { a: 1.2345678901234568e29 }],
  ])('%s', (payload, metrics) => expect(metricsOf(payload)).toEqual(metrics));

  test('numeric strings count where the route maps them', () => {
    expect(metricsOf({ x: '5' }, { fields: { co2: { path: '/x' } } })).toEqual({ co2: 5 });
    expect(metricsOf({ x: '5' }, { metric_map: { x: 'co2' } })).toEqual({ co2: 5 });
  });

  test('what could not be used is counted', () => {
    const router = routerOf([
      { codec: 'json', topic: 'sensors/{device}', fields: { rssi: { min: -140, max: 0 } } },
    ]);
    const decoded = feed(router, {
      payload: '{"temperature":"warm","rssi":5,"humidity":null,"state":"on","b":1}',
    });
    expect(decoded).toMatchObject({ kind: 'readings', dropped: 2 });
  });
});

describe('D5 nothing left', () => {
  test.each(['{}', '[]', '{"state":"online"}', '42', '"x"', 'null', '[[1]]'])('%s', (payload) => {
    expect(metricsOf(payload)).toBe('no_metrics');
  });
  test.each(['nan', 'None', 'Infinity', '1,5', '0x10', '1 2', '21.5 C', '{"a":1}'])(
    'scalar %s',
    (payload) => {
      expect(scalarOf('s/n1/t', { payload })).toBe('not_a_number');
    },
  );
  test('a boolean scalar is a value of an extra only', () => {
    expect(scalarOf('s/n1/motion', { payload: 'true' })).toEqual({ motion: 1 });
    expect(scalarOf('s/n1/temp', { payload: 'true' })).toBe('not_a_number');
  });
});

describe('D6 time', () => {
  test.each<[string, unknown]>([
    ['{"v":1,"ts":1768478400}', NOW_US],
    ['{"v":1,"ts":1768478400123}', NOW_US + 123_000],
    ['{"v":1,"ts":1768478400123456}', NOW_US + 123_456],
    ['{"v":1,"ts":1768478400123456789}', NOW_US + 123_456],
    // As a double this one falls below the millisecond.
    ['{"v":1,"ts":1768478400123000000}', NOW_US + 123_000],
    ['{"v":1,"ts":"1768478400123456789"}', NOW_US + 123_456],
    ['{"v":1,"ts":" 1768478400.9999999 "}', NOW_US + 999_999],
    ['{"v":1,"ts":1768478400.62}', NOW_US + 620_000],
    ['{"v":1,"ts":1.7684784e9}', NOW_US],
    ['{"v":1,"time":"2026-01-15T12:00:00Z"}', NOW_US],
    ['{"v":1,"time":"2026-01-15 13:00:00.1234567+0100"}', NOW_US + 123_456],
    ['{"v":1,"time":"2026-01-15T06:30:00,5-05:30"}', NOW_US + 500_000],
    ['{"v":1,"time":"2026-01-15T12:00:00.9999999999Z"}', NOW_US + 999_999],
    ['{"v":1,"time":"2026-01-15T12:00"}', NOW_US],
    ['{"v":1,"time":"20260115T120000Z"}', NOW_US],
    ['{"v":1,"time":null,"timestamp":"","ts":1768478401}', NOW_US + 1_000_000],
    ['{"v":1,"time":1768478402,"ts":1768478401}', NOW_US + 2_000_000],
    ['{"v":1,"time":null}', NOW_US],
    ['{"v":1,"time":""}', NOW_US],
    ['{"v":1,"time":"yesterday"}', 'bad_time'],
    ['{"v":1,"time":true}', 'bad_time'],
    ['{"v":1,"time":{"s":1}}', 'bad_time'],
    ['{"v":1,"time":1e400}', 'bad_time'],
    ['{"v":1,"time":"2026-02-29T00:00:00Z"}', 'bad_time'],
    ['{"v":1,"time":"2026-01-15T24:00:00Z"}', 'bad_time'],
    ['{"v":1,"time":"2026-13-01T00:00:00Z"}', 'bad_time'],
    ['{"v":1,"time":"2026-01-15T12:00:00+25:00"}', 'bad_time'],
  ])('%s', (payload, wanted) => expect(timeOf(payload)).toBe(wanted));

  test.each<[object, object, unknown]>([
    [{ at: 1768478400 }, { path: '/at', unit: 's' }, NOW_US],
    [{ at: '1768478400500' }, { path: '/at', unit: 'ms' }, NOW_US + 500_000],
    [{ at: 1768478400 }, { path: '/at', unit: 'ms' }, 'time_out_of_range'],
    [{ at: 1768478400 }, { path: '/at', unit: 'iso' }, 'bad_time'],
    [{ at: '2026-01-15T12:00:00Z' }, { path: '/at', unit: 's' }, NOW_US],
    [{ at: 'noon' }, { path: '/at', unit: 's' }, 'bad_time'],
    [{ b: 1768478400 }, { path: ['/a', '/b'] }, NOW_US],
    [{ ts: 1 }, { path: '/at' }, NOW_US],
  ])('%j by %j', (payload, time, wanted) => expect(timeOf(payload, { time })).toBe(wanted));

  test.each([
    // Berlin, a gap at 2026-03-29T02:00 and a repeat at 2025-10-26T03:00; Lord Howe shifts by half an hour.
    ['Europe/Berlin', '2026-03-29T01:59:59', '2026-03-29T00:59:59Z'],
    ['Europe/Berlin', '2026-03-29T02:30:00', '2026-03-29T01:30:00Z'],
    ['Europe/Berlin', '2026-03-29T03:00:00', '2026-03-29T01:00:00Z'],
    ['Europe/Berlin', '2025-10-26T02:30:00', '2025-10-26T00:30:00Z'],
    ['Europe/Berlin', '2025-10-26T03:00:00', '2025-10-26T02:00:00Z'],
    ['Australia/Lord_Howe', '2026-04-05T01:45:00', '2026-04-04T14:45:00Z'],
    ['Australia/Lord_Howe', '2025-10-05T02:15:00', '2025-10-04T15:45:00Z'],
    ['Asia/Kathmandu', '2026-01-01T00:00:00', '2025-12-31T18:15:00Z'],
    ['America/New_York', '2025-03-09T02:30:00', '2025-03-09T07:30:00Z'],
    ['+05:30', '2026-01-01T00:00:00', '2025-12-31T18:30:00Z'],
    ['Pacific/Apia', '2019-04-07T03:30:00', '2019-04-06T13:30:00Z'],
  ])('%s %s', (timezone, time, wanted) => {
    expect(timeOf({ time }, { timezone }, { received_at: wanted })).toBe(us(wanted));
  });
});

describe('D7 the window', () => {
  const at = (offsetMs: number) => ({ ts: Date.parse(RECEIVED_AT) + offsetMs });
  const DAY = 86_400_000;
  test.each<[number, unknown]>([
    [-3650 * DAY, NOW_US - 3650 * DAY * 1000],
    [-3650 * DAY - 1, 'time_out_of_range'],
    [3_600_000, NOW_US + 3_600_000_000],
    [3_600_001, 'time_out_of_range'],
  ])('%d ms from the arrival', (offset, wanted) => expect(timeOf(at(offset))).toBe(wanted));

  test('by a clock that may be far behind, times that seem to be in the future are checked later', () => {
    const unknown = (payload: object, options: object = {}) => {
      const router = routerOf([{ codec: 'json', topic: 'sensors/{device}', ...options }]);
      const message = { topic: 'sensors/n1', payload: Buffer.from(JSON.stringify(payload)), retain: false };
      const decoded = router.decode({ ...message, receivedAtMs: 0, arrivalUs: 7, clockUnknown: true });
      return decoded.kind === 'reject' ? decoded.code : decoded.readings[0]?.timeUs;
    };
    expect(unknown({ v: 1, ts: NOW_US / 1000 })).toBe(NOW_US);
    expect(unknown({ v: 1, ts: '1901-01-01T00:00:00Z' })).toBe('time_out_of_range');
    // Its arrival gets the right time, and is right for this reading as well.
    expect(unknown({ v: 1, ts: NOW_US / 1000 }, { on_bad_time: 'received' })).toBe(7);
  });

  test('on_bad_time: received', () => {
    for (const time of ['1970-01-01T00:00:03', 'nonsense', 0, 1e400])
      expect(timeOf({ time }, { on_bad_time: 'received' })).toBe(NOW_US);
    // The arrival of a retained message says nothing about its value (D12).
    expect(timeOf({ time: 3 }, { on_bad_time: 'received' }, { retain: true })).toBe('retained_no_time');
  });
});

describe('D8 device', () => {
  test.each<[string, unknown]>([
    ['{"v":1}', 'no_device'],
    ['{"v":1,"id":7}', '7'],
    ['{"v":1,"id":"abc","mac":"m"}', 'abc'],
    ['{"v":1,"mac":"m","deviceId":"d"}', 'd'],
    ['{"v":1,"device":{"name":"x"},"id":"abc"}', 'abc'],
    ['{"v":1,"id":""}', 'no_device'],
    ['{"v":1,"id":null}', 'no_device'],
    ['{"v":1,"id":9007199254740992}', 'bad_device'],
    ['{"v":1,"id":-9007199254740993}', 'bad_device'],
    ['{"v":1,"id":1.5}', 'bad_device'],
    ['{"v":1,"id":"a\\u0000b"}', 'bad_device'],
    ['{"v":1,"id":"a\\ud800b"}', 'bad_device'],
    [`{"v":1,"id":"${'x'.repeat(256)}"}`, 'x'.repeat(256)],
    [`{"v":1,"id":"${'x'.repeat(257)}"}`, 'bad_device'],
    [`{"v":1,"id":"${'é'.repeat(129)}"}`, 'bad_device'],
  ])('%s', (payload, wanted) => expect(deviceOf(payload)).toBe(wanted));

  test('the usual keys are never metrics', () => {
    expect(metricsOf({ id: 5, sensor: 3, mac: 1, temperature: 2 })).toEqual({ temperature: 2 });
  });

  test('templates and paths', () => {
    const payload = { meta: { id: 'a7' } };
    expect(deviceOf(payload, { device_path: '/meta/id' })).toBe('a7');
    expect(deviceOf(payload, { device_path: '/meta/none' })).toBe('no_device');
    expect(deviceOf(payload, { device_path: '/meta' })).toBe('bad_device');
    expect(deviceOf(payload, { device: 'fixed' })).toBe('fixed');
    const router = routerOf([
      { codec: 'json', topic: 's/{location}/{device}', device: '{location}/{device}' },
    ]);
    expect(plain(feed(router, { topic: 's/lab/7', payload: '{"v":1}' }))).toMatchObject([
      { device: 'lab/7' },
    ]);
    expect(plain(feed(router, { topic: 's/lab/', payload: '{"v":1}' }))).toBe('no_device');
    expect(plain(feed(router, { topic: 's/lab/a\u0001', payload: '{"v":1}' }))).toBe('bad_device');
  });
});

describe('D9 hostile keys and limits', () => {
  test('keys that reach a prototype', () => {
    const payload =
      '{"constructor":1,"prototype":{"a":1},"__proto__":{"b":1},"x":{"__proto__":2,"y":3},"_":{"proto__":1}}';
    expect(metricsOf(payload)).toEqual({ x_y: 3 });
    expect(({} as Record<string, unknown>)['b']).toBeUndefined();
    expect(metricsOf({ v: 1 }, { fields: { co2: { path: '/constructor/length' } } })).toEqual({ v: 1 });
  });

  const router = routerOf([{ codec: 'json', topic: 'sensors/{device}' }], {
    max_payload: '64KiB',
    max_metrics: 3,
  });
  test.each<[string, WatchedRoute, string]>([
    ['too_large', { payload_gen: { prefix: '{"a":"', unit: 'x', count: 65_536, suffix: '"}' } }, 'too_large'],
    ['too_deep', { payload_gen: { unit: '[', count: 33, mirror: ']' } }, 'too_deep'],
    ['deep enough', { payload_gen: { unit: '[', count: 32, mirror: ']' } }, 'no_metrics'],
    [
      'brackets in text',
      { payload_gen: { prefix: '{"s":"\\"', unit: '[', count: 999, suffix: '"}' } },
      'no_metrics',
    ],
    ['open end', { payload_gen: { unit: '[', count: 60_000 } }, 'too_deep'],
    ['max_metrics', { payload: '{"a":1,"b":1,"c":1,"d":1}' }, 'too_large'],
    [
      'max_readings',
      { payload_gen: { prefix: '[', unit: '1', join: ',', count: 10_001, suffix: ']' } },
      'too_many_readings',
    ],
  ])('%s', (_, message, code) => expect(plain(feed(router, message))).toBe(code));
});

describe('D10 text', () => {
  test.each<[string, unknown]>([
    ['efbbbf7b2261223a317d', { a: 1 }],
    ['7b2261223a317d000000', { a: 1 }],
    ['7b2261223a317d0a00', { a: 1 }],
    ['7b22c0af223a317d', 'invalid_utf8'],
    ['7b22eda080223a317d', 'invalid_utf8'],
  ])('%s', (payload_hex, wanted) => expect(metricsOf(undefined, {}, { payload_hex })).toEqual(wanted));
});

test.each(['', ' ', '\n\t ', '\u0000', '\ufeff'])('D11 empty payload %j', (payload) => {
  expect(metricsOf(payload)).toBe('empty_payload');
  expect(scalarOf('s/n1/t', { payload })).toBe('empty_payload');
});

describe('D12 retained', () => {
  const withTime = '{"ts":1768478400,"v":1}';
  test.each<[object, string, unknown]>([
    [{}, '{"v":1}', 'retained_no_time'],
    [{}, withTime, { v: 1 }],
    [{ retained: 'ignore' }, '{"v":1}', 'retained_no_time'],
    [{ retained: 'ignore' }, withTime, 'ignored'],
    [{ retained: 'accept' }, '{"v":1}', { v: 1 }],
    [{ retained: 'accept' }, withTime, { v: 1 }],
  ])('%j %s', (options, payload, wanted) =>
    expect(metricsOf(payload, options, { retain: true })).toEqual(wanted),
  );
});

describe('D13 batches', () => {
  test('the first record speaks for all', () => {
    expect(metricsOf('[{"ts":"x","v":1},{"v":"y"},5]')).toBe('bad_time');
    expect(metricsOf('[5,{"ts":"x","v":1}]')).toBe('no_metrics');
  });
  test('bad ones are counted', () => {
    const router = routerOf([{ codec: 'json', topic: 'sensors/{device}' }]);
    const decoded = feed(router, { payload: '[{"v":1},null,{"ts":"bad","v":2},[3]]' });
    expect(decoded).toMatchObject({ kind: 'readings', dropped: 3 });
  });
});

test('D14 the same device and time merge, later wins', () => {
  const payload = '[{"ts":1768478400,"a":1,"b":1},{"ts":1768478401,"a":9},{"ts":1768478400,"b":2,"c":3}]';
  expect(metricsOf(payload)).toEqual([
    { device: 'n1', time: NOW_US, metrics: { a: 1, b: 2, c: 3 } },
    { device: 'n1', time: NOW_US + 1_000_000, metrics: { a: 9 } },
  ]);
});

test('D15 ignored and unmatched', () => {
  const router = routerOf([
    { codec: 'json', topic: 'a/#', ignore: ['a/status', 'a/+/set'], device: 'x' },
    { codec: 'json', topic: '#', device: 'y' },
  ]);
  expect(plain(feed(router, { topic: 'a/status', payload: '{"v":1}' }))).toBe('ignored');
  expect(plain(feed(router, { topic: 'a/b/set', payload: '' }))).toBe('ignored');
  expect(plain(feed(router, { topic: 'b', payload: '{"v":1}' }))).toMatchObject([{ device: 'y' }]);
  expect(plain(feed(router, { topic: '$SYS/b', payload: '{"v":1}' }))).toBe('no_match');
  expect(router.filters).toEqual(['#']);
});

describe('aliases', () => {
  test.each<[object, unknown]>([
    [
      { Temperature: 1, HUM: 2, Pres: 3, Batt: 4, RSSI: -5 },
      { temperature: 1, humidity: 2, pressure: 3, battery: 4, rssi: -5 },
    ],
    [{ tempf: 212, tempc: 99 }, { temperature: 99 }],
    [{ temp: 1, temperature: 2 }, { temperature: 2 }],
    [{ temperature: null, temp: 1 }, { temperature: 1 }],
    [{ volt: 3, battery_voltage: 2 }, { battery_voltage: 2 }],
    [{ relativeHumidity: 1 }, { humidity: 1 }],
    [{ barometric_pressure: 1000 }, { pressure: 1000 }],
  ])('%j', (payload, metrics) => expect(metricsOf(payload)).toEqual(metrics));
});

describe('mapping', () => {
  test('items, with device and time from around them', () => {
    const router = routerOf([{ codec: 'json', topic: 'gw/+', items: '/records' }]);
    const payload = '{"mac":"m","ts":1768478400,"records":[{"t":1},{"id":"x","ts":1768478401,"t":2}]}';
    expect(plain(feed(router, { topic: 'gw/1', payload }))).toEqual([
      { device: 'm', time: NOW_US, metrics: { t: 1 } },
      { device: 'x', time: NOW_US + 1_000_000, metrics: { t: 2 } },
    ]);
  });

  test('pivot', () => {
    const router = routerOf([
      {
        codec: 'json',
        topic: 'gw/{gateway}/batch',
        items: '/records',
        device_path: '/mac',
        time: { path: '/at', unit: 's' },
        pivot: { items: '/values', name: '/n', value: '/v' },
      },
    ]);
    const payload =
      '{"records":[{"mac":"m","at":1768478400,"values":[{"n":"temp","v":21},{"n":"co2","v":400},{"n":"__proto__","v":1},7]}]}';
    expect(plain(feed(router, { topic: 'gw/1/batch', payload }))).toEqual([
      { device: 'm', time: NOW_US, metrics: { temperature: 21, co2: 400 } },
    ]);
  });

  test('where', () => {
    const options = { where: { '/type': ['report', 'periodic'], '/port': 2 } };
    expect(metricsOf({ type: 'periodic', port: 2, v: 1 }, options)).toEqual({ port: 2, v: 1 });
    expect(metricsOf({ type: 'boot', port: 2, v: 1 }, options)).toBe('ignored');
    expect(metricsOf({ port: 2, v: 1 }, options)).toBe('ignored');
  });

  test('fields take their place out of the extras', () => {
    const fields = { rssi: { path: '/radio/rssi', min: -140, max: 0 }, humidity: '/h' };
    expect(metricsOf({ radio: { rssi: -50, snr: 7 }, h: 3, rssi: -1 }, { fields })).toEqual({
      rssi: -50,
      radio_snr: 7,
      humidity: 3,
    });
    expect(metricsOf({ radio: { rssi: 5 }, h: '4' }, { fields })).toEqual({ humidity: 4 });
  });

  test('a field without a path describes the metric wherever it is', () => {
    expect(metricsOf({ temp: 212 }, { fields: { temperature: { unit: 'F' } } })).toEqual({
      temperature: 100,
    });
    expect(metricsOf({ temp: 300, v: 1 }, { fields: { temperature: { max: 100 } } })).toEqual({ v: 1 });
    expect(scalarOf('s/n1/temp', { payload: '212' }, { fields: { temperature: { unit: 'F' } } })).toEqual({
      temperature: 100,
    });
  });

  test('scalar names', () => {
    const options = { metric_map: { temp: 'temperature', brightness: 'illuminance' } };
    expect(scalarOf('s/n1/brightness', { payload: '3' }, options)).toEqual({ illuminance: 3 });
    expect(scalarOf('s/n1/tempf', { payload: '212' })).toEqual({ temperature: 100 });
    expect(scalarOf('s/n1/__proto__', { payload: '1' })).toBe('no_metrics');
    expect(scalarOf('s/n1/id', { payload: '1' })).toEqual({ id: 1 });
    expect(scalarOf('s/n1/', { payload: '1' })).toBe('no_metrics');
  });
});
