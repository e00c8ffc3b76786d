import { expect, test } from '@jest/globals';
import { routesSchema } from '../../../src/config/schema/routes.ts';
import { learnFrom, routesOf } from '../../support/learning.ts';
import { type WatchedRoute, feed, plain, routerOf } from '../../support/routes.ts';

// What a payload or a topic states of its unit is believed for that device alone, and volts are no percent.

/** Three messages of each topic; `text` is given the number of the message. */
const thrice = (topics: Readonly<Record<string, (n: number) => unknown>>): WatchedRoute[] =>
  Object.entries(topics).flatMap(([topic, of]) =>
    [0, 1, 2].map((n) => ({
      topic,
      payload: typeof of(n) === 'string' ? String(of(n)) : JSON.stringify(of(n)),
      received_at: `2026-01-15T12:0${n}:00.000Z`,
    })),
  );

/** The last values of each device, by the configuration that was learnt. */
function values(messages: readonly WatchedRoute[]): Record<string, Record<string, number>> {
  const router = routerOf(routesSchema.parse(routesOf(learnFrom(messages))));
  const found: Record<string, Record<string, number>> = {};
  for (const message of messages) {
    const readings = plain(feed(router, message));
    for (const { device, metrics } of Array.isArray(readings) ? readings : [])
      for (const [name, value] of Object.entries(metrics as Record<string, number>))
        (found[device as string] ??= {})[name] = Number(value.toFixed(2));
  }
  return found;
}

test.each<[string, WatchedRoute[], Record<string, Record<string, number>>]>([
  [
    'beside the value of a topic that names the metric',
    thrice({
      'home/a/temperature': (n) => ({ value: 20 + n, unit: 'C' }),
      'home/b/temperature': (n) => ({ value: 66 + n, unit: 'F' }),
      'home/b/humidity': (n) => ({ value: 40 + n, unit: '%' }),
    }),
    { a: { temperature: 22 }, b: { temperature: 20, humidity: 42 } },
  ],
  [
    'beside a value that nothing else names',
    thrice({
      'home/a/t': (n) => ({ value: 20 + n, unit: '°C' }),
      'home/b/t': (n) => ({ value: 66 + n, unit: '°F' }),
    }),
    { a: { temperature: 22 }, b: { temperature: 20 } },
  ],
  [
    'in objects of value and unit',
    thrice({
      'home/a/data': (n) => ({ temp: { value: 20 + n, unit: 'C' }, hum: 40 }),
      'home/b/data': (n) => ({ temp: { value: 66 + n, unit: 'F' }, hum: 41 }),
      'home/c/data': (n) => ({ temp: { value: 20 + n, unit: 'C' }, hum: 40 }),
    }),
    {
      a: { temperature: 22, humidity: 40 },
      b: { temperature: 20, humidity: 41 },
      c: { temperature: 22, humidity: 40 },
    },
  ],
  [
    'beside what the payload names',
    thrice({
      'home/a/data': (n) => ({ pressure: 1000 + n, unit: 'hPa' }),
      'home/b/data': (n) => ({ pressure: 100 + n, unit: 'kPa' }),
    }),
    { a: { pressure: 1002 }, b: { pressure: 1020 } },
  ],
  [
    'as a level of the topic',
    thrice({ 'units/a/temp/C': (n) => `${20 + n}`, 'units/b/temp/F': (n) => `${66 + n}` }),
    { a: { temperature: 22 }, b: { temperature: 20 } },
  ],
  [
    'the same of all',
    thrice({
      'home/a/temperature': (n) => ({ value: 66 + n, unit: 'F' }),
      'home/b/temperature': (n) => ({ value: 66 + n, unit: 'F' }),
    }),
    { a: { temperature: 20 }, b: { temperature: 20 } },
  ],
  [
    'of devices that one topic speaks for: left out rather than mistaken',
    [
      ...thrice({ 'gw/data': (n) => ({ id: 'a', temp: { value: 20 + n, unit: 'C' }, hum: 40 }) }),
      ...thrice({ 'gw/data': (n) => ({ id: 'b', temp: { value: 66 + n, unit: 'F' }, hum: 41 }) }),
    ],
    { a: { humidity: 40 }, b: { humidity: 41 } },
  ],
  [
    'volts of a battery',
    thrice({
      'home/a/data': (n) => ({ battery: 3.6 + n / 100, t: 1 }),
      'home/b/data': (n) => ({ battery: 3 - n / 100, t: 1 }),
    }),
    { a: { battery_voltage: 3.62, t: 1 }, b: { battery_voltage: 2.98, t: 1 } },
  ],
  [
    'millivolts of a battery, and another in percent',
    thrice({
      'home/a/batt': (n) => `${2900 + n}`,
      'home/b/batt': (n) => `${90 + n}`,
      'home/c/batt': (n) => `${4 - n}`,
    }),
    { a: { battery_voltage: 2.9 }, b: { battery: 92 }, c: { battery: 2 } },
  ],
])('a unit %s', (_, messages, expected) => {
  expect(values(messages)).toEqual(expected);
});

