import { describe, expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { filterCovers, parseTopicPattern, reduceFilters } from '../../../src/core/ingest/topic.ts';
import { rounds } from '../../support/rounds.ts';

function pattern(text: string) {
  const parsed = parseTopicPattern(text);
  if (!parsed.ok) throw new Error(`${text}: ${parsed.message}`);
  return parsed.pattern;
}

const captures = (text: string, topic: string) => {
  const found = pattern(text).match(topic);
  return found && Object.fromEntries(found);
};

describe('matching', () => {
  test.each([
    ['sensors/{device}', 'sensors/n1', { device: 'n1' }],
    ['sensors/{device}', 'sensors/n1/x', undefined],
    ['sensors/{device}', 'sensors', undefined],
    ['sensors/{device}', 'sensors/', { device: '' }],
    ['home/{device}/+/{metric}', 'home/bath/analog/light', { device: 'bath', metric: 'light' }],
    ['z/{device...}', 'z/a/b/c', { device: 'a/b/c' }],
    ['z/{device...}', 'z', undefined],
    ['{device...}/sensor/{metric}/state', 'a/b/sensor/t/state', { device: 'a/b', metric: 't' }],
    [
      '{device...}/sensor/{metric}/state',
      'sensor/sensor/sensor/state',
      { device: 'sensor', metric: 'sensor' },
    ],
    ['{device...}/sensor/{metric}/state', 'sensor/t/state', undefined],
    ['a/#', 'a', {}],
    ['a/#', 'a/b/c', {}],
    ['a/#', 'b', undefined],
    ['#', 'a/b', {}],
    ['+', '/a', undefined],
    ['+/+', '/a', {}],
    // A leading wildcard never matches $ topics (MQTT 5.0, 4.7.2); a literal does.
    ['#', '$SYS/x', undefined],
    ['+/x', '$SYS/x', undefined],
    ['{a}/x', '$SYS/x', undefined],
    ['{a...}', '$SYS/x', undefined],
    ['$SYS/{metric...}', '$SYS/broker/uptime', { metric: 'broker/uptime' }],
    ['a/{b}', 'a/$x', { b: '$x' }],
    ['$share/g1/sensors/{device}', 'sensors/n1', { device: 'n1' }],
    ['$share/g1/sensors/{device}', '$share/g1/sensors/n1', undefined],
  ])('%s on %s', (text, topic, wanted) => {
    expect(captures(text, topic)).toEqual(wanted);
  });
});

describe('filters', () => {
  test.each([
    ['sensors/{device}/x', 'sensors/+/x'],
    ['z/{device...}', 'z/#'],
    ['{device...}/sensor/{metric}/state', '#'],
    ['$share/g/a/{b}/#', '$share/g/a/+/#'],
  ])('%s -> %s', (text, filter) => {
    expect(pattern(text).filter).toBe(filter);
  });

  test('a filter that another one covers is left out', () => {
    expect(reduceFilters(['a/+', 'a/b', 'a/#', 'a/#', 'b', '$SYS/x'])).toEqual(['a/#', 'b', '$SYS/x']);
    expect(reduceFilters(['#', '$SYS/#', 'a'])).toEqual(['#', '$SYS/#']);
  });
});

describe('faults', () => {
  test.each([
    ['', /empty/],
    ['a/#/b', /last level/],
    ['a/b#', /alone/],
    ['a+/b', /alone/],
    ['a/{x', /named segment/],
    ['a/x{y}', /named segment/],
    ['a/{}', /named segment/],
    ['a/{x}/{x}', /twice/],
    ['{x...}/a/{y...}', /only one/],
    ['{x...}/a/#', /only one/],
    ['a\u0000b', /U\+0000/],
    ['$share//a', /shared subscription/],
    ['$share/g', /shared subscription/],
    ['$share/g+/a', /shared subscription/],
  ])('%s', (text, message) => {
    const parsed = parseTopicPattern(text);
    expect(parsed.ok ? 'accepted' : parsed.message).toMatch(message);
  });
});

/** The specification's own words, tried level by level with backtracking. */
function reference(levels: readonly string[], parts: readonly string[]): boolean {
  const [level, ...others] = levels;
  if (level === undefined) return parts.length === 0;
  if (level === '#') return true;
  const [part, ...left] = parts;
  if (part === undefined) return false;
  if (/^\{\w+\.\.\.\}$/.test(level))
    return reference(others, left) || (left.length > 0 && reference(levels, left));
  return (level === part || level === '+' || level.startsWith('{')) && reference(others, left);
}

describe('statement 15: against the reference matcher', () => {
  const word = fc.constantFrom('a', 'b', '', '$x');
  const topics = fc.array(word, { minLength: 1, maxLength: 6 });
  const plainLevels = fc.array(fc.constantFrom('a', 'b', '', '+', '{n}'), { maxLength: 5 });
  const withMany = fc
    .tuple(plainLevels, fc.constantFrom('', '#', '{m...}'), plainLevels)
    .map(([head, many, tail]) =>
      many === '' ? head : many === '#' ? [...head, '#'] : [...head, many, ...tail],
    )
    .map((levels) => levels.map((level, index) => (level === '{n}' ? `{n${index}}` : level)))
    .filter((levels) => levels.length > 0 && levels.join('/') !== '');

  test('the same topics match, with a share group in front or without', () => {
    fc.assert(
      fc.property(withMany, topics, fc.constantFrom('', '$share/g/', '$share/a/'), (levels, parts, group) => {
        const topic = parts.join('/');
        const dollar = topic.startsWith('$') && /^[+#{]/.test(levels[0] ?? '');
        const wanted = !dollar && reference(levels, parts);
        expect(pattern(group + levels.join('/')).match(topic) !== undefined).toBe(wanted);
      }),
      { numRuns: rounds(1000, 3000), seed: 2 },
    );
  });

  test('the subscription delivers whatever the pattern matches', () => {
    fc.assert(
      fc.property(withMany, topics, (levels, parts) => {
        const one = pattern(levels.join('/'));
        const topic = parts.join('/');
        if (one.match(topic) !== undefined) expect(pattern(one.filter).match(topic)).toBeDefined();
      }),
      { numRuns: rounds(1000, 3000), seed: 3 },
    );
  });

  test('a covered filter matches nothing that its cover does not', () => {
    fc.assert(
      fc.property(withMany, withMany, topics, (one, other, parts) => {
        const [a, b] = [pattern(one.join('/')).filter, pattern(other.join('/')).filter];
        if (!filterCovers(a, b)) return;
        const topic = parts.join('/');
        if (pattern(b).match(topic) !== undefined) expect(pattern(a).match(topic)).toBeDefined();
      }),
      { numRuns: rounds(1000, 3000), seed: 4 },
    );
  });
});
