import { describe, expect, test } from '@jest/globals';
import { type HealthSources, readinessChecks } from '../../../src/app/health.ts';

const FINE = {
  writer: { health: { state: 'ok' }, spoolHealth: { keeps: false, trouble: undefined, items: 0, parked: 0 } },
  scheduler: undefined,
  dispatcher: { troubles: () => [] },
  watchedRoutes: { silent: () => [] },
  connectivity: () => ({ state: 'subscribed', refused: 0 }),
  clockCorrectionMs: () => undefined,
  probe: { trouble: undefined },
};
const away = { code: 'DB_UNREACHABLE', message: 'away' };

/** What is not ok, with its reason. */
const troubles = (change: object): Record<string, string> => {
  const checks = readinessChecks({ ...FINE, ...change } as unknown as HealthSources);
  const results = checks.map(({ name, check }) => [name, check()] as const);
  return Object.fromEntries(
    results
      .filter(([, { status }]) => status !== 'ok')
      .map(([name, { status, detail }]) => [name, `${status}: ${detail}`]),
  );
};

test('all is well', () => expect(troubles({})).toEqual({}));

describe('a database that is away', () => {
  test('is known though nothing is written: with a spool the daemon is degraded, without one not ready', () => {
    const probe = { trouble: away };
    expect(troubles({ probe })).toEqual({ database: 'degraded: DB_UNREACHABLE: away' });
    const writer = { health: { state: 'ok' }, spoolHealth: undefined };
    expect(troubles({ probe, writer })).toEqual({ database: 'fail: DB_UNREACHABLE: away' });
  });

  test('is not ready before messages go to the spool, nor where the spool takes none', () => {
    const health = { state: 'failing', ...away, sinceMs: 0 };
    const spool = { keeps: false, trouble: undefined, items: 0, parked: 0 };
    const of = (change: object) => troubles({ writer: { health, spoolHealth: { ...spool, ...change } } });
    expect(of({})).toEqual({ database: 'fail: DB_UNREACHABLE: away' });
    expect(of({ keeps: true, items: 7 })).toEqual({
      database: 'degraded: DB_UNREACHABLE: away',
      spool: 'degraded: 7 items waiting for the database',
    });
    expect(of({ keeps: true, trouble: { code: 'SPOOL_FULL', message: 'full' } })).toEqual({
      database: 'fail: DB_UNREACHABLE: away',
      spool: 'degraded: SPOOL_FULL: full; messages wait at the broker',
    });
  });
});

test.each([
  [
    30 * 86_400_000,
    "degraded: this system's clock is 2592000 s behind the database server's, whose time is used",
  ],
  [-90_000, "degraded: this system's clock is 90 s ahead of the database server's, whose time is used"],
])('a clock that is wrong by %i ms degrades it, with the side', (correctionMs, clock) => {
  expect(troubles({ clockCorrectionMs: () => correctionMs })).toEqual({ clock });
});

test.each([
  [{ state: 'subscribed', refused: 2 }, 'degraded: the broker refuses 2 subscriptions'],
  [{ state: 'connected' }, 'fail: connected, not yet subscribed'],
  [{ state: 'disconnected', reason: 'ECONNREFUSED' }, 'fail: ECONNREFUSED'],
])('a broker that is %j', (connectivity, mqtt) => {
  expect(troubles({ connectivity: () => connectivity })).toEqual({ mqtt });
});

test('batches that were set aside, and policies that cannot be verified', () => {
  const spoolHealth = { keeps: false, trouble: undefined, items: 0, parked: 1 };
  expect(troubles({ writer: { ...FINE.writer, spoolHealth } })).toEqual({
    spool: 'degraded: 1 batch set aside, retried at the next start',
  });
  const scheduler = { status: () => ({ error: 'no rights' }), findings: () => [] };
  expect(troubles({ scheduler })).toEqual({ policies: 'degraded: cannot be verified: no rights' });
});
