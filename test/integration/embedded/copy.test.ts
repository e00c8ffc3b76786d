import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { type TestDatabase, openEmbedded } from '../../support/embedded-db.ts';
import { RawClient } from '../../support/raw-client.ts';
import { describeWith } from '../../support/tools.ts';

/** COPY through the gateway, as pg-copy-streams, libpq and a client with bad manners do it. */

let db: TestDatabase;
let client: pg.Client;
const exec = promisify(execFile);

beforeAll(async () => {
  db = await openEmbedded();
  client = new pg.Client({ connectionString: db.url });
  await client.connect();
  await client.query('CREATE TABLE c (a int PRIMARY KEY, b text, "From Stdin" int)');
});
afterAll(async () => {
  await client?.end();
  await db?.close();
});
beforeEach(async () => {
  await client.query('TRUNCATE c');
});

const copy = async (sql: string, ...chunks: (string | Buffer)[]) => {
  const stream = client.query(copyFrom(sql));
  await pipeline(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), stream);
  return stream.rowCount;
};
const rows = async () => (await client.query('SELECT a, b FROM c ORDER BY a')).rows;

function binaryRows(values: readonly (readonly [number, string])[]): Buffer {
  const parts = [Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')];
  for (const [a, b] of values) {
    const row = Buffer.alloc(14 + Buffer.byteLength(b));
    row.writeInt16BE(2, 0);
    row.writeInt32BE(4, 2);
    row.writeInt32BE(a, 6);
    row.writeInt32BE(Buffer.byteLength(b), 10);
    row.write(b, 14);
    parts.push(row);
  }
  return Buffer.concat([...parts, Buffer.from([255, 255])]);
}

describe('COPY FROM STDIN', () => {
  test('text, csv and binary, in any chunks', async () => {
    expect(await copy('COPY c (a, b) FROM STDIN', '1\tx\n2\t', 'y\n3\t\\N\n')).toBe(3);
    expect(await copy('copy c(a,b) from stdin with (format csv, header)', 'a,b\n4,"p,q"\n')).toBe(1);
    expect(await copy('COPY c (a, b) FROM STDIN (FORMAT binary)', binaryRows([[5, 'five'], [6, 'süß']]))).toBe(2); // prettier-ignore
    expect(await rows()).toEqual([
      { a: 1, b: 'x' },
      { a: 2, b: 'y' },
      { a: 3, b: null },
      { a: 4, b: 'p,q' },
      { a: 5, b: 'five' },
      { a: 6, b: 'süß' },
    ]);
  });

  test('comments, case, quoting and a trailing semicolon do not hide the statement', async () => {
    expect(
      await copy('/* a /* nested */ one */ cOpY c (a, "From Stdin") -- to stdout\n FROM  STDIN;', '1\t2\n'),
    ).toBe(1);
    expect((await client.query(`SELECT 'COPY c FROM STDIN' AS "copy c from stdin"`)).rows).toHaveLength(1);
    expect(
      (await client.query('COPY c ("From Stdin") TO STDOUT').catch(() => 'copy out')) ?? true,
    ).toBeTruthy();
  });

  test('no data at all', async () => {
    expect(await copy('COPY c (a, b) FROM STDIN')).toBe(0);
  });

  test('a large batch over many chunks', async () => {
    const lines = Array.from({ length: 300_000 }, (_, i) => `${i}\t${'x'.repeat(50)}\n`);
    const chunks = Array.from({ length: 300 }, (_, i) => lines.slice(i * 1000, i * 1000 + 1000).join(''));
    expect(await copy('COPY c (a, b) FROM STDIN', ...chunks)).toBe(300_000);
  });

  test('a statement that cannot work fails at once, before any data', async () => {
    const raw = await RawClient.connect(db.url);
    const answer = await raw.simple('COPY nothing_here FROM STDIN');
    expect(answer.types).toBe('EZ');
    expect(answer.error?.get('C')).toBe('42P01');
    raw.send(raw.query('COPY c (a, b) FROM STDIN (FORMAT binary)'));
    expect((await raw.until('G')).types).toBe('G');
    raw.send([...raw.copyData(binaryRows([[1, 'x']])), ...raw.copyDone()]);
    expect((await raw.untilReady()).types).toBe('CZ');
    raw.destroy();
  });

  test('refuses one among several statements', async () => {
    await expect(client.query('SELECT 1; COPY c FROM STDIN')).rejects.toMatchObject({ code: '0A000' });
    await expect(client.query('SELECT 1')).resolves.toBeDefined();
  });
});

describe('errors during COPY', () => {
  const duplicate = ['1\tx\n2\ty\n', '3\tz\n2\tagain\n', '4\tw\n'];

  test('outside a transaction nothing is stored and the row is named', async () => {
    await expect(copy('COPY c (a, b) FROM STDIN', ...duplicate)).rejects.toMatchObject({
      code: '23505',
      where: 'COPY c, line 4',
      table: 'c',
      constraint: 'c_pkey',
      detail: 'Key (a)=(2) already exists.',
    });
    expect(await rows()).toEqual([]);
  });

  test('binary, over chunks of a hypertable, the row is named too', async () => {
    await client.query(
      `CREATE TABLE IF NOT EXISTS h (time timestamptz NOT NULL, a int NOT NULL, UNIQUE (a, time))`,
    );
    await client.query(
      `SELECT create_hypertable('h', by_range('time', INTERVAL '1 day'), if_not_exists => true)`,
    );
    const text = Array.from(
      { length: 5000 },
      (_, i) => `2026-01-${1 + (i % 9)}T00:00:00Z\t${i === 4321 ? 12 : i}\n`,
    );
    text[4321] = text[12]!;
    await expect(copy('COPY h FROM STDIN', text.join(''))).rejects.toMatchObject({
      code: '23505',
      where: 'COPY h, line 4322',
    });
  });

  test('inside a transaction it fails the transaction, until ROLLBACK', async () => {
    await client.query('BEGIN');
    await client.query(`INSERT INTO c VALUES (100, 'before')`);
    await expect(copy('COPY c (a, b) FROM STDIN', ...duplicate)).rejects.toMatchObject({ code: '23505' });
    await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: '25P02' });
    await client.query('ROLLBACK');
    expect(await rows()).toEqual([]);
  });

  test('a savepoint saves what went before', async () => {
    await client.query('BEGIN');
    await client.query(`INSERT INTO c VALUES (100, 'before')`);
    await client.query('SAVEPOINT s');
    await expect(copy('COPY c (a, b) FROM STDIN', ...duplicate)).rejects.toMatchObject({ code: '23505' });
    await client.query('ROLLBACK TO s');
    await client.query('COMMIT');
    expect(await rows()).toEqual([{ a: 100, b: 'before' }]);
  });

  test('a new statement text is tried out without harm to the open transaction', async () => {
    await client.query('BEGIN');
    await client.query(`INSERT INTO c VALUES (7, 'kept')`);
    expect(await copy(`COPY c (a, b) FROM STDIN /* ${Date.now()} */`, '8\tx\n')).toBe(1);
    await client.query('COMMIT');
    expect(await rows()).toHaveLength(2);
  });

  test('CopyFail gives 57014, and fails an open transaction', async () => {
    const raw = await RawClient.connect(db.url);
    for (const [begin, status] of [
      ['SELECT 1', 'I'],
      ['BEGIN', 'E'],
    ] as const) {
      await raw.simple(begin);
      raw.send([
        ...raw.query('COPY c (a, b) FROM STDIN'),
        ...raw.copyData('1\tx\n'),
        ...raw.copyFail('changed my mind'),
      ]);
      const answer = await raw.untilReady();
      expect(answer.types).toBe('GEZ');
      expect(answer.error?.get('C')).toBe('57014');
      expect(answer.error?.get('M')).toBe('COPY from stdin failed: changed my mind');
      expect(answer.status).toBe(status);
    }
    await raw.simple('ROLLBACK');
    raw.destroy();
    expect(await rows()).toEqual([]);
  });

  test('a client that vanishes in the middle of its data stores nothing and blocks no other client', async () => {
    for (const begin of ['SELECT 1', 'BEGIN']) {
      const raw = await RawClient.connect(db.url);
      await raw.simple(begin);
      raw.send([...raw.query('COPY c (a, b) FROM STDIN'), ...raw.copyData('1\tx\n')]);
      await raw.until('G');
      raw.destroy();
      expect(await rows()).toEqual([]);
    }
  });

  test('while one client sends its data, others work', async () => {
    const raw = await RawClient.connect(db.url);
    raw.send(raw.query('COPY c (a, b) FROM STDIN'));
    await raw.until('G');
    await client.query(`INSERT INTO c VALUES (50, 'meanwhile')`);
    raw.send([...raw.copyData('51\tx\n'), ...raw.copyDone()]);
    await raw.untilReady();
    expect(await rows()).toHaveLength(2);
    raw.destroy();
  });
});

