import { expect, test } from '@jest/globals';
import { type ActionClaim, readAction, requestOf, signAction } from '../../../src/lib/action-token.ts';
import fc from '../../support/fast-check.ts';

const SECRET = '0123456789abcdef';
const CLAIM: ActionClaim = {
  ...{ alertId: '7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a10', action: 'ack', sink: 'phone', seq: 3 },
  expiresMs: 1_800_000_000_000,
};

test('a token gives back what was signed, and is a path segment', () => {
  const token = signAction(CLAIM, SECRET);
  expect(token).toMatch(/^[\w.-]{50,250}$/);
  expect(readAction(token, SECRET)).toEqual(CLAIM);
});

test('a token that was changed in one character, or signed with another secret, is invalid', () => {
  const token = signAction(CLAIM, SECRET);
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.constantFrom(...'Aa0_-.'), (at, character) => {
      const changed = `${token.slice(0, at)}${character}${token.slice(at + 1)}`;
      const read = readAction(changed, SECRET);
      // The last character of base64 has bits that mean nothing.
      if (changed !== token && read !== undefined) expect(read).toEqual(CLAIM);
      if (changed !== token && at < token.indexOf('.')) expect(read).toBeUndefined();
    }),
  );
  expect(readAction(token, `${SECRET}x`)).toBeUndefined();
  for (const other of ['', '.', 'a.b', `${token}.x`, 'x'.repeat(5000)])
    expect(readAction(other, SECRET)).toBeUndefined();
});

test('each action, alert, sink and notification has its own request', () => {
  const all = [
    {},
    { action: 'silence' },
    { alertId: '7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a11' },
    { sink: 'mail' },
    { seq: 4 },
  ] as const;
  const requests = all.map((more) => requestOf(signAction({ ...CLAIM, ...more }, SECRET)));
  expect(new Set(requests).size).toBe(all.length);
});
