import { describe, expect, test } from '@jest/globals';
import { decodeOne } from '../../../src/cli/decode/decode.ts';
import { limitsSchema } from '../../../src/config/schema/routes.ts';
import { type WatchedRoute, RECEIVED_AT, feed, plain, routerOf } from '../../support/routes.ts';

const NOW_US = Date.parse(RECEIVED_AT) * 1000;
const NOW_MS = NOW_US / 1000;

const read = (route: object, message: WatchedRoute): unknown => plain(feed(routerOf([route]), message));
const json = (topic: string, payload: unknown): WatchedRoute => ({ topic, payload: JSON.stringify(payload) });

describe('the topic names the metric, the payload holds its value', () => {
  const zwave = { topic: 'zwave/{location}/{device}/{class}/{endpoint}/{metric}' };
  const iobroker = { topic: 'iobroker/{adapter}/{instance}/{device}/{metric...}' };
  const smarthome = { topic: '{system}/status/{device}/{metric}' };
  const victron = {
    topic: 'N/{portal}/{service}/{instance}/{metric...}',
    device: '{portal}/{service}/{instance}',
  };

  test.each<[string, object, WatchedRoute, unknown]>([
    [
      'Victron',
      victron,
      json('N/c0/solarcharger/42/Yield/Power', { value: 1101.78, max: 2000, min: 0 }),
      [{ device: 'c0/solarcharger/42', time: NOW_US, metrics: { 'Yield/Power': 1101.78 } }],
    ],
    ['Victron, unplugged', victron, json('N/c0/battery/277/Dc/0/Temperature', { value: null }), 'ignored'],
    [
      'zwave-js-ui',
      zwave,
      json('zwave/hall/n5/49/0/temperature', { time: NOW_MS - 1000, value: '21.5', nodeName: 'n5' }),
      [{ device: 'n5', time: NOW_US - 1_000_000, metrics: { temperature: 21.5 } }],
    ],
    [
      'zwave-js-ui, a value of several parts',
      zwave,
      json('zwave/hall/n5/51/0/colour', { time: NOW_MS, value: { red: 1, green: 2 } }),
      [{ device: 'n5', time: NOW_US, metrics: { colour_red: 1, colour_green: 2 } }],
    ],
    [
      'ioBroker',
      iobroker,
      json('iobroker/hm-rpc/0/ABC/1/HUMIDITY', {
        val: 45,
        ack: true,
        ts: NOW_MS - 2000,
        q: 0,
        from: 'system.adapter.hm-rpc.0',
        lc: NOW_MS - 9000,
      }),
      [{ device: 'ABC', time: NOW_US - 2_000_000, metrics: { '1/HUMIDITY': 45 } }],
    ],
    [
      'mqtt-smarthome',
      smarthome,
      json('knx/status/kitchen/temp', { val: 21.5, ts: NOW_MS / 1000, lc: NOW_MS / 1000 - 60 }),
      [{ device: 'kitchen', time: NOW_US, metrics: { temperature: 21.5 } }],
    ],
    [
      'mqtt-smarthome, a switch',
      smarthome,
      json('knx/status/kitchen/light', { val: true, ts: NOW_MS / 1000 }),
      [{ device: 'kitchen', time: NOW_US, metrics: { light: 1 } }],
    ],
    [
      'a bare number as JSON',
      smarthome,
      json('knx/status/kitchen/power', 61.5),
      [{ device: 'kitchen', time: NOW_US, metrics: { power: 61.5 } }],
    ],
    [
      'a path of its own, and the battery beside it',
      { topic: 'x/{device}/{metric}', value_path: '/reading/now' },
      json('x/n1/co2', { reading: { now: 412, unit: 'ppm' }, battery: 87 }),
      [{ device: 'n1', time: NOW_US, metrics: { co2: 412, battery: 87 } }],
    ],
    [
      'the route names it',
      { topic: 'x/{device}', metric: 'level' },
      json('x/n1', { Value: 3 }),
      [{ device: 'n1', time: NOW_US, metrics: { level: 3 } }],
    ],
    [
      'no value: metrics by key, as ever',
      { topic: 'x/{device}/{metric}' },
      json('x/n1/data', { temperature: 3 }),
      [{ device: 'n1', time: NOW_US, metrics: { temperature: 3 } }],
    ],
    ['text', zwave, json('zwave/hall/n5/113/0/state', { time: NOW_MS, value: 'idle' }), 'not_a_number'],
  ])('%s', (_, route, message, wanted) => expect(read(route, message)).toEqual(wanted));

  test('value_path without a metric is a fault', () => {
    expect(() => routerOf([{ topic: 'x/{device}', value_path: '/v' }])).toThrow(/metric/);
  });
});

