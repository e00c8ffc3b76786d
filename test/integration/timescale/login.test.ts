import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createSystemClock } from '../../../src/adapters/system/clock.ts';
import { createCatalog } from '../../../src/adapters/timescale/policy/catalog.ts';
import type { DatabaseOptions } from '../../../src/adapters/timescale/connection/connection.ts';
import { databaseError } from '../../../src/adapters/timescale/errors.ts';
import { createPool, endPool } from '../../../src/adapters/timescale/connection/pool.ts';
import { DatabaseSession } from '../../../src/adapters/timescale/connection/session.ts';
import { databaseOptions } from '../../../src/app/options.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { type Certificate, TestAuthority } from '../../support/certificates.ts';
import { PostgresServer } from '../../support/postgres-server.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';
import { describeWith } from '../../support/tools.ts';

const clock = createSystemClock();
const logger = new QuietLogger();
const PASSWORD = 'pässword: %/@?#';

/** Each way in which a connection is made: as readers, the batch writer and the policy checks do. */
const WAYS: Readonly<Record<string, (options: DatabaseOptions) => Promise<string>>> = {
  pool: async (options) => {
    const pool = await createPool({ ...options, max: 1 }, logger);
    try {
      const { rows } = await pool.query<{ who: string }>('SELECT current_user AS who');
      return rows[0]?.who ?? '';
    } catch (error) {
      throw databaseError(error, 'connecting');
    } finally {
      await endPool(pool, clock);
    }
  },
  session: async (options) => {
    const session = new DatabaseSession(options, { logger });
    try {
      const { rows } = await session.run((work) => work.query<{ who: string }>('SELECT current_user AS who'));
      return rows[0]?.who ?? '';
    } finally {
      await session.close();
    }
  },
  catalog: async (options) => {
    const catalog = createCatalog(options);
    try {
      const [row] = await catalog.select('SELECT current_user AS who');
      return String(row?.['who']);
    } finally {
      await catalog.close();
    }
  },
};

describeWith('initdb', 'openssl')('login', () => {
  let dir: string;
  let authority: TestAuthority;
  let stranger: TestAuthority;
  let client: Certificate;
  let server: PostgresServer;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'fieldwatch-login-'));
    authority = await TestAuthority.create(dir);
    stranger = await TestAuthority.create(dir, 'stranger');
    client = await authority.issue('carded');
    server = await PostgresServer.start({
      tls: { server: await authority.issue('server'), caFile: authority.caFile },
      hba: [
        'hostnossl all encrypted 127.0.0.1/32 reject',
        'hostssl all carded 127.0.0.1/32 cert',
        'host all banned 127.0.0.1/32 reject',
        'host all plain 127.0.0.1/32 password',
        'host all digest 127.0.0.1/32 md5',
      ],
    });
    const login = (role: string, more = '') => `CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}' ${more}`;
    await server.sql(
      login('meter'),
      login('encrypted'),
      login('carded'),
      login('banned'),
      login('plain'),
      login('expired', `VALID UNTIL '2001-01-01'`),
      `CREATE ROLE nologin NOLOGIN PASSWORD '${PASSWORD}'`,
      `SET password_encryption = 'md5'`,
      login('digest'),
    );
  }, 60_000);
  afterAll(async () => {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const as = (user: string, password = PASSWORD, query = '') => ({
    url: server.url({ user, password, query }),
  });
  const configured = (env: Record<string, string>) => {
    const { config } = loadConfig({ env });
    return databaseOptions(config, config.database.url ?? '');
  };
  const refused = { code: 'DB_AUTH', kind: 'auth', remedy: expect.stringContaining('password') };

  describe.each(Object.entries(WAYS))('by %s', (_name, whoAmI) => {
    test.each(['meter', 'plain', 'digest'])('as %s, with the password in the URL', async (user) => {
      expect(await whoAmI(as(user))).toBe(user);
    });

    test('with the password in the environment, and in a file that is rotated while it runs', async () => {
      const url = server.url({ user: 'meter', password: '' });
      const environment = { FIELDWATCH_DATABASE_URL: url, FIELDWATCH_DATABASE_PASSWORD: PASSWORD };
      expect(await whoAmI(configured(environment))).toBe('meter');

      const file = join(dir, 'password');
      await writeFile(file, `${PASSWORD}\n`);
      const options = configured({ FIELDWATCH_DATABASE_URL: url, FIELDWATCH_DATABASE_PASSWORD_FILE: file });
      expect(await whoAmI(options)).toBe('meter');
      await server.sql(`ALTER ROLE meter PASSWORD 'rotated'`);
      await expect(whoAmI(options)).rejects.toMatchObject(refused);
      await writeFile(file, 'rotated');
      expect(await whoAmI(options)).toBe('meter');
      await server.sql(`ALTER ROLE meter PASSWORD '${PASSWORD}'`);
    });

    test.each([
      ['a wrong password', 'meter', 'wrong'],
      ['a role that is not there', 'stranger', PASSWORD],
      ['a role whose time is over', 'expired', PASSWORD],
      ['a role that may not log in', 'nologin', PASSWORD],
      ['a role that pg_hba.conf rejects', 'banned', PASSWORD],
      ['no password for SCRAM', 'meter', ''],
      ['no password in clear', 'plain', ''],
      ['no password for MD5', 'digest', ''],
      ['no TLS where it is asked for', 'encrypted', PASSWORD],
      ['no client certificate where it is asked for', 'carded', PASSWORD, '?sslmode=require'],
    ])(
      '%s is DB_AUTH with a remedy, and its message holds no password',
      async (_case, user, password, query = '') => {
        const error: unknown = await whoAmI(as(user, password, query)).catch((cause: unknown) => cause);
        expect(error).toMatchObject(refused);
        expect(String(error)).not.toContain(PASSWORD);
      },
    );

    test('TLS with verify-full, and a client certificate instead of a password', async () => {
      const caFile = authority.caFile;
      const verified = {
        url: `${server.url({ user: 'encrypted', password: PASSWORD })}?sslmode=verify-full`,
        tls: { caFile },
      };
      expect(await whoAmI(verified)).toBe('encrypted');
      const url = `${server.url({ user: 'carded', password: '' })}?sslmode=verify-full`;
      expect(await whoAmI({ url, tls: { caFile, ...client } })).toBe('carded');
      await expect(whoAmI({ url: verified.url, tls: { caFile: stranger.caFile } })).rejects.toMatchObject({
        code: 'DB_TLS',
        kind: 'auth',
      });
    });
  });
});
