import { describe, expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import protobuf from 'protobufjs';
import { type WatchedRoute, RECEIVED_AT, feed, plain, routerOf } from '../../support/routes.ts';
import { rounds } from '../../support/rounds.ts';

const NOW_US = Date.parse(RECEIVED_AT) * 1000;
const seconds = NOW_US / 1e6;

function read(route: object, message: WatchedRoute): unknown {
  return plain(feed(routerOf([{ topic: 'f/{device}', ...route }]), { topic: 'f/n1', ...message }));
}

/** The metrics of the only reading, or the reject code. */
function metrics(route: object, payload_hex: string): unknown {
  const readings = read(route, { payload_hex });
  return Array.isArray(readings) ? readings[0].metrics : readings;
}

describe('cbor', () => {
  test.each<[string, string, unknown]>([
    ['float32 as the decimal that was meant', 'a16161fa4141999a', { a: 12.1 }],
    ['float16 as it is', 'a16161f94d47', { a: 21.109375 }],
    ['integer keys, nested', 'a101a10205', { '1_2': 5 }],
    ['bignum, booleans, null, undefined', 'a46161c24201006162f56163f66164f7', { a: 256, b: 1 }],
    ['NaN and Infinity', 'a26161f97e006162f97c00', 'no_metrics'],
    ['self-described', 'd9d9f7a1616101', { a: 1 }],
    ['tag 1 is a time, no metric', 'a2616101616bc11a6968d7c0', { a: 1 }],
    ['an unknown tag', 'a16161d8640a', 'parse_error'],
    ['duplicate keys: later wins', 'a2616101616102', { a: 2 }],
    ['invalid UTF-8', 'a162ff6101', 'parse_error'],
    ['arrays of maps', '82a1616101a1616202', { a: 1, b: 2 }],
    ['a bare number', '05', 'no_metrics'],
  ])('%s', (_, hex, wanted) => expect(metrics({ codec: 'cbor' }, hex)).toEqual(wanted));

  test('times', () => {
    const route = { codec: 'cbor' };
    expect(read(route, { payload_hex: `a2616101627473c1fb${doubleHex(seconds + 0.5)}` })).toMatchObject([
      { time: NOW_US + 500_000 },
    ]);
    const text = Buffer.from('2026-01-15T12:00:01Z').toString('hex');
    expect(read(route, { payload_hex: `a2616101627473c074${text}` })).toMatchObject([
      { time: NOW_US + 1_000_000 },
    ]);
    expect(read(route, { payload_hex: 'a2616101626964 1bffffffffffffffff'.replace(' ', '') })).toMatchObject([
      { device: 'n1' },
    ]);
  });
});

function doubleHex(value: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes.toString('hex');
}

describe('msgpack', () => {
  test.each<[string, string, unknown]>([
    ['float32', '81a161ca4141999a', { a: 12.1 }],
    ['uint64', '81a161cfffffffffffffffff', { a: 18446744073709552000 }],
    ['int64', '81a161d3fffffffffffffffb', { a: -5 }],
    [
      'negative fixint, int8, int16, int32',
      '84a161ffa162d080a163d18000a164d280000000',
      { a: -1, b: -128, c: -32768, d: -2147483648 },
    ],
    ['bin and str', '83a161c403010203a162a178a163d90179', 'no_metrics'],
    ['nested map16', '81a161de0001a16205', { a_b: 5 }],
    ['trailing bytes', '81a16101c0', 'parse_error'],
    ['cut short', '82a16101', 'parse_error'],
    ['0xc1', 'c1', 'parse_error'],
    ['an unknown extension', '81a161d40105', 'parse_error'],
    ['a record definition, which is an extension', 'd4724091a16101', 'parse_error'],
    ['invalid UTF-8', '81a1ff01', 'parse_error'],
  ])('%s', (_, hex, wanted) => expect(metrics({ codec: 'msgpack' }, hex)).toEqual(wanted));

  test('timestamps of 32, 64 and 96 bits', () => {
    const s = seconds.toString(16).padStart(8, '0');
    const time = (hex: string) => read({ codec: 'msgpack' }, { payload_hex: `82a16101a27473${hex}` });
    expect(time(`d6ff${s}`)).toMatchObject([{ time: NOW_US }]);
    const nanos = (BigInt(123_456_789) << 34n) | BigInt(seconds);
    expect(time(`d7ff${nanos.toString(16).padStart(16, '0')}`)).toMatchObject([{ time: NOW_US + 123_456 }]);
    expect(time(`c70cff075bcd15${s.padStart(16, '0')}`)).toMatchObject([{ time: NOW_US + 123_456 }]);
  });
});

describe('protobuf', () => {
  const proto = `syntax = "proto3"; package acme;
    enum Mode { OFF = 0; ON = 1; }
    message Reading { string device = 1; Env env = 2; map<string, float> more = 3; Mode mode = 4;
      repeated Env list = 5; sfixed64 big = 6; optional float zero = 7; bytes raw = 8; }
    message Env { float temperature = 1; sint32 rssi = 2; }`;
  const type = protobuf.parse(proto, { keepCase: true }).root.lookupType('acme.Reading');
  const encode = (value: object) => Buffer.from(type.encode(type.fromObject(value)).finish()).toString('hex');
  const route = { codec: 'protobuf', proto, message: 'acme.Reading' };

  test('messages as documents', () => {
    const value = {
      device: 'd',
      env: { temperature: 12.1, rssi: -70 },
      more: { a: 0.1 },
      mode: 1,
      big: '-5',
      zero: 0,
      raw: 'AA==',
    };
    expect(metrics(route, encode(value))).toEqual({
      env_temperature: 12.1,
      env_rssi: -70,
      more_a: 0.1,
      big: -5,
      zero: 0,
    });
    expect(
      metrics(
        { ...route, where: { '/mode': 'ON' }, items: '/list' },
        encode({ list: [{ temperature: 1 }], mode: 1 }),
      ),
    ).toEqual({
      temperature: 1,
    });
  });

  test.each<[object, RegExp]>([
    [{ proto: undefined }, /set proto/],
    [{ message: undefined }, /set message/],
    [{ message: 'Nope' }, /no message type Nope/],
    [{ proto: 'message {' }, /cannot be read/],
    [{ proto: 'syntax = "proto3"; import "x.proto"; message A { }' }, /imports/],
  ])('%j', (change, message) =>
    expect(() => routerOf([{ topic: 'a/{device}', ...route, ...change }])).toThrow(message),
  );
});

describe('sparkplug', () => {
  interface Metric {
    name?: string;
    alias?: number;
    datatype?: number;
    int?: number;
    long?: string;
    float?: number;
    timestamp?: number;
    transient?: boolean;
    isNull?: boolean;
  }
  const metric = (one: Metric): Uint8Array => {
    const writer = protobuf.Writer.create();
    if (one.name !== undefined) writer.uint32(10).string(one.name);
    if (one.alias !== undefined) writer.uint32(16).uint64(one.alias);
    if (one.timestamp !== undefined) writer.uint32(24).uint64(one.timestamp);
    if (one.datatype !== undefined) writer.uint32(32).uint32(one.datatype);
    if (one.transient === true) writer.uint32(48).bool(true);
    if (one.isNull === true) writer.uint32(56).bool(true);
    if (one.int !== undefined) writer.uint32(80).uint32(one.int);
    if (one.long !== undefined) writer.uint32(88).uint64(one.long);
    if (one.float !== undefined) writer.uint32(101).float(one.float);
    return writer.finish();
  };
  const hex = (...metrics: Metric[]): string => {
    const writer = protobuf.Writer.create()
      .uint32(8)
      .uint64(NOW_US / 1000);
    for (const one of metrics) writer.uint32(18).bytes(metric(one));
    return Buffer.from(writer.finish()).toString('hex');
  };
  const route = { preset: 'sparkplug-b', request_rebirth: true };
  const send = (router: ReturnType<typeof routerOf>, verb: string, payload_hex: string, device = 'D') =>
    feed(router, { topic: `spBv1.0/G/${verb}/E${device === '' ? '' : `/${device}`}`, payload_hex });

  test('births teach names and types; a new node birth forgets all aliases', () => {
    const router = routerOf([route]);
    send(router, 'NBIRTH', hex({ name: 'x', alias: 1, datatype: 3, int: 0 }), '');
    send(
      router,
      'DBIRTH',
      hex({ name: 'Temp', alias: 2, datatype: 1, int: 0 }, { name: 'b', alias: 3, datatype: 11 }),
    );
    expect(plain(send(router, 'DDATA', hex({ alias: 2, int: 0xfb }, { alias: 3, int: 1 })))).toEqual([
      { device: 'G/E/D', time: NOW_US, metrics: { temperature: -5, b: 1 } },
    ]);
    send(router, 'NBIRTH', hex({ name: 'x', alias: 2, datatype: 7, int: 5 }), '');
    expect(plain(send(router, 'DDATA', hex({ alias: 2, int: 0xfffffffb })))).toMatchObject([
      { metrics: { x: 4294967291 } },
    ]);
    expect(plain(send(router, 'DDATA', hex({ alias: 3, int: 1 })))).toBe('unknown_alias');
  });

  test('metrics are grouped by their own time; null, transient and texts are left out', () => {
    const at = NOW_US / 1000;
    const payload = hex(
      { name: 'a', datatype: 9, float: 1, timestamp: at - 1000 },
      { name: 'b', datatype: 9, float: 2 },
      { name: 'c', datatype: 9, float: 3, transient: true },
      { name: 'd', datatype: 9, isNull: true },
      { name: 'e', datatype: 13, long: '5' },
      { name: 'f', datatype: 4, long: '18446744073709551615', timestamp: at - 1000 },
    );
    expect(plain(send(routerOf([route]), 'NDATA', payload, ''))).toEqual([
      { device: 'G/E', time: NOW_US - 1_000_000, metrics: { a: 1, f: -1 } },
      { device: 'G/E', time: NOW_US, metrics: { b: 2 } },
    ]);
  });

  test('requests a birth, once a minute', () => {
    const router = routerOf([route]);
    const first = send(router, 'DDATA', hex({ alias: 9, int: 1 }));
    expect(first).toMatchObject({ code: 'unknown_alias', publish: { topic: 'spBv1.0/G/NCMD/E' } });
    const command = Buffer.from(first.publish?.payload ?? []).toString('latin1');
    expect(command).toContain('Node Control/Rebirth');
    expect(send(router, 'DDATA', hex({ alias: 9, int: 1 })).publish).toBeUndefined();
    expect(
      send(routerOf([{ preset: 'sparkplug-b' }]), 'DDATA', hex({ alias: 9, int: 1 })).publish,
    ).toBeUndefined();
  });
});

describe('senml', () => {
  const senml = (pack: unknown, message: WatchedRoute = {}) =>
    read({ preset: 'senml', topic: 's/#' }, { topic: 's/x', payload: JSON.stringify(pack), ...message });

  test('RFC 8428 5.1.1: a name alone is a device', () => {
    expect(senml([{ n: 'urn:dev:ow:10e2073a01080063', u: 'Cel', v: 23.1 }])).toEqual([
      { device: 'urn:dev:ow:10e2073a01080063', time: NOW_US, metrics: { temperature: 23.1 } },
    ]);
  });

  test('base values and units', () => {
    const pack = [
      { bn: 'd:', bt: seconds, bu: 'K', bv: 200, n: 't', v: 100.15 },
      { u: '%RH', n: 'h', v: -160 },
      { u: 'Pa', n: 'pressure', v: 101_100 },
      { n: 's', u: 'W', s: 3, bs: 10 },
      { u: '%EL', v: -150 },
      { n: 'text', vs: 'x' },
    ];
    expect(senml(pack)).toEqual([
      { device: 'd', time: NOW_US, metrics: { t: 27, h: 40, pressure: 1013, s_sum: 13, battery: 50 } },
    ]);
  });

  test('relative times count from the arrival, and are no time of a retained message', () => {
    const pack = [{ bn: 'd', n: 'a', v: 1, t: -5 }];
    expect(senml(pack)).toMatchObject([{ time: NOW_US - 5_000_000 }]);
    expect(senml(pack, { retain: true })).toBe('retained_no_time');
    expect(senml([{ bn: 'd', n: 'a', v: 1, t: 7200 }])).toBe('time_out_of_range');
  });

  test.each<[unknown, string]>([
    [{ n: 'a', v: 1 }, 'parse_error'],
    [[], 'no_metrics'],
    [[{ n: 'a', v: 1 }], 'no_device'],
    [[{ bn: 'd', n: 'a', v: 1, x_: 1 }], 'unsupported'],
    [[{ bn: 'd', v: 1 }], 'no_metrics'],
    [[{ bn: 'd', n: 'a', v: 1, t: 'x' }], 'bad_time'],
  ])('%j', (pack, code) => expect(senml(pack)).toBe(code));
});

describe('line protocol', () => {
  const lines = (payload: string) =>
    read({ preset: 'line-protocol', topic: 't/#', device_tag: 'h' }, { topic: 't/x', payload });

  test.each<[string, unknown]>([
    ['a,h=x t=1', { t: 1 }],
    ['a,h=x\\ y t=1,u=2i,v=3u,w=t,x="s"', { t: 1, u: 2, v: 3, w: 1 }],
    ['a\\,b,h=x t\\=u=-.5e1', { 't=u': -5 }],
    ['a,h=x s="a \\" b, c=1",v=1', { v: 1 }],
    ['a,h=x temp=21.5', { temperature: 21.5 }],
    ['a,h=x v=1e999', 'no_metrics'],
    ['a,h=x v="1"', 'no_metrics'],
    ['a,h=x,h=y v=1', 'parse_error'],
    ['a,h=x v=NaN', 'parse_error'],
    ['a,h=x v=0x1', 'parse_error'],
    ['a,h=x v=9223372036854775808i', 'parse_error'],
    ['a,h=x v=1 x', 'parse_error'],
    ['a,h=x', 'parse_error'],
    ['a v=1', 'no_device'],
    ['a,h=x v=1 1', 'time_out_of_range'],
    ['# nothing', 'no_metrics'],
  ])('%s', (line, wanted) => {
    const readings = lines(line);
    expect(Array.isArray(readings) ? readings[0].metrics : readings).toEqual(wanted);
  });

  test('a string without an end costs its line only', () => {
    expect(lines('a,h=x v="1\na,h=y v=2')).toMatchObject([{ device: 'y', metrics: { v: 2 } }]);
  });

  test('whatever is written by the grammar is read back', () => {
    const name = fc
      .string({
        unit: fc.constantFrom('a', 'é', ' ', ',', '=', '"', '#', '\\', '.', '😀'),
        minLength: 1,
        maxLength: 8,
      })
      // A backslash cannot be escaped: before a separator, or at the end, it would change its meaning.
      .filter((text) => !/\\(?:[,= ]|$)/.test(text) && !text.startsWith('#'));
    const escaped = (text: string, stops: RegExp) => text.replace(stops, '\\$&');
    const value = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => [String(x), x + 0] as const),
      fc.maxSafeInteger().map((x) => [`${x}i`, x + 0] as const),
      fc.maxSafeNat().map((x) => [`${x}u`, x] as const),
      fc.boolean().map((x) => [x ? 'TRUE' : 'f', x ? 1 : 0] as const),
      fc.string().map((x) => [`"${x.replace(/["\\]/g, '\\$&')}"`, undefined] as const),
    );
    const point = fc.record({
      measurement: name,
      host: name,
      fields: fc.dictionary(name, value, { minKeys: 1, maxKeys: 5 }),
    });
    fc.assert(
      fc.property(fc.array(point, { minLength: 1, maxLength: 4 }), fc.nat(3_600_000), (points, offset) => {
        const text = points.map(({ measurement, host, fields }, index) => {
          const list = Object.entries(fields).map(
            ([key, [written]]) => `${escaped(key, /[,= ]/g)}=${written}`,
          );
          const time = BigInt(NOW_US + index - offset) * 1000n;
          return `${escaped(measurement, /[, ]/g)},h=${escaped(host, /[,= ]/g)} ${list.join(',')} ${time}`;
        });
        const wanted = points.flatMap(({ host, fields }, index) => {
          const metrics = Object.entries(fields).flatMap(([key, [, number]]) =>
            number === undefined ? [] : [[key, number]],
          );
          return metrics.length === 0
            ? []
            : [{ device: host, time: NOW_US + index - offset, metrics: Object.fromEntries(metrics) }];
        });
        const read = lines(text.join('\n'));
        const inOrder = (readings: { time: number }[]) => readings.sort((a, b) => a.time - b.time);
        expect(inOrder(Array.isArray(read) ? read : [])).toEqual(inOrder(wanted));
      }),
      { numRuns: rounds(400, 1000), seed: 21 },
    );
  });
});