describe('pairs', () => {
  test('Siemens: each with its own time, bad quality left out', () => {
    const route = {
      topic: 'ie/d/{device}/r',
      pivot: { items: '/vals', name: '/id', value: '/val' },
      where: { '/qc': 3 },
    };
    const vals = [
      { id: '101', qc: 3, ts: '2026-01-15T11:59:58.100Z', val: 123 },
      { id: '102', qc: 0, ts: '2026-01-15T11:59:58.100Z', val: 7 },
      { id: '103', qc: 3, ts: '2026-01-15T11:59:59.000Z', val: 21.5 },
    ];
    expect(read(route, json('ie/d/s7c1/r', { seq: 1, vals }))).toEqual([
      { device: 's7c1', time: NOW_US - 1_900_000, metrics: { '101': 123 } },
      { device: 's7c1', time: NOW_US - 1_000_000, metrics: { '103': 21.5 } },
    ]);
  });

  test('tags that are numbers, and a pair that names its device', () => {
    const route = { topic: 't', pivot: { items: '/tags', name: '/id', value: '/v' }, device_path: '/unit' };
    const tags = [
      { id: 1, v: 5, unit: 'a' },
      { id: 2, v: 6, unit: 'b' },
      { id: 3, v: 7, unit: 'a' },
    ];
    expect(read(route, json('t', { tags }))).toEqual([
      { device: 'a', time: NOW_US, metrics: { '1': 5, '3': 7 } },
      { device: 'b', time: NOW_US, metrics: { '2': 6 } },
    ]);
  });

  test('the name of a metric is no device, whatever its key', () => {
    const pivot = { items: '', name: '/id', value: '/v' };
    expect(read({ topic: 't', pivot }, json('t', [{ id: 'temp', v: 5 }]))).toBe('no_device');
    expect(read({ topic: 't', pivot }, json('t', [{ id: 'temp', v: 5, device: 'd' }]))).toEqual([
      { device: 'd', time: NOW_US, metrics: { temperature: 5 } },
    ]);
    const inside = { items: '/values', name: '/id', value: '/v' };
    const payload = { values: [{ id: 'temp', v: 5, t: NOW_MS }] };
    expect(read({ topic: 't', pivot: inside, time: { path: '/t' } }, json('t', payload))).toBe('no_device');
  });

  test('names such as id and time are metrics here, and repetitions are counted', () => {
    const route = { topic: 't/{device}', pivot: { items: '/m', name: '/n', value: '/v' } };
    const m = [
      { n: 'id', v: 1 },
      { n: 'time', v: 2 },
      { n: 'x', v: 3 },
      { n: 'x', v: 4 },
      { n: 'p', v: [1, 2] },
      { v: 9 },
    ];
    const result = feed(routerOf([route]), json('t/d', { m }));
    expect(plain(result)).toEqual([
      { device: 'd', time: NOW_US, metrics: { id: 1, time: 2, x: 4, p_1: 1, p_2: 2 } },
    ]);
    expect(result).toMatchObject({ ambiguous: 1, dropped: 1 });
  });

  test('a root array of pairs is one reading where they share the time', () => {
    const route = { topic: '{site}/{device}/data', pivot: { items: '', name: '/name', value: '/value' } };
    const pairs = [
      { channel: 0, type: 2, name: 'analog_in', value: 3.03 },
      { channel: 1, type: 103, name: 'temperature', value: 20.3 },
    ];
    expect(read(route, json('Casa01/W01/data', pairs))).toEqual([
      { device: 'W01', time: NOW_US, metrics: { analog_in: 3.03, temperature: 20.3 } },
    ]);
  });
});

