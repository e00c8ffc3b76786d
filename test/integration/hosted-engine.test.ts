import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import pg from 'pg';
import { embeddedUrl, readPassword } from '../../src/embedded/password.ts';
import { copyTemplate, openHosted } from '../support/embedded-db.ts';
import { openHostedEngine } from '../support/hosted-engine.ts';

test('a crashed engine leaves the others running, and its test gets the reason', async () => {
  const other = await openHosted(false);
  const dataDir = await copyTemplate();
  const engine = await openHostedEngine(dataDir);
  const client = new pg.Client(embeddedUrl('127.0.0.1', engine.port, readPassword(dataDir)));
  let open = true;
  client.on('error', () => (open = false));
  const survivor = new pg.Client(other.url);
  await Promise.all([client.connect(), survivor.connect()]);
  try {
    rmSync(join(dataDir, 'pgdata/pg_wal'), { recursive: true });
    // Errors at first; then it must write where nothing is, and aborts.
    for (let n = 0; open; n++)
      await client.query(`CREATE TABLE lost_${n} (id int)`).then(
        () => client.query('SELECT pg_switch_wal()').catch(() => undefined),
        () => undefined,
      );
    await expect(engine.close()).rejects.toThrow(/^the embedded database of this test failed: .*Aborted/);
    expect((await survivor.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  } finally {
    await survivor.end();
    await other.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
  expect(existsSync(dataDir)).toBe(false);
});

test('a folder that no engine can open is a failure that says so', async () => {
  await expect(openHostedEngine('/proc/none')).rejects.toThrow('cannot write to /proc/none');
});
