import { describe, expect, test } from '@jest/globals';
import { clientReader } from '../../../src/api/access/client.ts';
import { hostCheck, originFault } from '../../../src/api/access/hosts.ts';
import { RateLimit, addressKey } from '../../../src/api/access/rate-limit.ts';
import { ApiSessions } from '../../../src/api/access/sessions.ts';
import { Tokens, parseTokens } from '../../../src/api/access/tokens.ts';
import type { FieldwatchError } from '../../../src/core/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const A = 'aaaa-bbbb-cccc-dddd-1234';
const B = 'eeee-ffff-gggg-hhhh-5678';

describe('the file of tokens', () => {
  test.each([
    ['lines', `# who\n\nanna operator ${A}\nbert  viewer\t${B}\r\n`],
    [
      'YAML',
      `tokens:\n  - { name: anna, role: operator, token: ${A} }\n  - { name: bert, role: viewer, token: ${B} }\n`,
    ],
    [
      'JSON',
      JSON.stringify({
        tokens: [
          { name: 'anna', role: 'operator', token: A },
          { name: 'bert', role: 'viewer', token: B },
        ],
      }),
    ],
  ])('as %s', (_form, text) => {
    const tokens = new Tokens(parseTokens(text, 'f'));
    expect([tokens.size, tokens.find(A)?.name, tokens.find(A)?.role]).toEqual([2, 'anna', 'operator']);
    expect([tokens.find(B)?.name, tokens.find(B)?.role]).toEqual(['bert', 'viewer']);
    for (const none of ['', 'x', A.slice(1), `${A} `, A.toUpperCase()])
      expect(tokens.find(none)).toBeUndefined();
  });

  test('a name may have blanks', () => {
    expect(parseTokens(`Anna Müller operator ${A}`, 'f')[0]?.name).toBe('Anna Müller');
  });

  test.each([
    ['nothing', '\n# none\n', /no token/],
    ['another role', `anna admin ${A}`, /line 1 \(anna\): the role/],
    ['a short token', 'anna viewer hunter2', /20 to 512/],
    ['a token of one character', `anna viewer ${'a'.repeat(40)}`, /20 to 512/],
    ['a name twice', `anna viewer ${A}\nanna viewer ${B}`, /anna is there twice/],
    ['a token twice', `anna viewer ${A}\nbert viewer ${A}`, /bert has the token/],
    ['a line too many words', `anna viewer ${A}\n${B}`, /expected lines/],
    [
      'YAML with an unknown key',
      `tokens: [{ name: a, role: viewer, token: ${A}, more: 1 }]`,
      /expected lines/,
    ],
    [
      'a control character in a name',
      `tokens: [{ name: "a\\e[31m", role: viewer, token: ${A} }]`,
      /the name/,
    ],
  ])('%s is refused, without a token in the message', (_name, text, expected) => {
    let message = '';
    try {
      parseTokens(text, '/etc/tokens');
    } catch (error) {
      expect(error).toMatchObject({ code: 'HTTP_TOKENS_INVALID', kind: 'config' });
      message = `${(error as FieldwatchError).message} ${(error as FieldwatchError).remedy}`;
    }
    expect(message).toMatch(expected);
    for (const secret of [A, B, 'hunter2']) expect(message).not.toContain(secret);
  });
});

describe('sessions', () => {
  const setUp = () => {
    const clock = new FakeClock();
    const tokens = new Tokens(parseTokens(`anna operator ${A}\nbert viewer ${B}`, 'f'));
    return { clock, tokens, sessions: new ApiSessions(tokens, clock), anna: tokens.find(A)! };
  };
  const DAY = 86_400_000;

  test('last for a week, if they are used every day', () => {
    const { clock, sessions, anna } = setUp();
    const { id } = sessions.open(anna);
    for (let day = 0; day < 7; day++) {
      expect(sessions.find(id)?.token.name).toBe('anna');
      clock.advance(DAY - 1);
    }
    clock.advance(7);
    expect(sessions.find(id)).toBeUndefined();
    expect(sessions.size).toBe(0);
  });

  test('end after a day without a request, and by logging out', () => {
    const { clock, sessions, anna } = setUp();
    const [left, closed] = [sessions.open(anna), sessions.open(anna)];
    sessions.close(closed.id);
    expect(sessions.find(closed.id)).toBeUndefined();
    clock.advance(DAY);
    expect(sessions.find(left.id)).toBeUndefined();
  });

  test('end with their token, and follow its role', () => {
    const { tokens, sessions, anna } = setUp();
    const { id } = sessions.open(anna);
    tokens.replace(parseTokens(`anna viewer ${A}`, 'f'));
    expect(sessions.find(id)?.token.role).toBe('viewer');
    tokens.replace(parseTokens(`anna viewer ${B}`, 'f'));
    expect(sessions.find(id)).toBeUndefined();
  });

  test('are bounded: the least recently used one goes', () => {
    const { sessions, anna } = setUp();
    const first = sessions.open(anna).id;
    const second = sessions.open(anna).id;
    expect(sessions.find(first)).toBeDefined();
    for (let n = 0; n < 499; n++) sessions.open(anna);
    expect(sessions.size).toBe(500);
    expect(sessions.find(second)).toBeUndefined();
    expect(sessions.find(first)).toBeDefined();
  });

  test('of one token end none of another, however many there are', () => {
    const { sessions, tokens, anna } = setUp();
    const own = sessions.open(anna).id;
    const bert = tokens.find(B)!;
    for (let n = 0; n < 1000; n++) sessions.open(bert);
    expect([sessions.size, sessions.find(own)?.token.name]).toEqual([500, 'anna']);
  });
});