describe('a root array of pairs is known by its members', () => {
  const decoded = (payload: unknown, route: object = { topic: 'gw/{device}' }) => {
    const result = feed(routerOf([route]), json('gw/d1', payload));
    const { dropped, ambiguous = 0 } = result.kind === 'reject' ? { dropped: 0 } : result;
    return { readings: plain(result), lost: dropped + ambiguous };
  };
  const one = (metrics: object, device = 'd1', time = NOW_US) => ({
    readings: [{ device, time, metrics }],
    lost: 0,
  });

  test.each<[string, unknown, unknown]>([
    [
      'name, value',
      [
        { name: 'T', value: 1 },
        { name: 'H', value: 2 },
      ],
      one({ T: 1, H: 2 }),
    ],
    [
      'key, val',
      [
        { key: 'T', val: 1 },
        { key: 'H', val: 2 },
      ],
      one({ T: 1, H: 2 }),
    ],
    [
      'id, v',
      [
        { id: 'T', v: 1 },
        { id: 'H', v: 2 },
      ],
      one({ T: 1, H: 2 }),
    ],
    ['n, v, of one pair', [{ n: 'temp', v: 21.5, u: 'Cel' }], one({ temperature: 21.5 })],
    [
      'metric, value; a record of a word and one of null are set aside',
      [
        { metric: 'T', value: 1, unit: 'C' },
        { metric: 'state', value: 'on' },
        { metric: 'H', value: null },
      ],
      { ...one({ T: 1 }), lost: 2 },
    ],
    [
      'tag, val, ts',
      [
        { tag: 'T', val: 1, ts: NOW_MS - 1000, q: 192 },
        { tag: 'H', val: 2, ts: NOW_MS - 1000, q: 192 },
      ],
      one({ T: 1, H: 2 }, 'd1', NOW_US - 1_000_000),
    ],
    [
      'type, where all of them are quantities',
      [
        { type: 'temperature', value: 21.5 },
        { type: 'humidity', value: 40 },
      ],
      one({ temperature: 21.5, humidity: 40 }),
    ],
    [
      'the data type beside the tag names nothing',
      [
        { Type: 'Float', Tag: 'A', Value: 1 },
        { Type: 'Float', Tag: 'B', Value: 2 },
      ],
      one({ A: 1, B: 2 }),
    ],
    [
      'numbers name tags, too',
      [
        { id: 101, name: 'A', value: 1 },
        { id: 102, name: 'B', value: 2 },
      ],
      one({ A: 1, B: 2 }),
    ],
  ])('%s', (_, payload, expected) => expect(decoded(payload)).toEqual(expected));

  test('one name that comes back with other values is counted under its name', () => {
    const result = feed(
      routerOf([{ topic: 'gw/{device}' }]),
      json('gw/d1', [
        { name: 'T', value: 1 },
        { name: 'T', value: 2 },
      ]),
    );
    expect(plain(result)).toMatchObject([{ metrics: { T: 2 } }]);
    expect(result).toMatchObject({ losses: { ambiguous: ['T'] } });
  });

  test('no pairs: other numbers beside the value, ids that come back, a type that is no quantity', () => {
    const first = (payload: unknown): unknown => {
      const { readings, lost } = decoded(payload);
      return [Object.keys((readings as { metrics: object }[])[0]?.metrics ?? {}), lost];
    };
    const of = (extra: object, other: object = extra) => [
      { value: 1, ...extra },
      { value: 2, ...other },
    ];
    expect(first(of({ name: 'a', battery: 90 }, { name: 'b', battery: 80 }))).toEqual([
      ['value', 'battery'],
      2,
    ]);
    expect(first(of({ id: 's1' }))).toEqual([['value'], 1]);
    expect(first(of({ type: 'report' }, { type: 'event' }))).toEqual([['value'], 1]);
  });

  test('what names the device names no metric, and a route that says what the value is decides', () => {
    const things = [
      { sensor: 's1', value: 1 },
      { sensor: 's2', value: 2 },
    ];
    expect(decoded(things, { topic: 'gw/+' }).readings).toMatchObject([
      { device: 's1', metrics: { value: 1 } },
      { device: 's2', metrics: { value: 2 } },
    ]);
    const named = [{ name: 's1', value: 1 }];
    for (const route of [
      { topic: 'gw/+', device_path: '/name' },
      { topic: 'gw/{device}', where: { '/name': 's1' } },
    ])
      expect(decoded(named, route).readings).toMatchObject([{ metrics: { value: 1 } }]);
    const field = { topic: 'gw/{device}', fields: { level: { path: '/value' } } };
    expect(decoded(named, field).readings).toMatchObject([{ metrics: { level: 1 } }]);
    const renamed = { topic: 'gw/{device}', metric_map: { value: 'level' } };
    expect(decoded(named, renamed).readings).toMatchObject([{ metrics: { level: 1 } }]);
  });

  test('records of a batch are pairs, too, with the device and the time of the message around them', () => {
    const route = { topic: 'gw/+', items: '/values' };
    const values = [
      { key: 'T', value: 1 },
      { key: 'H', value: 2 },
    ];
    expect(decoded({ device: 'n7', ts: NOW_MS - 2000, values }, route)).toEqual(
      one({ T: 1, H: 2 }, 'n7', NOW_US - 2_000_000),
    );
  });
});