test('ambiguous units are reported', () => {
  const messages = [
    ...thrice({ 'gw/data': () => ({ id: 'a', temp: { value: 20, unit: 'C' }, hum: 40 }) }),
    ...thrice({ 'gw/data': () => ({ id: 'b', temp: { value: 66, unit: 'F' }, hum: 41 }) }),
  ];
  expect(learnFrom(messages).routes.flatMap(({ hints }) => hints)).toEqual([
    expect.stringContaining('values of different units'),
  ]);
});

// Values say less than a stated unit: what is certain is proposed, what is not is only said.
const hintsFor = (topics: Readonly<Record<string, (n: number) => unknown>>): string[] =>
  learnFrom(thrice(topics)).routes.flatMap(({ hints }) => hints);
const both = (of: (n: number) => unknown) => ({ 'home/a/data': of, 'home/b/data': of });

test.each<[string, (n: number) => unknown, string, number]>([
  ['Pa', (n) => ({ pressure: 101_300 + n * 100, co2: 400 }), 'pressure', 1015],
  ['kPa', (n) => ({ pressure: 101.3 + n / 10, co2: 400 }), 'pressure', 1015],
  [
    'kPa, beside a field of its own',
    (n) => ({ pressure: 101.3 + n / 10, air: { co2: '400' } }),
    'pressure',
    1015,
  ],
  ['K, where humidity says that it is the air', (n) => ({ temp: 293.15 + n, hum: 40 }), 'temperature', 22],
])('values in %s are converted', (_, of, metric, expected) => {
  expect(values(thrice(both(of)))['a']?.[metric]).toBe(expected);
});

test.each<[string, (n: number) => unknown, RegExp, string]>([
  ['bar', (n) => ({ pressure: 1.01 + n / 100, co2: 400 }), /pressure 1\.01…1\.03 .*bar/, 'pressure'],
  ['inHg', (n) => ({ pressure: 29.9 + n / 10, co2: 400 }), /pressure 29\.9…30\.1 .*inHg/, 'pressure'],
  ['psi', (n) => ({ pressure: 14.5 + n / 10, co2: 400 }), /pressure 14\.5…14\.7 .*psi/, 'pressure'],
  ['mmHg', (n) => ({ pressure: 750 + n, co2: 400 }), /pressure 750…752 .*mmHg/, 'pressure'],
  ['no unit of the air', (n) => ({ pressure: 3.2 + n, flow: 4 }), /pressure 3\.2…5\.2 .*no air/, 'pressure'],
  ['°F', (n) => ({ temp: 68 + n, hum: 40 }), /temperature 68…70 .*°F/, 'temperature'],
  ['K', (n) => ({ temp: 293 + n, level: 4 }), /temperature 293…295 .*K/, 'temperature'],
])('values that may be in %s are kept, and said', (_, of, said, metric) => {
  const messages = thrice(both(of));
  expect(learnFrom(messages).routes.flatMap(({ hints }) => hints)).toEqual([expect.stringMatching(said)]);
  const sent = feed(routerOf([{ topic: 'home/{device}/data', codec: 'json' }]), messages[2]!);
  const asSent = (plain(sent) as { metrics: Record<string, number> }[])[0]!.metrics[metric]!;
  expect(values(messages)['a']?.[metric]).toBeCloseTo(asSent, 2);
});

test('values as usual say nothing, a boiler and an oven neither', () => {
  expect(hintsFor(both((n) => ({ temp: -10 + n, hum: 40, pressure: 1013 })))).toEqual([]);
  expect(hintsFor(both((n) => ({ temp: 62 + n, flow: 3 })))).toEqual([]);
  expect(hintsFor(both((n) => ({ temp: 180 + n * 40, power: 3 })))).toEqual([]);
});

test('one device of several is named', () => {
  const hints = hintsFor({
    'home/a/data': (n) => ({ temp: 20 + n, hum: 40 }),
    'home/b/data': (n) => ({ temp: 68 + n, hum: 41 }),
  });
  expect(hints).toEqual([expect.stringMatching(/^temperature 68…70 of b .*°F/)]);
});

test('what an ecosystem does not say is doubted, too', () => {
  const numbers = thrice({
    'node/sensor/temperature/state': (n) => `${70 + n}`,
    'node/sensor/humidity/state': (n) => `${40 + n}`,
    'node/sensor/pressure/state': (n) => `${29.9 + n / 10}`,
  });
  expect(learnFrom(numbers).routes.flatMap(({ hints }) => hints)).toEqual([
    expect.stringMatching(/pressure .*inHg/),
    expect.stringMatching(/temperature .*°F/),
  ]);
});
