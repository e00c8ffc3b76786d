import { describe, expect, test } from '@jest/globals';
import protobuf from 'protobufjs';
import type { Decoded } from '../../../src/core/reading.ts';
import { MessageLog } from '../../../src/services/ingest/message-log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type WatchedRoute, feed, metricsOf, routerOf } from '../../support/routes.ts';

// Nothing that is measured disappears uncounted: D3' (arrays) and D14' (two values for one metric).

type Kept = Decoded & { kind: 'readings' };

function decoded(route: object, message: WatchedRoute): Kept {
  const result = feed(routerOf([route]), message);
  if (result.kind !== 'readings') throw new Error(`${result.code} ${result.detail ?? ''}`);
  return result;
}

const metrics = ({ readings }: Kept): unknown => readings.map((one) => Object.fromEntries(one.metrics));

describe("D3' arrays of numbers", () => {
  const sixteen = Array.from({ length: 16 }, (_, index) => index);

  test.each<[string, object, object]>([
    ['phases', { Power: [11, 2, 3] }, { Power_1: 11, Power_2: 2, Power_3: 3 }],
    ['nested', { e: { U: [231, 230] } }, { e_U_1: 231, e_U_2: 230 }],
    ['a phase that is missing', { P: [1, null, 3] }, { P_1: 1, P_3: 3 }],
    ['one', { P: [7] }, { P_1: 7 }],
    ['booleans', { inputs: [true, false] }, { inputs_1: 1, inputs_2: 0 }],
    ['sixteen', { a: sixteen }, Object.fromEntries(sixteen.map((value) => [`a_${value + 1}`, value]))],
    ['of a well-known name, in its unit', { tempf: [212, 32] }, { temperature_1: 100, temperature_2: 0 }],
    ['of a well-known name, as text', { temp: ['21.5', 22] }, { temperature_1: 21.5, temperature_2: 22 }],
  ])('%s', (_, payload, wanted) => expect(metricsOf(payload)).toEqual(wanted));

  test.each<[string, object, string]>([
    ['seventeen', { a: [...sixteen, 16] }, 'a'],
    ['samples beside an interval', { interval: 10, a: [1, 2] }, 'a'],
    ['nested samples', { x: { interval_ms: 10, values: [1, 2] } }, 'x_values'],
    ['samples with their rate', { sample_rate: 100, a: [1, 2] }, 'a'],
    ['a matrix', { a: [[1, 2], [3]] }, 'a'],
    ['records that no route reads', { x: { history: [{ t: 1 }, { t: 2 }] } }, 'x_history'],
    ['numbers among texts', { a: ['x', 1] }, 'a'],
    ['beyond all doubles', { x: '@1e400@' }, 'x'],
    ['nested, beyond all doubles', { x: { y: '@1e400@' } }, 'x_y'],
    ['text that holds a number', { windSpeed: '5.2' }, 'windSpeed'],
    ['nested text that holds a number', { a: { b: '5.2' } }, 'a_b'],
    ['a name that no metric may have', { constructor: { a: 1 } }, 'constructor'],
  ])('%s: counted, with its name', (_, payload, name) => {
    const text = JSON.stringify({ v: 1, ...payload }).replace(/"@|@"/g, '');
    const { dropped, losses } = decoded({ topic: 'sensors/{device}' }, { payload: text });
    expect({ dropped, names: losses?.dropped }).toEqual({ dropped: 1, names: [name] });
  });

  test('what measures nothing is not counted', () => {
    const payload = { v: 1, a: [], b: ['x'], c: null, d: 'on', e: { f: [] }, g: [null], id: '17' };
    expect(decoded({ topic: 'sensors/{device}' }, { payload: JSON.stringify(payload) })).toMatchObject({
      dropped: 0,
    });
  });

  test('a path takes one element, the others stay', () => {
    const fields = { temperature: { path: '/t/0' } };
    expect(metricsOf({ t: [21.5, 22] }, { fields })).toEqual({ temperature: 21.5, t_2: 22 });
    expect(metricsOf({ x: { t: [21.5, 22] } }, { fields: { temperature: '/x/t/1' } })).toEqual({
      temperature: 22,
      x_t_1: 21.5,
    });
  });

  test('an array that has no room left costs itself, not the message', () => {
    const router = routerOf([{ topic: 'sensors/{device}' }], { max_metrics: 4 });
    const result = feed(router, { payload: '{"a":1,"b":[1,2,3,4],"c":[5,6]}' });
    expect(result).toMatchObject({ kind: 'readings', dropped: 1, losses: { dropped: ['b'] } });
    expect(metrics(result as Kept)).toEqual([{ a: 1, c_1: 5, c_2: 6 }]);
  });
});