describe("D6' keys of time and device in any case", () => {
  const at = '2026-01-15T11:59:50Z';
  const then = NOW_US - 10_000_000;
  test.each<[object, unknown]>([
    [
      { Timestamp: at, v: 1 },
      { device: 'n1', time: then, metrics: { v: 1 } },
    ],
    [
      { TimeStamp: at, v: 1 },
      { device: 'n1', time: then, metrics: { v: 1 } },
    ],
    [
      { TIME: at, v: 1 },
      { device: 'n1', time: then, metrics: { v: 1 } },
    ],
    [
      { Ts: NOW_MS - 10_000, v: 1 },
      { device: 'n1', time: then, metrics: { v: 1 } },
    ],
    [
      { Time: null, TS: NOW_MS - 10_000, v: 1 },
      { device: 'n1', time: then, metrics: { v: 1 } },
    ],
    [
      { time: at, Time: 'x', v: 1 },
      { device: 'n1', time: then, metrics: { v: 1 } },
    ],
    [
      { ID: 7, SensorID: 8, Mac: 'x', v: 1 },
      { device: 'n1', time: NOW_US, metrics: { v: 1 } },
    ],
  ])('%j', (payload, wanted) => {
    expect(read({ topic: 'sensors/{device}' }, json('sensors/n1', payload))).toEqual([wanted]);
  });

  test.each<[object, unknown]>([
    [{ DeviceId: 'd7', v: 1 }, 'd7'],
    [{ DEVICE_ID: 'd7', ID: 'x', v: 1 }, 'd7'],
    [{ Sensor: 'd7', v: 1 }, 'd7'],
    [{ MAC: 'AA:BB', v: 1 }, 'AA:BB'],
    [{ Id: 'x', sensor_id: 'd7', v: 1 }, 'd7'],
    [{ Device: { name: 'x' }, Id: 'd7', v: 1 }, 'd7'],
    // wmbusmeters: `device` is the receiver.
    [{ media: 'water', meter: 'multical21', id: '76348799', device: 'im871a[1]', v: 1 }, '76348799'],
    [{ meter: 3, id: 'x', device: 'd7', v: 1 }, 'd7'],
  ])('%j', (payload, device) => {
    expect(read({ topic: 'up' }, json('up', payload))).toMatchObject([{ device }]);
  });

  test.each<[unknown, string | undefined]>([
    [{ v: 1, measuredAt: at }, '/measuredAt'],
    [{ v: 1, header: { sent_at: NOW_MS } }, '/header/sent_at'],
    [{ v: 1, dateTime: String(NOW_MS / 1000) }, '/dateTime'],
    [[{ v: 1, SourceTimestamp: at }], '/SourceTimestamp'],
    [{ v: 1, Timestamp: at }, undefined],
    [{ v: 1, t: 21.5, uptime: 1768478400 }, undefined],
  ])('decode shows a time that is not used: %j', (payload, place) => {
    const message = {
      topic: 'sensors/n1',
      payload: new TextEncoder().encode(JSON.stringify(payload)),
      retain: false,
      receivedAtMs: NOW_MS,
    };
    const line = decodeOne(routerOf([{ topic: 'sensors/{device}' }]), message, {
      limits: limitsSchema.parse({}),
      inflate: undefined,
    });
    const { hint } = JSON.parse(line) as { hint?: string };
    expect(hint?.split(' ')[0]).toBe(place);
  });
});

