import { describe, expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import type pg from 'pg';
import type { DatabaseOptions } from '../../../src/adapters/timescale/connection/connection.ts';
import { Connector } from '../../../src/adapters/timescale/connection/connector.ts';
import { type DatabaseUrl, readDatabaseUrl } from '../../../src/core/database-url.ts';

const configOf = (options: DatabaseOptions) => new Connector(options).config();
/** The password that the client sends to the server. */
const passwordIn = ({ password }: pg.ClientConfig) =>
  typeof password === 'function' ? password() : password;

describe('database.url', () => {
  const parsed = (url: string) => readDatabaseUrl(url) as DatabaseUrl;

  test('a URL with everything', async () => {
    const config = configOf({
      url:
        'postgresql://us%40er:p%2Fw@db.example:6543/field%20watch?options=-c+search_path%3Dx,public' +
        '&application_name=mine&sslmode=require&channel_binding=prefer&client_encoding=UTF8',
    });
    expect(config).toMatchObject({
      host: 'db.example', port: 6543, user: 'us@er', database: 'field watch', options: '-c search_path=x,public',
      application_name: 'mine', ssl: { rejectUnauthorized: false }, enableChannelBinding: true,
    }); // prettier-ignore
    expect(await passwordIn(config)).toBe('p/w');
  });

  test('the parameters of libpq win over what stands before them', async () => {
    const config = configOf({
      url: 'postgres://a:b@c:1/d?host=/run/postgresql&port=6432&user=u&password=p+%2B&dbname=f',
    });
    expect(config).toMatchObject({ host: '/run/postgresql', port: 6432, user: 'u', database: 'f' });
    expect(await passwordIn(config)).toBe('p++');
  });

  test.each([
    ['postgres:///fw', [{}]],
    ['postgres://h', [{ host: 'h' }]],
    ['postgres://%2Frun%2Fpg/fw', [{ host: '/run/pg' }]],
    ['postgres://[::1]:5433/fw', [{ host: '::1', port: 5433 }]],
    ['postgres://a:1,b:2/fw', [{ host: 'a', port: 1 }, { host: 'b', port: 2 }]],
    ['postgres://a,[fe80::1]/fw?port=6', [{ host: 'a', port: 6 }, { host: 'fe80::1', port: 6 }]],
    ['postgres:///fw?host=a,b&port=1,2', [{ host: 'a', port: 1 }, { host: 'b', port: 2 }]],
  ])('hosts of %s', (url, hosts) => {
    expect(parsed(url).hosts).toEqual(hosts.map((host) => ({ host: undefined, port: undefined, ...host })));
  }); // prettier-ignore

  test('of several hosts the one that takes writes is wanted, unless it says otherwise', () => {
    expect(parsed('postgres://a/fw').target).toBe('any');
    expect(parsed('postgres://a,b/fw').target).toBe('read-write');
    expect(parsed('postgres://a,b/fw?target_session_attrs=primary').target).toBe('primary');
  });

  test.each([
    ['http://h/d', 'scheme "http" is not supported; expected one of postgres://'],
    ['h/d', 'is no URL'],
    ['postgres://h/d#x', 'is no URL'],
    ['postgres://u:secret@h:x/', 'its port is no number'],
    ['postgres://u:secret@h:99999/', 'its port is no number'],
    ['postgres://u:sec/ret@h/d', 'its port is no number'],
    ['postgres://u:50%@h/secret', 'its password has a "%"'],
    ['postgres://50%:secret@h/d', 'its user has a "%"'],
    ['postgres://u:secret@h/%zz', 'its database has a "%"'],
    ['postgres://u:secret@h/d?options=%', 'its options has a "%"'],
    ['postgres://u?secret=x@h/d', 'has a parameter after "?" that libpq does not know'],
    [
      'postgres://u:secret@h/d?connect_timeout=5',
      'connect_timeout is not supported: set database.connect_timeout',
    ],
    ['postgres://u:secret@h/d?service=x', 'service is not supported'],
    ['postgres://u:secret@h/d?schema=x', 'set database.schema'],
    ['postgres://u:secret@h/d?sslmode=prefer', 'its sslmode is not supported; expected one of disable'],
    ['postgres://u:secret@h/d?sslmode=secret', 'its sslmode is not supported; expected one of disable'],
    ['postgres://u:secret@h/d?channel_binding=require', 'its channel_binding is not supported'],
    ['postgres://u:secret@h/d?target_session_attrs=standby', 'its target_session_attrs is not supported'],
    ['postgres://u:secret@h/d?client_encoding=LATIN1', 'its client_encoding can only be UTF8'],
    ['postgres://u:secret@h/d?user', 'its parameter user has no value'],
    ['postgres://u:secret@h/d?user=a&user=b', 'its parameter user is there twice'],
    ['postgres://a:1,b/d?port=1,2,3', 'it needs one port, or as many as hosts'],
  ])('%s: %s', (url, fault) => {
    const read = readDatabaseUrl(url) as { fault: string };
    expect(read.fault).toContain(fault);
    expect(read.fault).not.toContain('secret');
    expect(() => new Connector({ url })).toThrow(expect.objectContaining({ code: 'DB_URL', kind: 'config' }));
  });

  test('whatever the password is, no fault shows a piece of it', () => {
    const special = fc.constantFrom(...'%/@?#:&= +[],');
    const piece = fc.stringMatching(/^[QXZ]{4}$/);
    fc.assert(
      fc.property(fc.array(fc.oneof(special, piece), { minLength: 1, maxLength: 8 }), (pieces) => {
        const read = readDatabaseUrl(`postgres://user:${pieces.join('')}@host:5432/d?sslmode=require`);
        if ('fault' in read) expect(read.fault).not.toMatch(/[QXZ]{2}/);
      }),
    );
  });
});

describe('connection options', () => {
  test('a unix socket, and a password that is asked for at each connect', async () => {
    let password = 'secret';
    const config = configOf({ url: 'postgres:///fw?host=/run/postgresql', password: () => password });
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
    ['verify-full&sslrootcert=system', { rejectUnauthorized: true }],
    ['disable', false],
  ])('sslmode=%s', (mode, ssl) => {
    const config = configOf({ url: `postgres://h/d?sslmode=${mode}` });
    if (typeof ssl === 'boolean') expect(config.ssl).toBe(ssl);
    else expect(config.ssl).toMatchObject(ssl);
  });

  test('a certificate file that is not there is a fault of the configuration', () => {
    expect(() => configOf({ url: 'postgres://h/d', tls: { caFile: '/nowhere/ca.pem' } })).toThrow(
      expect.objectContaining({ code: 'DB_TLS_FILE', kind: 'config' }),
    );
  });

  test('counts and sums come back as numbers', () => {
    const { types } = configOf({ url: 'postgres://h/d' });
    expect(types?.getTypeParser(20, 'text')('42')).toBe(42);
    expect(types?.getTypeParser(20, 'text')('9223372036854775807')).toBe('9223372036854775807');
    expect(types?.getTypeParser(1700, 'text')('1.5')).toBe(1.5);
  });
});
