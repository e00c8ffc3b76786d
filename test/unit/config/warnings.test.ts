import { expect, test } from '@jest/globals';
import { loadConfig } from '../../../src/config/load.ts';
import { warningsOf } from '../../../src/config/warnings.ts';

const warnings = (route: object) =>
  warningsOf(loadConfig({ text: JSON.stringify({ routes: [route] }), env: {} }).config);

test.each([
  [{ topic: 'lab/readings' }, /^routes\[0\]: no device in the topic lab\/readings: a payload without a key/],
  [
    { topic: 'lab/readings', preset: 'json' },
    /^routes\[0\]: no device in the topic lab\/readings: a payload/,
  ],
  [
    { topic: 'lab/{metric}', preset: 'scalar' },
    /a scalar payload has none: every message becomes a dead letter/,
  ],
  [{ topic: ['lab/{device}', 'hall/+'], codec: 'cbor' }, /^routes\[0\]: no device in the topic hall\/\+: /],
  [
    { topic: 'lab/{metric}', codec: 'scalar' },
    /a scalar payload has none: every message becomes a dead letter/,
  ],
  [{ topic: 'lora/#', codec: 'cayenne-lpp' }, /every message becomes a dead letter/],
])('a route without a device: %j', (route, message) => {
  expect(warnings(route)).toEqual([expect.stringMatching(message)]);
});

test.each([
  { topic: 'lab/{device}/x' },
  { topic: 'lab/{device...}', codec: 'auto' },
  { topic: 'lab/x', device: 'x' },
  { topic: 'lab/{device}/{metric}', preset: 'scalar' },
  { preset: 'senml' },
  { preset: 'tasmota' },
  { topic: 'lab/x', device_path: '/id' },
  { topic: 'telegraf/#', codec: 'line-protocol', device_tag: 'host' },
  { topic: 'lab/#', codec: 'senml' },
  { preset: 'zigbee2mqtt' },
])('what names a device is no warning: %j', (route) => expect(warnings(route)).toEqual([]));