describe('in every codec', () => {
  test('CBOR: an array, and a key that names nothing', () => {
    const result = decoded(
      { codec: 'cbor', topic: 'sensors/{device}' },
      // {"a": [1, 2], 1.5: 3, "b": {1.5: 4}}
      { payload_hex: 'a36161820102f93e00036162a1f93e0004' },
    );
    expect(metrics(result)).toEqual([{ a_1: 1, a_2: 2 }]);
    expect(result.dropped).toBe(2);
  });

  test('MessagePack', () => {
    const result = decoded(
      { codec: 'msgpack', topic: 'sensors/{device}' },
      // {"a": [1, 2], 1.5: 3}
      { payload_hex: '82a161920102cb3ff800000000000003' },
    );
    expect(metrics(result)).toEqual([{ a_1: 1, a_2: 2 }]);
    expect(result.dropped).toBe(1);
  });

  test('protobuf: a repeated number', () => {
    const proto = 'syntax = "proto3"; message R { repeated double u = 1; }';
    const payload = protobuf
      .parse(proto)
      .root.lookupType('R')
      .encode({ u: [231, 230.5] })
      .finish();
    const result = decoded(
      { codec: 'protobuf', topic: 'sensors/{device}', proto, message: 'R' },
      { payload_hex: Buffer.from(payload).toString('hex') },
    );
    expect(metrics(result)).toEqual([{ u_1: 231, u_2: 230.5 }]);
  });

  test('line protocol: a field twice in a line, and a point twice', () => {
    const route = { codec: 'line-protocol', topic: 't', device_tag: 'host' };
    const payload =
      'cpu,host=a v=1,v=2 1768478400000000000\ncpu,host=a v=3,w=1e999 1768478400000000000\ncpu,host=a v=3 1768478400000000000';
    const result = decoded(route, { topic: 't', payload });
    expect(metrics(result)).toEqual([{ v: 3 }]);
    expect(result).toMatchObject({
      ambiguous: 2,
      dropped: 1,
      losses: { dropped: ['w'], ambiguous: ['v'] },
    });
  });

  test('Cayenne LPP: a channel twice', () => {
    const result = decoded(
      { codec: 'cayenne-lpp', topic: 'sensors/{device}' },
      { payload_hex: '01670110016700ff' },
    );
    expect(metrics(result)).toEqual([{ temperature: 25.5 }]);
    expect(result).toMatchObject({ ambiguous: 1, losses: { ambiguous: ['temperature'] } });
  });

  test('Sparkplug: an array, and an integer without a type from a birth', () => {
    const metric = (build: (writer: protobuf.Writer) => protobuf.Writer) =>
      build(protobuf.Writer.create()).finish();
    const payload = protobuf.Writer.create().uint32(8).uint64(Date.parse('2026-01-15T12:00:00Z'));
    const all = [
      metric((w) => w.uint32(10).string('a').uint32(32).uint32(10).uint32(105).double(21.5)),
      metric((w) => w.uint32(10).string('wave').uint32(32).uint32(30).uint32(130).bytes(new Uint8Array(8))),
      metric((w) => w.uint32(10).string('count').uint32(80).uint32(0xffffffff)),
      metric((w) => w.uint32(10).string('text').uint32(32).uint32(12).uint32(122).string('x')),
    ];
    for (const one of all) payload.uint32(18).bytes(one);
    const result = decoded(
      { preset: 'sparkplug-b' },
      { topic: 'spBv1.0/G/DDATA/E/D', payload_hex: Buffer.from(payload.finish()).toString('hex') },
    );
    expect(metrics(result)).toEqual([{ a: 21.5 }]);
    expect(result).toMatchObject({ dropped: 2, losses: { dropped: ['wave', 'count'] } });
  });

  test('ChirpStack as protobuf reads lists as its JSON does', () => {
    const value = (write: (w: protobuf.Writer) => protobuf.Writer) =>
      write(protobuf.Writer.create()).finish();
    const number = (one: number) => value((w) => w.uint32(17).double(one));
    const list = [1.5, 2.5].reduce((w, one) => w.uint32(10).bytes(number(one)), protobuf.Writer.create());
    const entry = value((w) =>
      w
        .uint32(10)
        .string('p')
        .uint32(18)
        .bytes(value((v) => v.uint32(50).bytes(list.finish()))),
    );
    const object = value((w) => w.uint32(10).bytes(entry));
    const info = value((w) => w.uint32(66).string('0101010101010101'));
    const event = value((w) => w.uint32(26).bytes(info).uint32(90).bytes(object));
    const result = decoded(
      { preset: 'chirpstack-v4', encoding: 'protobuf' },
      {
        topic: 'application/a/device/0101010101010101/event/up',
        payload_hex: Buffer.from(event).toString('hex'),
      },
    );
    expect(metrics(result)).toEqual([{ p_1: 1.5, p_2: 2.5 }]);
  });

  test('EdgeX: an array is text with a type', () => {
    const reading = (resourceName: string, valueType: string, value: string) => ({
      origin: 1768478400000000000,
      resourceName,
      valueType,
      value,
    });
    const readings = [reading('U', 'Float32Array', '[231.5, 230]'), reading('B', 'BoolArray', '[true]')];
    const payload = JSON.stringify({ deviceName: 'd', readings });
    expect(metrics(decoded({ preset: 'edgex' }, { topic: 'edgex/events/device/d', payload }))).toEqual([
      { U_1: 231.5, U_2: 230 },
    ]);
  });
});

