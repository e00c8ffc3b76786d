import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { learnFrom, routesOf } from '../../support/learning.ts';
import { feed, routerOf, type Feed } from '../../support/routes.ts';

// Captures of reported senders: what is printed decodes all of them, without merging or inventing devices.

const capture = (name: string): Feed[] =>
  readFileSync(new URL(`../../fixtures/captures/${name}.jsonl`, import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Feed);

test.each<[string, string[], string[]]>([
  ['cloudevents', ['/sensors/a0', '/sensors/a1'], ['temperature']],
  ['enigma', ['W01', 'W02'], ['analog_in', 'temperature']],
  ['kepware', ['line1'], ['P.L1.Speed', 'P.L1.Temp']],
  ['neuron', ['modbus0', 'modbus1'], ['tag0']],
  ['omg433', ['Acurite-Tower/A/8623', 'Bresser-7in1/1272'], ['battery', 'humidity', 'rssi', 'temperature']],
  [
    'victron',
    [
      'c0619aba2ebd/battery/277',
      'c0619aba2ebd/solarcharger/42',
      'c0619aba2ebd/system/0',
      'c0619aba2ebd/vebus/276',
    ],
    ['Ac/Grid/L1/Power', 'Ac/Out/L1/P', 'Dc/Battery/Soc', 'Dc/Battery/Voltage', 'Pv/V', 'Soc', 'Yield/Power'],
  ],
  ['weewx', ['loop'], ['outHumidity', 'outTemp', 'usUnits', 'windSpeed_mph']],
])('%s', (name, devices, metrics) => {
  const messages = capture(name);
  const learned = learnFrom(messages);
  expect(learned.notPlaced).toEqual([]);
  const router = routerOf(routesOf(learned));
  const found = { devices: new Set<string>(), metrics: new Set<string>() };
  for (const message of messages) {
    const decoded = feed(router, message);
    if (decoded.kind === 'reject') {
      expect(['ignored', 'no_match']).toContain(decoded.code);
      continue;
    }
    expect(decoded.ambiguous ?? 0).toBe(0);
    for (const reading of decoded.readings) {
      found.devices.add(reading.device);
      for (const metric of reading.metrics.keys()) found.metrics.add(metric);
    }
  }
  expect([...found.devices].sort()).toEqual(devices);
  expect([...found.metrics].sort()).toEqual(metrics);
});

test('an id that numbers the messages is no device, and the topic names one', () => {
  const messages = [1, 2, 3, 4, 5].map((id) => ({
    topic: 'plant/press/data',
    payload: JSON.stringify({ id: `9aeb0fdf-c01e-0131-0922-00000000000${id}`, temperature: 20 + id }),
  }));
  expect(learnFrom(messages).routes.flatMap((route) => route.devices)).toEqual(['press']);
});

test('wmbusmeters: the meter, not the receiver', () => {
  const messages = ['1', '2', '1', '2'].map((id) => ({
    topic: 'wmbusmeters',
    payload: JSON.stringify({ media: 'water', meter: 'multical21', id, device: 'im871a[1]', total_m3: 5 }),
  }));
  expect(learnFrom(messages).routes.flatMap((route) => route.devices)).toEqual(['1', '2']);
});
