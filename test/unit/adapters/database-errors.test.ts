import { describe, expect, test } from '@jest/globals';
import type { ClientBase } from 'pg';
import { databaseError, classify } from '../../../src/adapters/timescale/errors.ts';
import { ensureTimescale } from '../../../src/adapters/timescale/connection/extension.ts';
import { FieldwatchError } from '../../../src/core/errors.ts';

const coded = (code: string) => Object.assign(new Error('text that must not matter'), { code });

test('a server without TLS refuses the login, and is no lost connection', () => {
  const verdict = classify(new Error('The server does not support SSL connections'));
  expect(verdict).toMatchObject({ kind: 'auth', code: 'DB_TLS' });
});

test('08P01 is a refused row, unless a pooler ends the connection with it', () => {
  const said = { severity: 'FATAL', code: '08P01' };
  const pooler = Object.assign(new Error('server login has been failing'), said);
  expect(classify(pooler)).toMatchObject({ kind: 'transient', code: 'DB_POOLER', lost: true });
  expect(classify(Object.assign(new Error('SASL authentication failed'), said)).code).toBe('DB_AUTH');
  expect(classify(Object.assign(new Error('no such database: x'), said)).code).toBe('DB_NO_DATABASE');
  expect(classify(Object.assign(pooler, { severity: 'ERROR' })).kind).toBe('data');
});

test('a connection that does not come about in time is an unreachable server', () => {
  for (const text of ['timeout expired', 'Connection terminated due to connection timeout'])
    expect(classify(new Error(text))).toMatchObject({ kind: 'transient', code: 'DB_UNREACHABLE' });
  expect(classify(new Error('timeout exceeded when trying to connect')).code).toBe('DB_POOL_BUSY');
});

test('a SCRAM exchange that the driver breaks off is a refused login, not a lost connection', () => {
  const verdict = classify(new Error('SASL: SCRAM-SERVER-FIRST-MESSAGE: server nonce is too short'));
  expect(verdict).toMatchObject({ kind: 'auth', code: 'DB_AUTH' });
});

