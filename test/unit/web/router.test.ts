import { describe, expect, test } from '@jest/globals';
import { basePathOf, hrefOf, namesOfText, parseRoute, textOfNames } from '../../../src/web/router.ts';

test.each([
  ['http://host/', '/'],
  ['https://host/fieldwatch/', '/fieldwatch/'],
  ['https://host/a/b/index.html', '/a/b/'],
])('the base of %s is %s', (uri, base) => {
  expect(basePathOf(uri)).toBe(base);
});

describe.each(['/', '/fieldwatch/'])('below %s', (base) => {
  test.each([
    ['', 'overview'],
    ['sensors', 'sensors'],
    ['sensors/', 'sensors'],
    ['dead-letters', 'dead-letters'],
    ['constructor', 'unknown'],
    ['sensors/x', 'unknown'],
  ])('%p is %p', (path, view) => {
    expect(parseRoute(`${base}${path}`, '', base).view).toBe(view);
  });

  test('an address and its parts are the same', () => {
    const key = 'hall/№1 .. ?&=#%20 <b>\u202e';
    const href = hrefOf('sensor', { key, range: '24h', metric: '', from: undefined }, base);
    const url = new URL(href, 'http://host');
    expect(parseRoute(url.pathname, url.search, base)).toEqual({
      view: 'sensor',
      query: { key, range: '24h' },
    });
  });

  test('the overview is the base', () => {
    expect(hrefOf('overview', {}, base)).toBe(base);
  });
});

test('names stand in one parameter, whatever they are', () => {
  for (const names of [[], ['temperature'], ['a,b', 'c%2Cd', 'e%', ' f'], ['%', ',']])
    expect(namesOfText(textOfNames(names))).toEqual(names);
  expect([textOfNames(['co2', 'power']), namesOfText('co2,power')]).toEqual(['co2,power', ['co2', 'power']]);
});

test('the base without its slash is the overview', () => {
  expect(parseRoute('/fieldwatch', '', '/fieldwatch/').view).toBe('overview');
});