describe("D14' one metric, two values", () => {
  test.each<[string, unknown, object, number]>([
    ['records without a time', [{ t: 1 }, { t: 2 }], { t: 2 }, 1],
    ['the same value again', [{ t: 1 }, { t: 1 }], { t: 1 }, 0],
    ['different metrics', [{ a: 1 }, { b: 2 }], { a: 1, b: 2 }, 0],
    ['two names for one metric', { temp: 4, temperature: 21 }, { temperature: 21 }, 1],
    ['one value in two units', { tempc: 24.1, tempf: 75.38 }, { temperature: 24.1 }, 0],
    ['nested under the name of another', { a: { b: 1 }, a_b: 2 }, { a_b: 2 }, 1],
    ['the other way round', { a_b: 2, a: { b: 1 } }, { a_b: 2 }, 1],
    ['an element and its name', { P_1: 5, P: [1, 2] }, { P_1: 5, P_2: 2 }, 1],
  ])('%s', (_, payload, wanted, ambiguous) => {
    const result = decoded({ topic: 'sensors/{device}' }, { payload: JSON.stringify(payload) });
    expect(metrics(result)).toEqual([wanted]);
    expect(result.ambiguous ?? 0).toBe(ambiguous);
  });

  test('is logged once per route and minute, and all of it at debug', () => {
    const clock = new FakeClock();
    const lines: [string, object, string][] = [];
    const write = (level: string) => (fields: object, message: string) =>
      void lines.push([level, fields, message]);
    const logger = {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      child: () => logger,
    };
    const log = new MessageLog(clock, logger);
    const router = routerOf([{ topic: 'a/{device}' }, { topic: 'b/{device}' }]);
    const note = (topic: string, payload: string) => {
      const result = feed(router, { topic, payload });
      if (result.kind === 'readings') log.kept(topic, result);
    };
    const twice = '[{"t":1},{"t":2}]';
    for (const topic of ['a/1', 'a/2', 'b/1']) note(topic, twice);
    note('a/1', '{"t":1}');
    note('a/1', '{"t":1,"x":[[1]]}');
    const warned = () => lines.filter(([level]) => level === 'warn').map(([, fields]) => fields);
    expect(warned()).toMatchObject([
      { route: 'a/{device}', ambiguous: 1, metrics: ['t'] },
      { route: 'b/{device}', ambiguous: 1 },
    ]);
    expect(lines.filter(([level]) => level === 'debug')).toHaveLength(4);
    expect(lines.at(-1)?.[1]).toMatchObject({ topic: 'a/1', dropped: 1, dropped_names: ['x'] });
    clock.advance(60_000);
    note('a/1', twice);
    expect(warned().slice(2)).toMatchObject([{ route: 'a/{device}', ambiguous: 2 }]);
  });
});

test('what of a Ruuvi Air in data format 6 is not taken is counted; E1 has all of it', () => {
  const sent = (data: string): WatchedRoute => ({
    topic: 'ruuvi/gw/air',
    payload: JSON.stringify({ gw_mac: 'gw', rssi: -60, gwts: '1768478400', ts: '1768478400', data }),
    received_at: '2026-01-15T12:00:00Z',
  });
  const six = decoded({ preset: 'ruuvi' }, sent('02010617FF990406170C5668C79E007000C90501D900CD004C884F'));
  expect(six.dropped).toBe(3);
  // The test vector of the vendor's documentation.
  const extended = decoded(
    { preset: 'ruuvi' },
    sent('2BFF9904E1170C5668C79E0065007004BD11CA00C90A0213E0AC000000DECDEE100000000000CBB8334C884F'),
  );
  expect(metrics(extended)).toEqual([
    {
      ...{ rssi: -60, temperature: 29.5, humidity: 55.3, pressure: 1011.02 },
      ...{ pm1: 10.1, pm2_5: 11.2, pm4: 121.3, pm10: 455.4, co2: 201, voc_index: 20, nox_index: 4 },
      ...{ luminosity: 13027, measurement_sequence: 14601710 },
    },
  ]);
  expect(extended.dropped).toBe(0);
});