describe('cayenne-lpp', () => {
  test.each<[string, unknown]>([
    ['0367ff9c', { temperature: -10 }],
    ['036701100168 50'.replace(' ', ''), { temperature: 27.2, humidity: 40 }],
    ['017327 10'.replace(' ', ''), { pressure: 1000 }],
    ['0302ff9c', { analog_in_3: -1 }],
    ['0574014a', { voltage_5: 3.3 }],
    ['067104d2fb2e0000', { accelerometer_6_x: 1.234, accelerometer_6_y: -1.234, accelerometer_6_z: 0 }],
    ['036701', 'parse_error'],
    ['03', 'parse_error'],
  ])('%s', (hex, wanted) => expect(metrics({ codec: 'cayenne-lpp' }, hex)).toEqual(wanted));
});

describe('auto', () => {
  const auto = (message: WatchedRoute) => {
    const readings = plain(
      feed(routerOf([{ codec: 'auto', topic: 'f/{device}/{metric}', compression: 'auto' }]), {
        topic: 'f/n1/x',
        ...message,
      }),
    );
    return Array.isArray(readings) ? readings[0].metrics : readings;
  };
  test.each<[WatchedRoute, unknown]>([
    [{ payload: '{"a":1}' }, { a: 1 }],
    [{ payload: '{"a":1,"ä":2}' }, { a: 1, ä: 2 }],
    [{ payload: ' 21.5\n' }, { x: 21.5 }],
    [{ payload: 'm,t=1 v=2' }, { v: 2 }],
    [{ payload: 'online' }, 'not_a_number'],
    [{ payload: '[{"bn":"d/","n":"a","v":1}]' }, { 'd/a': 1 }],
    [{ payload_hex: 'a1616105' }, { a: 5 }],
    [{ payload_hex: '81a16105' }, { a: 5 }],
    [{ payload_hex: '81a1616105' }, { a: 5 }],
    [{ payload_hex: '89504e470d0a1a0a' }, 'unsupported'],
    [{ payload_hex: '81a16105', content_type: 'application/cbor' }, 'parse_error'],
    [{ payload: '5', content_type: 'application/json; charset=utf-8' }, { x: 5 }],
    [{ payload: '' }, 'empty_payload'],
  ])('%j', (message, wanted) => expect(auto(message)).toEqual(wanted));
});
