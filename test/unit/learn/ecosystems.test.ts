import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { PRESETS } from '../../../src/core/ingest/preset/index.ts';
import { jsons, learnFrom, routesOf, texts } from '../../support/learning.ts';
import type { WatchedRoute } from '../../support/routes.ts';

interface Case extends WatchedRoute {
  readonly name: string;
  readonly preset: string;
  readonly expect?: unknown;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly setup?: readonly WatchedRoute[];
}

const ECOSYSTEMS = PRESETS.filter((preset) => preset.recognise !== undefined).map(({ name }) => name);
const cases = readFileSync(new URL('../../fixtures/payload-cases.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Case)
  .filter((one) => ECOSYSTEMS.includes(one.preset) && one.expect !== undefined);

describe('every ecosystem is recognised', () => {
  test('each preset says how, but those that are a codec under its own name', () => {
    const silent = PRESETS.filter((preset) => preset.recognise === undefined).map(({ name }) => name);
    expect(silent).toEqual([
      ...[
        'json',
        'scalar',
        'cbor',
        'msgpack',
        'protobuf',
        'senml',
        'line-protocol',
        'cayenne-lpp',
        'csv',
        'pattern',
      ],
    ]);
  });

  test.each(cases.map((one) => [one.name, one] as const))('%s, alone', (_, one) => {
    const learned = learnFrom([
      ...(one.setup ?? []).map((s) => ({ ...s, received_at: one.received_at })),
      one,
    ] as WatchedRoute[]);
    expect(routesOf(learned).map(({ preset }) => preset)).toEqual([one.preset]);
    expect(learned.routes[0]?.devices.length).toBeGreaterThan(0);
    expect(learned.notPlaced).toEqual([]);
  });
});

test.each([
  ['two sensors of one device that measure the same', 'BME280', true],
  ['the temperature of the chip', 'ESP32', undefined],
])('tasmota, %s: split_blocks %s', (_, second, expected) => {
  const learned = learnFrom(
    jsons({
      'tele/shed/SENSOR': {
        Time: '2026-01-15T12:00:00',
        DS18B20: { Temperature: 21.5 },
        [second]: { Temperature: 22.5 },
        TempUnit: 'C',
      },
    }),
  );
  expect(routesOf(learned)[0]?.split_blocks).toBe(expected);
});

describe('where it is not where it usually is', () => {
  const NOW_S = Date.parse('2026-01-15T12:00:00Z') / 1000;
  const rows: readonly (readonly [string, WatchedRoute[], object])[] = [
    [
      'zigbee2mqtt with another base, by its bridge',
      jsons({ 'home/zigbee/bridge/state': { state: 'online' }, 'home/zigbee/lamp/one': { linkquality: 80 } }),
      { preset: 'zigbee2mqtt', base_topic: 'home/zigbee' },
    ],
    [
      'zigbee2mqtt with another base, by the link quality',
      jsons({ 'z2m/door': { contact: true, linkquality: 80 } }),
      { preset: 'zigbee2mqtt', base_topic: 'z2m' },
    ],
    [
      'tasmota with the topic before the prefix',
      jsons({ 'plug1/tele/SENSOR': { Time: '2026-01-15T12:00:00', ENERGY: { Power: 12 } } }),
      {
        preset: 'tasmota',
        topic: [
          '{device}/tele/SENSOR',
          '{device}/tele/STATE',
          '{device}/stat/STATUS8',
          '{device}/stat/STATUS10',
          '{device}/tele/ZbReceived',
          '{device}/tele/LwReceived',
          '{device}/tele/LwDecoded',
        ],
      },
    ],
    [
      'tasmota below something',
      jsons({ 'attic/tele/plug1/SENSOR': { Time: '2026-01-15T12:00:00', ENERGY: { Power: 12 } } }),
      {
        preset: 'tasmota',
        topic: [
          'attic/tele/{device...}/SENSOR',
          'attic/tele/{device...}/STATE',
          'attic/stat/{device...}/STATUS8',
          'attic/stat/{device...}/STATUS10',
          'attic/tele/{device...}/ZbReceived',
          'attic/tele/{device...}/LwReceived',
          'attic/tele/{device...}/LwDecoded',
        ],
      },
    ],
    [
      'rtl_433 from a pipe',
      jsons({ 'radio/433': { time: '2026-01-15 12:00:00', model: 'Nexus-TH', id: 4, temperature_C: 20 } }),
      { preset: 'rtl_433', topic: 'radio/433' },
    ],
    [
      'chirpstack behind a bridge',
      jsons({
        'lora/application/a/device/0101010101010101/event/status': {
          deviceInfo: { devEui: '0101010101010101' },
          margin: 10,
          batteryLevel: 88,
        },
      }),
      {
        preset: 'chirpstack-v4',
        topic: ['up', 'status'].map(
          (event) => `lora/application/{application}/device/{dev_eui}/event/${event}`,
        ),
      },
    ],
    [
      'shelly with a prefix',
      jsons({ 'garden/shelly1/status/temperature:0': { id: 0, tC: 3.5 } }),
      { preset: 'shelly-gen2', base_topic: 'garden' },
    ],
    [
      'owntracks with another base',
      jsons({ 'phones/jane/x': { _type: 'location', tst: NOW_S, lat: 1, lon: 2 } }),
      { preset: 'owntracks', base_topic: 'phones' },
    ],
    [
      'homie 4 with another base',
      texts({ 'house/boiler/$state': 'ready', 'house/boiler/tank/temperature': '61.5' }),
      { preset: 'homie', base_topic: 'house' },
    ],
    [
      'esphome with a prefix of two levels',
      texts({ 'attic/esp1/sensor/co2/state': '412' }),
      { preset: 'esphome' },
    ],
  ];

  test.each(rows)('%s', (_, messages, wanted) => {
    const learned = learnFrom(messages);
    expect(routesOf(learned)).toEqual([wanted]);
    expect(learned.routes[0]?.devices.length).toBe(1);
  });
});

test('an ecosystem that only announces itself has its route, and the page says that nothing was measured', () => {
  const [route] = learnFrom(texts({ 'tele/wemos/LWT': 'Online' })).routes;
  expect(route).toMatchObject({ route: { preset: 'tasmota' }, devices: [] });
  expect(route?.hints[0]).toMatch(/nothing was measured/);
});

test('data without a received birth is reported, with the remedy', () => {
  const [line] = cases.filter(({ name }) => name === 'sparkplug-ddata-by-name');
  expect(line).toBeDefined();
  const alias = {
    topic: 'spBv1.0/G1/DDATA/E1/D1',
    payload_hex: '08eaf2f5a8a02b120e100a18eaf2f5a8a02b650000ac411802',
  };
  const { notPlaced } = learnFrom([{ ...alias, received_at: '2017-02-03T17:55:02.300Z' }]);
  expect(notPlaced).toEqual([
    {
      reason: expect.stringMatching(/unknown_alias.*request_rebirth/),
      messages: 1,
      topics: 1,
      examples: [alias.topic],
    },
  ]);
});