describe('statement 7: errors of the database are classified by code', () => {
  test.each([
    ['08000', 'transient', 'DB_UNREACHABLE'],
    ['08003', 'transient', 'DB_UNREACHABLE'],
    ['08006', 'transient', 'DB_UNREACHABLE'],
    ['08P01', 'data', 'DB_ROW_REFUSED'],
    ['0A000', 'schema', 'DB_SCHEMA'],
    ['22001', 'data', 'DB_ROW_REFUSED'],
    ['22003', 'data', 'DB_ROW_REFUSED'],
    ['22008', 'data', 'DB_ROW_REFUSED'],
    ['22021', 'data', 'DB_ROW_REFUSED'],
    ['22P03', 'data', 'DB_ROW_REFUSED'],
    ['23502', 'data', 'DB_ROW_REFUSED'],
    ['23505', 'data', 'DB_ROW_REFUSED'],
    ['23514', 'data', 'DB_ROW_REFUSED'],
    ['P0001', 'data', 'DB_ROW_REFUSED'],
    ['P0004', 'data', 'DB_ROW_REFUSED'],
    ['25006', 'transient', 'DB_READ_ONLY'],
    ['25P02', 'bug', 'DB_BUG'],
    ['28000', 'auth', 'DB_AUTH'],
    ['28P01', 'auth', 'DB_AUTH'],
    ['3D000', 'transient', 'DB_NO_DATABASE'],
    ['40001', 'transient', 'DB_CONTENTION'],
    ['40P01', 'transient', 'DB_CONTENTION'],
    ['42501', 'auth', 'DB_RIGHTS'],
    ['42703', 'schema', 'DB_SCHEMA'],
    ['42804', 'schema', 'DB_SCHEMA'],
    ['42P01', 'schema', 'DB_SCHEMA'],
    ['53100', 'transient', 'DB_RESOURCES'],
    ['53200', 'transient', 'DB_RESOURCES'],
    ['53300', 'transient', 'DB_RESOURCES'],
    ['53400', 'transient', 'DB_BATCH_TOO_BIG'],
    ['55006', 'transient', 'DB_OBJECT_STATE'],
    ['55P03', 'transient', 'DB_CONTENTION'],
    ['57014', 'transient', 'DB_TIMEOUT'],
    ['57P01', 'transient', 'DB_UNAVAILABLE'],
    ['57P02', 'transient', 'DB_UNAVAILABLE'],
    ['57P03', 'transient', 'DB_UNAVAILABLE'],
    ['57P04', 'transient', 'DB_NO_DATABASE'],
    ['58030', 'transient', 'DB_RESOURCES'],
    ['58P01', 'transient', 'DB_SERVER_FILE'],
    ['TS001', 'schema', 'DB_SCHEMA'],
    ['TS103', 'schema', 'DB_SCHEMA'],
    ['ECONNREFUSED', 'transient', 'DB_UNREACHABLE'],
    ['ENOENT', 'transient', 'DB_UNREACHABLE'],
    ['ENOTFOUND', 'transient', 'DB_UNREACHABLE'],
    ['ETIMEDOUT', 'transient', 'DB_UNREACHABLE'],
    ['ECONNRESET', 'transient', 'DB_CONNECTION_LOST'],
    ['EPIPE', 'transient', 'DB_CONNECTION_LOST'],
    ['CERT_HAS_EXPIRED', 'auth', 'DB_TLS'],
    ['ERR_INVALID_ARG_TYPE', 'bug', 'DB_BUG'],
  ])('%s: %s, %s', (code, kind, ours) => {
    expect(classify(coded(code))).toMatchObject({ kind, code: ours });
  });

  test('a library of the extension that is not there is named as that, with the update', () => {
    const error = Object.assign(
      new Error(
        'konnte nicht auf Datei »$libdir/timescaledb-2.27.0« zugreifen: Datei oder Verzeichnis nicht gefunden',
      ),
      { code: '58P01' },
    );
    expect(classify(error)).toMatchObject({
      ...{ code: 'DB_EXTENSION_FILE', lost: true },
      remedy: expect.stringContaining("psql -X -d DATABASE -c 'ALTER EXTENSION timescaledb UPDATE'"),
    });
  });

  test('no code at all is a lost connection: node-pg reports a killed backend so', () => {
    expect(classify(new Error('Connection terminated unexpectedly'))).toMatchObject({
      kind: 'transient',
      lost: true,
    });
  });

  test('an error of our own has no code either, and is not classified', () => {
    expect(classify(new TypeError('x is not a function')).kind).toBe('bug');
    expect(classify('a string').kind).toBe('bug');
  });

  test('statement 8: an unknown code is retried, and carries the mark for parking it', () => {
    for (const code of ['ZZ999', 'XX000', 'ESOMETHING']) {
      expect(classify(coded(code))).toMatchObject({ kind: 'transient', code: 'DB_UNKNOWN' });
    }
  });

  test('what leaves the adapter names the place, the code and a remedy, and keeps the cause', () => {
    const cause = coded('42501');
    const error = databaseError(cause, 'storing a batch');
    expect(error.message).toBe('database: storing a batch: text that must not matter (42501)');
    expect(error).toMatchObject({ code: 'DB_RIGHTS', kind: 'auth', cause });
    expect(error.remedy).toContain('Grant');
    expect(databaseError(error, 'again')).toBe(error);
    expect(error).toBeInstanceOf(FieldwatchError);
  });
});

test.each([
  ['25006', 'cannot execute CREATE EXTENSION in a read-only transaction', undefined],
  ['57P01', 'terminating connection due to administrator command', undefined],
  ['42501', 'permission denied to create extension "timescaledb"', 'TIMESCALE_MISSING'],
])(
  'a TimescaleDB that cannot be created for %s is missing only where it is',
  async (code, message, wanted) => {
    const refused = Object.assign(new Error(message), { code });
    const query = (text: string) =>
      text.startsWith('CREATE')
        ? Promise.reject(refused)
        : Promise.resolve({ rows: [{ version: null, available: true, license: null }] });
    const error: unknown = await ensureTimescale({ query } as unknown as ClientBase).catch(
      (thrown: unknown) => thrown,
    );
    if (wanted === undefined) expect(error).toBe(refused);
    else expect(error).toMatchObject({ code: wanted });
  },
);