test('a rate limit gives a burst, then its rate; each key for itself, and their number is bounded', () => {
  const clock = new FakeClock();
  const limit = new RateLimit({ burst: 3, everyMs: 2000 }, clock);
  const taken = (key: string) => Array.from({ length: 5 }, () => limit.take(key)).filter(Boolean).length;
  expect([taken('a'), taken('b'), taken('a')]).toEqual([3, 3, 0]);
  expect(limit.waitS('a')).toBe(2);
  clock.advance(4000);
  expect([limit.waitS('a'), taken('a')]).toEqual([0, 2]);
  clock.advance(1e9);
  expect(taken('a')).toBe(3);
  for (let n = 0; n < 10_000; n++) limit.take(`k${n}`);
  expect(taken('b')).toBe(3);
});

test('an address of IPv6 is as many as its owner has', () => {
  expect(addressKey('2001:db8:1:2:3:4:5:6')).toBe(addressKey('2001:DB8:1:2::1'));
  expect(addressKey('2001:db8:1:2::1')).not.toBe(addressKey('2001:db8:1:3::1'));
  expect(addressKey('::1')).toBe('0:0:0:0::/64');
  expect(addressKey('10.0.0.7')).toBe('10.0.0.7');
});

describe('where a request comes from', () => {
  const read = clientReader(['10.0.0.0/8', 'fd00::1']);
  const headers = {
    host: 'inner:9464',
    'x-forwarded-for': '203.0.113.9, 198.51.100.2, 10.0.0.3',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'iot.example.org',
  };

  test('the headers of a trusted proxy count, up to the first address that is not trusted', () => {
    for (const peer of ['10.0.0.2', '::ffff:10.0.0.2', 'fd00::1'])
      expect(read({ headers, peer, encrypted: false })).toEqual({
        address: '198.51.100.2',
        host: 'iot.example.org',
        secure: true,
        forwarded: true,
      });
  });

  test('those of other addresses do not', () => {
    expect(read({ headers, peer: '203.0.113.1', encrypted: false })).toEqual({
      address: '203.0.113.1',
      host: 'inner:9464',
      secure: false,
      forwarded: true,
    });
  });

  test.each(['', 'a b', 'a/b', 'user@a', 'a:b', '[::1', 'a:123456'])('"%s" is no host', (host) => {
    expect(read({ headers: { host }, peer: '1.2.3.4', encrypted: false }).host).toBeUndefined();
  });
});

describe('hosts and origins', () => {
  const { isAllowed, isNamed } = hostCheck(['iot.example.org', '*.plant.example'], 'Machine-1');

  test.each([
    ['localhost', true],
    ['LOCALHOST:9464', true],
    ['127.0.0.1:8080', true],
    ['[::1]:9464', true],
    ['192.168.1.7', true],
    ['[fe80::1]', true],
    ['machine-1:9464', true],
    ['iot.example.org', true],
    ['iot.example.org.:443', true],
    ['a.plant.example', true],
    ['plant.example', false],
    ['evilplant.example', false],
    ['evil.example', false],
    ['localhost.evil.example', false],
    ['127.0.0.1.evil.example', false],
    ['127.evil.example', false],
    [undefined, false],
  ])('%s: %s', (host, allowed) => {
    expect(isAllowed(host?.toLowerCase())).toBe(allowed);
  });

  const client = { address: '1.2.3.4', host: 'localhost:9464', secure: false, forwarded: false };
  const fault = (headers: Parameters<typeof originFault>[1], byCookie = false) =>
    originFault(client, headers, isNamed, byCookie);

  test('a write of the page, or of no page', () => {
    expect(fault({})).toBeUndefined();
    expect(fault({ origin: 'http://localhost:9464' }, true)).toBeUndefined();
    expect(fault({ origin: 'http://localhost:9464', 'sec-fetch-site': 'same-origin' }, true)).toBeUndefined();
    expect(fault({ 'sec-fetch-site': 'same-origin' }, true)).toBeUndefined();
    expect(fault({ origin: 'https://iot.example.org' }, true)).toBeUndefined();
  });

  test.each([
    ['another site', { origin: 'http://evil.example' }],
    ['another port of this host', { origin: 'http://localhost:8080' }],
    ['no origin that has a name', { origin: 'null' }],
    ['what the browser says', { origin: 'http://localhost:9464', 'sec-fetch-site': 'cross-site' }],
    ['another site of this host', { 'sec-fetch-site': 'same-site' }],
    ['a script', { origin: 'javascript:alert(1)' }],
  ])('a write of %s is refused', (_name, headers) => {
    expect(fault(headers)).toBeDefined();
  });

  test('with a session the request needs its origin', () => {
    expect(fault({}, true)).toBeDefined();
  });
});
