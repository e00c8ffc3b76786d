import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { databaseError } from '../../../src/adapters/timescale/errors.ts';
import { sensorsCommand } from '../../../src/cli/sensors/index.ts';
import { type EmbeddedTimescale, startEmbeddedTimescale } from '../../../src/embedded/timescale-process.ts';
import { runCli } from '../../support/cli.ts';
import { copyTemplate } from '../../support/embedded-db.ts';
import { queryOnce } from '../../support/pg-client.ts';
import { RawClient } from '../../support/raw-client.ts';
import { describeWith } from '../../support/tools.ts';

/** Access to the embedded database: for the user that can read its password. */

let dataDir: string;
let server: EmbeddedTimescale;
let restarted: () => void = () => {};

beforeAll(async () => {
  dataDir = await copyTemplate({ migrated: true });
  // As a folder that was made before there were passwords.
  await rm(join(dataDir, 'pgpass'));
  server = await startEmbeddedTimescale({ dataDir, port: 0, onRestart: () => restarted() });
});
afterAll(async () => {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
});

const passwordIn = async (folder = dataDir) =>
  (await readFile(join(folder, 'pgpass'), 'utf8')).trim().split(':').at(-1)!;

const ask = (url: string, sql = 'SELECT 1 AS one'): Promise<unknown[]> => queryOnce(url, sql);
const urlWith = (password: string, user = 'postgres') =>
  `postgres://${user}:${password}@127.0.0.1:${server.port}/fieldwatch`;

describe('statement 28: the password of the embedded database', () => {
  test('is made for a folder that has none, random and for this user alone', async () => {
    expect(await passwordIn()).toMatch(/^[\w-]{32}$/);
    expect((await stat(join(dataDir, 'pgpass'))).mode & 0o777).toBe(0o600);
    expect(await ask(server.url)).toEqual([{ one: 1 }]);
    expect(await ask(urlWith(await passwordIn(), 'fieldwatch'))).toEqual([{ one: 1 }]);
  });

  test.each(['wrong', `${'a'.repeat(5000)}`])(
    'another one is 28P01, with the place of the right one',
    async (password) => {
      const error = await ask(urlWith(password)).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: '28P01',
        severity: 'FATAL',
        hint: expect.stringContaining(join(dataDir, 'pgpass')),
      });
      expect(databaseError(error, 'connecting')).toMatchObject({
        code: 'DB_AUTH',
        kind: 'auth',
        remedy: expect.stringContaining(join(dataDir, 'pgpass')),
      });
    },
  );

  test('without one there is no connection', async () => {
    const error = await ask(`postgres://postgres@127.0.0.1:${server.port}/fieldwatch`).catch(
      (thrown: unknown) => thrown,
    );
    expect(databaseError(error, 'connecting')).toMatchObject({ code: 'DB_AUTH', kind: 'auth' });
  });

  test.each([
    ['a query', Buffer.from('Q\0\0\0\rSELECT 1\0', 'latin1')],
    ['a cleartext password', Buffer.from('p\0\0\0\x08abc\0', 'latin1')],
    ['a message of 200 MB', Buffer.from('p\x0c\0\0\0', 'latin1')],
  ])('instead of a login, %s ends the connection', async (_what, message) => {
    const socket = connect(server.port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('latin1').on('data', (text: string) => (answer += text));
    const packet = Buffer.from('\0\0\0\0\0\x03\0\0user\0postgres\0\0', 'latin1');
    packet.writeInt32BE(packet.length);
    socket.write(Buffer.concat([packet, message]));
    await once(socket, 'close');
    expect(answer).toContain('SCRAM-SHA-256');
    expect(answer).toContain('C08P01');
    expect(answer).not.toContain('server_version');
  });

  test('the one of a running database stays when its file is damaged and the server is killed', async () => {
    const before = await passwordIn();
    await writeFile(join(dataDir, 'pgpass'), '*:*:*');
    const back = new Promise<void>((done) => (restarted = done));
    process.kill(server.pid, 'SIGKILL');
    await back;
    expect(await passwordIn()).toBe(before);
    expect(await ask(server.url)).toEqual([{ one: 1 }]);
  });
});

describeWith('psql')('psql', () => {
  test('logs in with the file as it is', async () => {
    const env = { ...process.env, PGPASSFILE: join(dataDir, 'pgpass') };
    const url = `postgres://fieldwatch@127.0.0.1:${server.port}/fieldwatch`;
    const { stdout } = await promisify(execFile)('psql', ['-wXAtc', 'SELECT 41 + 1', url], { env });
    expect(stdout).toBe('42\n');
  });
});

describe('a command', () => {
  const run = (folder: string) =>
    runCli(sensorsCommand, ['list'], {
      env: { FIELDWATCH_EMBEDDED_DATA_DIR: folder, FIELDWATCH_EMBEDDED_DATABASE_PORT: String(server.port) },
    });

  test('logs in by itself', async () => {
    expect(await run(dataDir)).toMatchObject({ code: 0 });
  });

  test('with another folder than that of the database on the port is refused, with the right one', async () => {
    await expect(run(`${dataDir}/other`)).rejects.toMatchObject({
      code: 'DB_AUTH',
      remedy: expect.stringContaining(join(dataDir, 'pgpass')),
    });
  });
});

describe('statement 28: the device of the engine', () => {
  test.each([
    "COPY t FROM '/dev/blob'",
    "COPY t TO '/dev/blob'",
    "copy/* */t\nfrom -- blob\n E'/dev/\\x62lob' (FORMAT binary)",
    "SELECT 1; COPY t FROM '/dev/../dev//blob'; SELECT 2",
    "DO $$ BEGIN EXECUTE 'COPY t FROM ' || quote_literal('/dev/' || 'blob'); END $$",
    "COPY (SELECT 1) TO U&'/dev/\\0062lob'",
    "SELECT pg_read_binary_file('/dev/blob')",
  ])('is refused to a client: %s', async (sql) => {
    const { pid } = server;
    const raw = await RawClient.connect(server.url);
    await raw.simple('CREATE TABLE IF NOT EXISTS t (a text)');
    const { error, status } = await raw.simple(sql);
    expect(error?.get('C')).toBe('42809');
    expect(status).toBe('I');
    raw.send([...raw.parse('', sql), ...raw.bind('', ''), ...raw.execute(''), ...raw.sync()]);
    expect((await raw.untilReady()).status).toBe('I');
    raw.destroy();
    expect(await ask(server.url)).toEqual([{ one: 1 }]);
    expect(server.pid).toBe(pid);
  });
});
