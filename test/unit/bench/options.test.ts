import { describe, expect, test } from '@jest/globals';
import { UsageError } from '../../../bench/arguments.ts';
import { type BenchOptions, parseOptions } from '../../../bench/options.ts';

const parsed = (...args: string[]) => parseOptions(args) as BenchOptions;

describe('the options of the bench', () => {
  test('by default all parts run, at full size', () => {
    const options = parsed();
    expect([...options.parts].join('')).toBe('abcc2defghijk');
    expect(options.sizes).toMatchObject({
      liveMessages: 200_000,
      liveWarmUp: 20_000,
      drainMessages: 100_000,
      runs: 3,
    });
    expect(options).toMatchObject({ json: false, check: false, quick: false, seed: 1 });
  });

  test('eight daemons are started only on request', () => {
    expect([...parsed('--only', 'scale').parts]).toEqual(['scale']);
  });

  test('--peers measures them between the ends of the scale', () => {
    expect([...parsed('--peers').parts]).toEqual(['c', 'e', 'f', 'peers']);
    expect([...parsed('--peers', '--only', 'b').parts]).toEqual(['c', 'e', 'f', 'peers', 'b']);
  });

  test('--only, --runs, --messages and --quick narrow it down', () => {
    const options = parsed('--quick', '--only', 'b, c2', '--runs', '5', '--messages', '1000');
    expect([...options.parts]).toEqual(['b', 'c2']);
    expect(options.sizes).toMatchObject({
      runs: 5,
      drainMessages: 1000,
      drainWarmUp: 1000,
      liveMessages: 1000,
      liveWarmUp: 1000,
    });
  });

  test('servers are given by URL', () => {
    const options = parsed('--database-url', 'postgres://u@h/db', '--mqtt-url', 'mqtt://h:1883');
    expect(options).toMatchObject({ databaseUrl: 'postgres://u@h/db', mqttUrl: 'mqtt://h:1883' });
  });

  test.each([
    [['--only', 'z'], /"z" is no part/],
    [['--only', ''], /is no part/],
    [['--runs', '0'], /--runs: "0" is no whole number/],
    [['--messages', '1.5'], /--messages/],
    [['--seed', 'x'], /--seed/],
    [['--nonsense'], /nonsense/],
    [['stray'], /stray/],
    [['--mqtt-url', 'mqtts://h'], /--mqtt-url: expected a URL that starts with mqtt:\/\//],
    [['--database-url', 'nowhere'], /--database-url/],
  ])('%j is refused', (args, message) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(message);
  });

  test('a password in a refused URL is not repeated', () => {
    expect(() => parseOptions(['--mqtt-url', 'mqtts://u:hunter2@h'])).toThrow(/^((?!hunter2).)*$/);
  });

  test('--help wins', () => {
    expect(parseOptions(['--help', '--quick'])).toBe('help');
  });
});