describe('the extended protocol', () => {
  test('COPY with Parse, Bind, Execute and the early Sync of libpq', async () => {
    const raw = await RawClient.connect(db.url);
    raw.send([
      ...raw.parse('', 'COPY c (a, b) FROM STDIN'),
      ...raw.bind('', ''),
      ...raw.execute(''),
      ...raw.sync(),
    ]);
    expect((await raw.until('G')).types).toBe('12G');
    raw.send([...raw.copyData('1\tx\n'), ...raw.copyDone(), ...raw.sync()]);
    expect((await raw.untilReady()).types).toBe('CZ');
    raw.send([
      ...raw.parse('', 'COPY c (a, b) FROM STDIN'),
      ...raw.bind('', ''),
      ...raw.execute(''),
      ...raw.flush(),
    ]);
    await raw.until('G');
    raw.send([...raw.copyData('1\tx\n'), ...raw.copyDone(), ...raw.sync()]);
    const answer = await raw.untilReady();
    expect(answer.types).toBe('EZ');
    expect(answer.error?.get('C')).toBe('23505');
    raw.destroy();
    expect(await rows()).toHaveLength(1);
  });
});

describe('COPY TO STDOUT', () => {
  test('text and binary through pg-copy-streams', async () => {
    await client.query(`INSERT INTO c SELECT i, repeat('x', 20) FROM generate_series(1, 20000) i`);
    let bytes = 0;
    const stream = client.query(copyTo('COPY (SELECT a, b FROM c ORDER BY a) TO STDOUT'));
    for await (const chunk of stream) bytes += (chunk as Buffer).length;
    expect(bytes).toBe(20_000 * 22 + 88_894);
  });
});

describeWith('psql')('psql', () => {
  const psql = async (...commands: string[]) => {
    const { stdout } = await exec('psql', [
      '-X',
      '-A',
      '-t',
      '-v',
      'ON_ERROR_STOP=1',
      db.url,
      ...commands.flatMap((c) => ['-c', c]),
    ]);
    return stdout.trim();
  };

  test('\\copy both ways, transactions and errors', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fieldwatch-psql-'));
    await writeFile(join(folder, 'in.csv'), '1,eins\n2,zwei\n');
    await psql(`\\copy c (a, b) from '${folder}/in.csv' csv`);
    expect(await psql('SELECT a, b FROM c ORDER BY a')).toBe('1|eins\n2|zwei');
    await psql(`\\copy (select a, b from c order by a) to '${folder}/out.csv' csv header`);
    expect(await readFile(join(folder, 'out.csv'), 'utf8')).toBe('a,b\n1,eins\n2,zwei\n');
    await expect(psql(`\\copy c (a, b) from '${folder}/in.csv' csv`)).rejects.toThrow('c_pkey');
    expect(await psql('\\d c')).toContain('a|integer');
    await rm(folder, { recursive: true });
  });
});
