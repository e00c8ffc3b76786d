import { expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { alertTopic, topicLevel } from '../../../src/core/notify/mqtt-topic.ts';

test.each([
  ['a1', 'a1'],
  ['lab/a1', 'lab%2Fa1'],
  ['a+b#c%d', 'a%2Bb%23c%25d'],
  ['a\u0000\n', 'a%00%0A'],
  ['Küche', 'Küche'],
  ['', '%'],
])('%j is the level %s', (name, level) => expect(topicLevel(name)).toBe(level));

test('every name has one level of its own, and can be read back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (name) => {
      const level = topicLevel(name);
      expect(level).not.toMatch(/[/+#\0]/);
      expect(decodeURIComponent(level)).toBe(name);
    }),
  );
  expect(alertTopic('p/q', { sensorKey: 'a/b', alertType: 'x_high' })).toBe('p/q/a%2Fb/x_high');
});

test.each([
  ['temperature', 'temperature_high', 'p/s1/temperature_high'],
  ['flow_rate', 'flow_rate_high', 'p/s1/flow_rate_high'],
  ['flow', 'flow_rate_high', 'p/s1/flow_rate_high/flow'],
  ['humidity', 'humidity_no_data', 'p/s1/humidity_no_data'],
  ['', 'offline', 'p/s1/offline'],
])('alerts that share a type have topics of their own: %j, %s', (metric, alertType, topic) =>
  expect(alertTopic('p', { sensorKey: 's1', alertType, metric })).toBe(topic),
);