describe('SenML: the name is base name and name (RFC 8428, 4.5.1)', () => {
  const metrics = (topic: string, pack: unknown): unknown => {
    const found = read({ preset: 'senml', topic: 'lwm2m/{device}' }, json(topic, pack));
    return Array.isArray(found) && found.length === 1 ? (found[0] as { metrics: unknown }).metrics : found;
  };
  const t = NOW_MS / 1000;

  test.each<[string, unknown, unknown]>([
    [
      'two objects of LwM2M',
      [
        { bn: '/3303/0/', bt: t, n: '5700', v: 21.5 },
        { bn: '/3304/0/', n: '5700', v: 45 },
      ],
      { '/3303/0/5700': 21.5, '/3304/0/5700': 45 },
    ],
    ['a base name alone', [{ bn: '/3303/0/5700', v: 21.5 }], { '/3303/0/5700': 21.5 }],
    ['the device of the topic left out', [{ bn: 'dev1:', n: 'temp', v: 21.5 }], { temperature: 21.5 }],
    ['and its path kept', [{ bn: '/dev1/3303/0/', n: '5700', v: 21.5 }], { '3303/0/5700': 21.5 }],
    ['its URN', [{ bn: 'urn:dev:mac:dev1:', n: 'temp', v: 21.5 }], { temperature: 21.5 }],
    ['a URN of its own', [{ bn: 'urn:dev:ow:10e2073a01080063:', n: 'temp', v: 21.5 }], { temperature: 21.5 }],
    [
      'a URN without a name',
      [{ bn: 'urn:dev:ow:10e2073a01080063', u: 'Cel', v: 21.5 }],
      { temperature: 21.5 },
    ],
    [
      'several URNs stay apart',
      [
        { bn: 'urn:dev:ow:1:', n: 'temp', v: 21.5 },
        { bn: 'urn:dev:ow:2:', n: 'temp', v: 22.5 },
      ],
      { 'urn:dev:ow:1:temp': 21.5, 'urn:dev:ow:2:temp': 22.5 },
    ],
    ['another base name', [{ bn: 'boiler/', n: 'temp', v: 61 }], { 'boiler/temp': 61 }],
  ])('%s', (_, pack, wanted) => expect(metrics('lwm2m/dev1', pack)).toEqual(wanted));

  test('a name that is device and metric', () => {
    const pack = [{ n: 'urn:dev:ow:10e2073a01080063:voltage', u: 'V', v: 3.1 }];
    expect(read({ preset: 'senml' }, json('senml/x', pack))).toEqual([
      { device: 'urn:dev:ow:10e2073a01080063', time: NOW_US, metrics: { voltage: 3.1 } },
    ]);
  });

  test('two values of one name are counted', () => {
    const pack = [
      { bn: 'd:', n: 'x', v: 1 },
      { n: 'x', v: 2 },
    ];
    expect(feed(routerOf([{ preset: 'senml' }]), json('senml/x', pack))).toMatchObject({ ambiguous: 1 });
  });
});

test('an array under a topic that names the metric is its channels', () => {
  const router = routerOf([{ topic: 't/{device}/{metric}', codec: 'json' }]);
  expect(plain(feed(router, { topic: 't/a/adc', payload: '[1, 2, null, 4]' }))).toEqual([
    expect.objectContaining({ device: 'a', metrics: { adc_1: 1, adc_2: 2, adc_4: 4 } }),
  ]);
  expect(plain(feed(router, { topic: 't/a/adc', payload: '[{"value": 1}]' }))).toEqual([
    expect.objectContaining({ device: 'a', metrics: { adc: 1 } }),
  ]);
});
