import { describe, expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { oneLine } from '../../../src/core/notify/one-line.ts';
import {
  FACTS,
  factsOf,
  isTemplateFault,
  parseTemplate,
  render,
  truncate,
} from '../../../src/core/notify/template.ts';
import { ENGLISH, outgoing } from '../../support/notifications.ts';

const rendered = (text: string, more = {}) => {
  const parsed = parseTemplate(text);
  if (isTemplateFault(parsed)) throw new Error(`${parsed.at}: ${parsed.message}`);
  return render(parsed, factsOf(outgoing(more), ENGLISH), oneLine);
};

describe('a template', () => {
  test.each([
    ['{{sensor}} is at {{ value }}, limit {{threshold}}', 'kitchen is at 31, limit 30'],
    ['{{name}} in {{location}}', 'Kitchen, left in ground floor'],
    ['no placeholders', 'no placeholders'],
    ['', ''],
    ['literally \\{{sensor}}', 'literally {{sensor}}'],
    ['{sensor} }} {', '{sensor} }} {'],
    ['{{sensor}}{{sensor}}', 'kitchenkitchen'],
    ['{{peak_value}}|{{reason}}', '|'],
  ])('%j is %j', (text, expected) => expect(rendered(text)).toBe(expected));

  test.each([
    ['x {{senser}}', 3, /unknown placeholder "senser"/],
    ['{{sensor}} {{', 12, /not closed/],
    ['{{sensor', 1, /not closed/],
    ['{{}}', 1, /unknown placeholder ""/],
    ['{{constructor}}', 1, /unknown/],
  ])('%j is refused at character %i', (text, at, message) => {
    expect(parseTemplate(text)).toMatchObject({ at, message: expect.stringMatching(message) });
  });

  test('has every fact, and every fact has a text', () => {
    for (const fact of FACTS) expect(typeof rendered(`{{${fact}}}`)).toBe('string');
  });

  test('a value is never read as a template, nor does it make a line of its own', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (sensorKey) => {
        const text = rendered('<{{sensor}}>', { sensorKey });
        expect(text).not.toMatch(/[\r\n\0]/);
        expect(text).toBe(`<${oneLine(sensorKey)}>`);
      }),
    );
    expect(rendered('{{sensor}}', { sensorKey: '{{alert_id}}' })).toBe('{{alert_id}}');
  });
});

test('cut leaves no half characters', () => {
  expect(truncate('aé😀b', 3)).toBe('aé…');
  expect(truncate('abc', 3)).toBe('abc');
});
