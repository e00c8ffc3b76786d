import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type pg from 'pg';
import { connectionConfig, redactedUrl } from '../../src/adapters/timescale/connection.ts';
import { spanCondition } from '../../src/adapters/timescale/merge.ts';
import { isoMicros, storableJson, storableText } from '../../src/adapters/timescale/values.ts';

describe('values on their way to the database', () => {
  test.each([
    [0, '1970-01-01T00:00:00.000000Z'],
    [1, '1970-01-01T00:00:00.000001Z'],
    [-1, '1969-12-31T23:59:59.999999Z'],
    [1_767_225_600_123_456, '2026-01-01T00:00:00.123456Z'],
    [9_007_199_254_740_991, '2255-06-05T23:47:34.740991Z'],
  ])('%d µs', (timeUs, text) => {
    expect(isoMicros(timeUs)).toBe(text);
  });

  test('text that PostgreSQL cannot hold is replaced, all other text stays', () => {
    expect(storableText('a\0b\ud800c\udc00\u{1f321}')).toBe('a\ufffdb\ufffdc\ufffd\u{1f321}');
    expect(storableJson({ a: ['x\0', 'y\\u0000'] })).toBe('{"a":["x\ufffd","y\\\\u0000"]}');
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        (text) => text.includes('\0') || storableText(text) === text,
      ),
    );
  });
});

describe('the span of a merge', () => {
  const day = (n: number, us = 0) => ({
    sensorId: 1,
    timeUs: n * 86_400_000_000 + us,
    metrics: new Map<string, number>(),
  });

  test('neighbouring days are one range, others are apart', () => {
    expect(spanCondition([])).toBe('false');
    expect(spanCondition([day(0, 5), day(0, 3)])).toBe(
      "r.time BETWEEN '1970-01-01T00:00:00.000003Z' AND '1970-01-01T00:00:00.000005Z'",
    );
    expect(spanCondition([day(9, 1), day(0), day(1)])).toBe(
      "(r.time BETWEEN '1970-01-01T00:00:00.000000Z' AND '1970-01-02T00:00:00.000000Z') OR " +
        "(r.time BETWEEN '1970-01-10T00:00:00.000001Z' AND '1970-01-10T00:00:00.000001Z')",
    );
  });

  test('the number of ranges is bounded', () => {
    const scattered = Array.from({ length: 200 }, (_, n) => day(n * 3));
    expect(spanCondition(scattered).split(' OR ').length).toBe(32);
    expect(spanCondition(scattered)).toContain("'1971-08-21T00:00:00.000000Z'");
  });
});

/** What the server gets when it asks for a password. */
const passwordIn = ({ password }: pg.ClientConfig) =>
  typeof password === 'function' ? password() : password;

describe('connection options', () => {
  test('a URL with everything', async () => {
    const config = await connectionConfig({
      url: 'postgres://us%40er:p%2Fw@db.example:6543/field%20watch?options=-c%20search_path%3Dx,public',
      applicationName: 'fieldwatch store',
      statementTimeoutMs: 1000,
    });
    expect(config).toMatchObject({
      host: 'db.example', port: 6543, user: 'us@er', database: 'field watch', ssl: false,
      options: '-c search_path=x,public', application_name: 'fieldwatch store', statement_timeout: 1000,
      lock_timeout: 10_000,
    }); // prettier-ignore
    expect(await passwordIn(config)).toBe('p/w');
  });

  test('a unix socket, and a password that is asked for at each connect', async () => {
    let password = 'secret';
    const config = await connectionConfig({
      url: 'postgres:///fw?host=/run/postgresql',
      password: () => password,
    });
    expect(config).toMatchObject({ host: '/run/postgresql', database: 'fw' });
    expect(await passwordIn(config)).toBe('secret');
    password = 'rotated';
    expect(await passwordIn(config)).toBe('rotated');
    password = '';
    await expect(passwordIn(config)).rejects.toMatchObject({ code: 'DB_AUTH', kind: 'auth' });
  });

  test.each([
    ['require', { rejectUnauthorized: false }],
    ['verify-full', { rejectUnauthorized: true }],
    ['disable', false],
  ])('sslmode=%s', async (mode, ssl) => {
    const config = await connectionConfig({ url: `postgres://h/d?sslmode=${mode}` });
    if (typeof ssl === 'boolean') expect(config.ssl).toBe(ssl);
    else expect(config.ssl).toMatchObject(ssl);
  });

  test('faults name the remedy and never the password', async () => {
    await expect(connectionConfig({ url: 'postgres://u:sec ret@@:x/' })).rejects.toMatchObject({
      code: 'DB_URL',
    });
    await expect(connectionConfig({ url: 'postgres://u:secret@h:x/' })).rejects.not.toThrow(/secret/);
    await expect(connectionConfig({ url: 'postgres://h/d?sslmode=prefer' })).rejects.toMatchObject({
      code: 'DB_URL',
    });
    await expect(
      connectionConfig({ url: 'postgres://h/d', tls: { caFile: '/nowhere/ca.pem' } }),
    ).rejects.toMatchObject({ code: 'DB_TLS_FILE', kind: 'config' });
    expect(redactedUrl('postgres://u:secret@h/d')).toBe('postgres://u:***@h/d');
  });

  test('counts and sums come back as numbers', async () => {
    const { types } = await connectionConfig({ url: 'postgres://h/d' });
    expect(types?.getTypeParser(20, 'text')('42')).toBe(42);
    expect(types?.getTypeParser(20, 'text')('9223372036854775807')).toBe('9223372036854775807');
    expect(types?.getTypeParser(1700, 'text')('1.5')).toBe(1.5);
  });
});
