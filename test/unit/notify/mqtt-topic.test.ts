import { expect, test } from '@jest/globals';
import fc from 'fast-check';
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
  expect(alertTopic('p/q', 'a/b', 'x_high')).toBe('p/q/a%2Fb/x_high');
});
