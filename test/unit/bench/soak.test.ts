import { describe, expect, test } from '@jest/globals';
import { parseOptions } from '../../../bench/soak/options.ts';
import { comparison, formatLines, holds } from '../../../bench/soak/verdict.ts';

describe('options', () => {
  test('defaults, and what is given', () => {
    expect(parseOptions(['outage'])).toMatchObject({
      mode: 'outage',
      seconds: 600,
      rate: 1000,
      maxRssMb: 300,
    });
    expect(parseOptions(['steady', '--seconds', '20', '--tolerance', '0.5'])).toMatchObject({
      mode: 'steady',
      seconds: 20,
      tolerance: 0.5,
    });
    expect(parseOptions(['silence', '--sensors', '5000'])).toMatchObject({
      mode: 'silence',
      sensors: 5000,
      seconds: 120,
      maxRssMb: 600,
    });
    expect(parseOptions(['outage', '--alerting', '20', '--lateness', '0'])).toMatchObject({
      alerting: 20,
      lateness: 0,
    });
    expect(parseOptions(['--help'])).toBe('help');
  });

  test.each([
    [[], /expected one of/],
    [['other'], /expected one of/],
    [['steady', '--seconds', '1.5'], /--seconds: "1.5"/],
    [['silence', '--seconds', '10'], /--seconds: "10" is no whole number from 60 on/],
    [['silence', '--sensors', '1'], /--sensors: "1"/],
    [['steady', '--rate', '0'], /--rate: "0"/],
    [['steady', '--rate', ''], /--rate: ""/],
    [['steady', '--nonsense'], /nonsense/],
    [
      ['outage', '--database-url', 'http://user:secret@host'],
      /^--database-url: expected a URL[^]*(?<!secret.*)$/,
    ],
  ])('%j is refused', (args, message) => {
    expect(() => parseOptions(args)).toThrow(message);
  });
});

describe('verdict', () => {
  test('a figure without a limit is shown; one that was not seen has not kept its limit', () => {
    expect(holds({ what: 'x', value: 5, unit: 'ms' })).toBe(true);
    expect(holds({ what: 'x', value: 5, unit: 'ms', limit: 5 })).toBe(true);
    expect(holds({ what: 'x', value: 5.1, unit: 'ms', limit: 5 })).toBe(false);
    expect(holds({ what: 'x', value: NaN, unit: 'ms', limit: 5 })).toBe(false);
  });

  test.each([
    [100, 120, true],
    [100, 121, false],
    // Below the floor a share means nothing.
    [1, 6, true],
    [1, 6.1, false],
    [100, 50, true],
    [NaN, 50, false],
  ])('from %d to %d within a fifth or 5: %s', (first, last, kept) => {
    const lines = comparison('x', 'ms', [first, last], { tolerance: 0.2, floor: 5 });
    expect(lines.every(holds)).toBe(kept);
  });

  test('the table names what is violated', () => {
    const lines = [
      { what: 'sent', value: 12_540, unit: '' },
      { what: 'lost', value: 3, unit: '', limit: 0 },
    ];
    expect(formatLines('outage', lines)).toBe(
      ['outage', '', 'sent  12,500', 'lost       3  <= 0  VIOLATED', '', 'VIOLATED: 1', ''].join('\n'),
    );
  });
});
