import { describe, expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { learnedYaml } from '../../../src/app/learn/learn-yaml.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { Gathering } from '../../../src/learn/gathering.ts';
import { jsons, learnFrom, routesOf, texts } from '../../support/learning.ts';
import type { WatchedRoute } from '../../support/routes.ts';
import { rounds } from '../../support/rounds.ts';

const devices = ({ routes }: ReturnType<typeof learnFrom>) => routes.flatMap((route) => route.devices);

describe('payloads of no ecosystem, by the structure of their topics', () => {
  const rows: readonly (readonly [string, WatchedRoute[], object[], string[]])[] = [
    [
      'one level varies',
      jsons({ 'plant/a/data': { temperature: 1 }, 'plant/b/data': { temperature: 2 } }),
      [{ topic: 'plant/{device}/data', codec: 'json' }],
      ['a', 'b'],
    ],
    [
      'the first level varies',
      jsons({ 'n1/data': { t: 1 }, 'n2/data': { t: 2 } }),
      [{ topic: '{device}/data', codec: 'json' }],
      ['n1', 'n2'],
    ],
    [
      'pairs in a root array: the type of the data is no name',
      jsons({
        'plc/a': [
          { type: 'Float', tag: 'Level', val: 1 },
          { type: 'Float', tag: 'Flow', val: 2 },
        ],
        'plc/b': [
          { type: 'Float', tag: 'Level', val: 1 },
          { type: 'Float', tag: 'Flow', val: 2 },
        ],
      }),
      [{ topic: 'plc/{device}', codec: 'json', pivot: { items: '', name: '/tag', value: '/val' } }],
      ['a', 'b'],
    ],
    [
      'a device name that comes back in another place',
      jsons({ 's/lab/n1': { t: 1 }, 's/roof/n1': { t: 2 }, 's/lab/n2': { t: 2 } }),
      [{ topic: 's/{location}/{device}', codec: 'json', device: '{location}/{device}' }],
      ['lab/n1', 'roof/n1', 'lab/n2'],
    ],
    [
      'one topic, the payload names the devices',
      [...jsons({ up: { id: 'a', t: 1 } }), ...jsons({ up: { id: 'b', t: 1 } })],
      [{ topic: 'up', codec: 'json' }],
      ['a', 'b'],
    ],
    [
      'an unusual key names the device',
      [...jsons({ up: { serial_no: 'a', t: 1 } }), ...jsons({ up: { serial_no: 'b', t: 1 } })],
      [{ topic: 'up', codec: 'json', device_path: '/serial_no' }],
      ['a', 'b'],
    ],
    [
      'gateways that speak for many',
      [
        ...jsons({ 'gw/1/up': { mac: 'a', t: 1 }, 'gw/2/up': { mac: 'b', t: 1 } }),
        ...jsons({ 'gw/1/up': { mac: 'c', t: 1 } }),
      ],
      [{ topic: 'gw/+/up', codec: 'json' }],
      ['a', 'b', 'c'],
    ],
    [
      'metrics in an object of their own',
      jsons({
        'p/a': { ts: 1768478400, values: { temperature: 1 } },
        'p/b': { ts: 1768478400, values: { temperature: 1 } },
      }),
      [{ topic: 'p/{device}', codec: 'json', metrics_path: '/values' }],
      ['a', 'b'],
    ],
    [
      'unlike payloads are not one route',
      jsons({ 'x/a/m': { temperature: 1, humidity: 2 }, 'x/b/n': { power: 1, energy: 2 } }),
      [
        { topic: 'x/a/m', codec: 'json', device: 'm' },
        { topic: 'x/b/n', codec: 'json', device: 'n' },
      ],
      ['m', 'n'],
    ],
    [
      'single values, the last level names the metric',
      texts({ 'h/bath/temp': '21', 'h/hall/hum': '40', 'h/bath/mode': 'eco' }),
      [{ topic: 'h/{device}/{metric}', codec: 'scalar', ignore: ['h/+/mode'] }],
      ['bath', 'hall'],
    ],
    [
      'single values with a word behind the metric',
      texts({ 'h/bath/temp/value': '21', 'h/hall/temp/value': '40' }),
      [{ topic: 'h/{device}/{metric}/value', codec: 'scalar' }],
      ['bath', 'hall'],
    ],
    [
      'single values of one device',
      texts({ 'boiler/temperature': '61', 'boiler/pressure': '1013' }),
      [{ topic: 'boiler/{metric}', codec: 'scalar', device: 'boiler' }],
      ['boiler'],
    ],
    [
      'single values whose names say whose they are',
      texts({ 'h/bath/bath_temperature': '21', 'h/hall/hall_temperature': '22' }),
      [
        {
          topic: 'h/{device}/{metric}',
          codec: 'scalar',
          metric_map: { bath_temperature: 'temperature', hall_temperature: 'temperature' },
        },
      ],
      ['bath', 'hall'],
    ],
    [
      'line protocol in milliseconds',
      texts({
        'tg/1': 'cpu,site=x,node=n1 v=1 1768478400000',
        'tg/2': 'cpu,site=x,node=n2 v=1 1768478400000',
      }),
      [{ topic: 'tg/+', codec: 'line-protocol', device_tag: 'node', precision: 'ms' }],
      ['n1', 'n2'],
    ],
    [
      'two formats on one pattern',
      [
        ...jsons({ 'b/1': { t: 1 }, 'b/2': { t: 1 } }),
        { topic: 'b/3', payload_hex: 'a161741815' },
        { topic: 'b/4', payload_hex: 'a161741815' },
      ],
      [{ topic: 'b/{device}', codec: 'auto' }],
      ['1', '2', '3', '4'],
    ],
    [
      'gzip',
      [
        {
          topic: 'z/n1',
          payload_hex: '1f8b0800000000000203ab562a49cd2d482d4a2c292d4a55b23232d433ad0500da388e7a14000000',
        },
      ],
      [{ topic: 'z/n1', codec: 'json', compression: 'auto', device: 'n1' }],
      ['n1'],
    ],
  ];

  test.each(rows)('%s', (_, messages, wanted, named) => {
    const learned = learnFrom(messages);
    expect(routesOf(learned)).toEqual(wanted);
    expect(devices(learned).sort()).toEqual([...named].sort());
    expect(learned.notPlaced).toEqual([]);
  });

  test.each([
    ['temperature', '21', /names a device/],
    ['a/b', '{"s":"x"}', undefined],
  ])('%s with %s is not placed, or left out', (topic, payload, reason) => {
    const { routes, notPlaced, leftOut } = learnFrom([{ topic, payload }]);
    expect(routes).toEqual([]);
    expect([...notPlaced, ...leftOut]).toHaveLength(1);
    if (reason !== undefined) expect(notPlaced[0]?.reason).toMatch(reason);
  });
});

describe('clocks', () => {
  const at = (hours: number, text: string): WatchedRoute => ({
    topic: 'tele/a/SENSOR',
    payload: JSON.stringify({ Time: text, AM2301: { Temperature: 20 } }),
    received_at: `2026-07-15T${hours}:00:01Z`,
  });

  test('the zone of this machine, where it fits; else the offset', () => {
    const messages = [at(10, '2026-07-15T12:00:00'), at(11, '2026-07-15T13:00:00')];
    expect(routesOf(learnFrom(messages, 'Europe/Berlin'))).toEqual([
      { preset: 'tasmota', timezone: 'Europe/Berlin' },
    ]);
    expect(routesOf(learnFrom(messages, 'America/New_York'))).toEqual([
      { preset: 'tasmota', timezone: '+02:00' },
    ]);
    expect(routesOf(learnFrom([at(12, '2026-07-15T06:30:00')]))).toEqual([
      { preset: 'tasmota', timezone: '-05:30' },
    ]);
    expect(routesOf(learnFrom([at(12, '2026-07-15T12:00:00')]))).toEqual([{ preset: 'tasmota' }]);
  });

  test('a clock that was never set does not cost its readings', () => {
    const messages = [at(10, '1970-01-01T00:00:03'), at(11, '2026-07-15T11:00:00')];
    expect(routesOf(learnFrom(messages))).toEqual([{ preset: 'tasmota', on_bad_time: 'received' }]);
  });
});

test('any topic and any payload give a configuration that is valid, and routes that read what they say', () => {
  const level = fc.oneof(
    fc.constantFrom(
      'sensors',
      'n1',
      'n2',
      'state',
      '{device}',
      '"',
      "'",
      '#x',
      ': ',
      '- a',
      '\u2028',
      '\u0085',
      '\n- preset: x',
      '%',
      '&a',
      '!!js',
      '$SYS',
      '',
    ),
    fc.string({ unit: 'binary', maxLength: 8 }).map((text) => text.replace(/[/+#\0]/g, '_')),
  );
  const payload = fc.oneof(
    fc.constantFrom(
      '1',
      '{"t":1}',
      '{"id":"a\\nb","t":1}',
      '{"\\u2028":1,"#":{"a":2}}',
      'on',
      'cpu,h=1 v=2',
      '[{"n":"a","u":"V","v":1}]',
      '{"values":[{"n":"x","v":1}]}',
    ),
    fc.json({ maxDepth: 3 }),
    fc.string({ maxLength: 20 }),
  );
  const message = fc.record({
    topic: fc
      .array(level, { minLength: 1, maxLength: 4 })
      .map((levels) => levels.join('/'))
      .filter((topic) => topic !== ''),
    payload,
    retain: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 12 }), (messages) => {
      const yaml = learnedYaml(learnFrom(messages), { mqtt: undefined, alerts: true });
      const { config } = loadConfig({ text: yaml, file: 'learnt', env: {} });
      expect(config.mqtt.url).toBeUndefined();
    }),
    { numRuns: rounds(30, 60), seed: 4 },
  );
});

test('a long hint is wrapped, and never cut off', () => {
  const messages = [1, 2, 3].map(() => ({
    topic: 'm/dev1',
    payload: JSON.stringify([
      { kind: 'a', value: 1 },
      { kind: 'b', value: 2 },
    ]),
  }));
  const yaml = learnedYaml(learnFrom(messages), { mqtt: undefined, alerts: false });
  const lines = yaml.split('\n').filter((line) => /^ {2}# {3}[! ] /.test(line));
  expect(lines.join(' ').replace(/\s+#?\s*/g, ' ')).toContain('or part of the metric (pivot, metric)');
  expect(Math.max(...yaml.split('\n').map((line) => line.length))).toBeLessThan(130);
});

test('a learnt configuration says that it has no alert rules', () => {
  const yaml = learnedYaml(learnFrom([{ topic: 'a/n1', payload: '{"temperature":1}', retain: false }]), {
    mqtt: undefined,
    alerts: false,
  });
  expect(loadConfig({ text: yaml, file: 'learnt', env: {} }).config.alerts.metrics).toEqual({});
  expect(yaml).toMatch(/^# Without alerts nothing is watched: .*rules suggest/m);
});

test('what is kept is bounded, what is counted is not', () => {
  const gathering = new Gathering();
  const payload = new Uint8Array(100_000);
  for (let n = 0; n < 3000; n++)
    gathering.add({ topic: `t/${n % 1000}`, payload, retain: false, receivedAtMs: n });
  for (let n = 0; n < 100; n++)
    gathering.add({ topic: 'x', payload: new Uint8Array(1), retain: false, receivedAtMs: n });
  expect(gathering.messages).toBe(3100);
  expect(gathering.counts.get('x')).toBe(100);
  expect(gathering.samples.filter(({ topic }) => topic === 'x')).toHaveLength(50);
  expect(gathering.samples.reduce((sum, one) => sum + one.payload.length, 0)).toBeLessThan(64 * 1024 ** 2);
  expect(gathering.overlooked).toBeGreaterThan(2000);
});
