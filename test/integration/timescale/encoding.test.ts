import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { writeDeadLetters } from '../../../src/adapters/timescale/ingest/dead-letters.ts';
import { type ServerReport, examineServer } from '../../../src/adapters/timescale/connection/examine.ts';
import { MetricIds } from '../../../src/adapters/timescale/ingest/metric-ids.ts';
import { TimescaleSensorStore } from '../../../src/adapters/timescale/ingest/sensor-store.ts';
import type { Work } from '../../../src/adapters/timescale/connection/session.ts';
import { EXPECTED_SCHEMA } from '../../../src/core/policy/schema/expected-schema.ts';
import { describeReal } from '../../support/server-db.ts';

const SERVER = process.env['FIELDWATCH_TEST_DATABASE_URL'];
const NAME = `fw_latin1_${process.pid}`;

/** A plain table with the columns and keys of the schema: what is shown here is the text, not TimescaleDB. */
function tableOf(name: string): string {
  const { columns = {}, unique = {} } = EXPECTED_SCHEMA.relations[name] ?? {};
  const parts = Object.entries(columns).map(([column, { type, notNull, identity, default: value }]) =>
    [
      `"${column}" ${type}`,
      notNull === true ? 'NOT NULL' : '',
      identity === undefined ? '' : `GENERATED ${identity} AS IDENTITY`,
      value === undefined ? '' : `DEFAULT ${value}`,
    ].join(' '),
  );
  const keys = Object.values(unique).map((definition) => definition.replace(/^btree /, 'UNIQUE '));
  return `CREATE TABLE ${name} (${[...parts, ...keys].join(', ')})`;
}
const TABLES = ['sensors', 'sensor_aliases', 'dead_letters', 'metrics'].map(tableOf).join(';');

describeReal('a database in LATIN1', () => {
  let db: pg.Client;
  let report: ServerReport;

  const asSuperuser = async (text: string): Promise<void> => {
    const client = new pg.Client({ connectionString: SERVER });
    await client.connect();
    await client.query(text).finally(() => client.end());
  };

  beforeAll(async () => {
    const like = `ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`;
    await asSuperuser(`CREATE DATABASE ${NAME} ${like}`);
    const url = new URL(SERVER ?? '');
    url.pathname = `/${NAME}`;
    db = new pg.Client({ connectionString: url.href });
    await db.connect();
    await db.query('CREATE EXTENSION timescaledb');
    report = await examineServer({ url: url.href });
    await db.query(TABLES);
  });
  afterAll(async () => {
    await db?.end();
    await asSuperuser(`DROP DATABASE IF EXISTS ${NAME} WITH (FORCE)`);
  });

  it('is known as such at a start', () => {
    expect(report).toEqual({ pooler: undefined, encoding: 'LATIN1' });
  });

  it('statement 6: a sensor whose name it cannot hold costs no other sensor anything', async () => {
    const directory = new TimescaleSensorStore(db);
    const keys = ['one', '温度', 'zwei-ü', '湿度', 'three'];
    const sensors = await directory.register(keys.map((key) => ({ key, location: undefined })));
    const storable = ['one', 'three', 'zwei-ü'];
    expect(sensors.map(({ key }) => key).sort()).toEqual(storable);
    expect((await directory.find(keys)).map(({ key }) => key).sort()).toEqual(storable);
    const placed = await directory.locate([
      { key: 'one', location: '屋根' },
      { key: 'three', location: 'roof' },
    ]);
    expect(placed.map(({ key, location }) => [key, location])).toEqual([['three', 'roof']]);
    expect(await directory.register([{ key: 'four', location: '屋根' }])).toMatchObject([
      { key: 'four', location: null },
    ]);
  });

  it('keeps a dead letter whose topic it cannot hold, with what is not ASCII as code points', async () => {
    const work: Pick<Work, 'query' | 'script'> = {
      query: (text, values) => db.query(text, values),
      script: async (text) => [await db.query(text)],
    };
    await db.query('BEGIN');
    const letter = { receivedAtMs: 0, payload: new Uint8Array([1]), reason: 'sensor_unstorable' };
    const letters = ['s/温度', 's/one'].map((topic) => ({ ...letter, topic, detail: topic }));
    await writeDeadLetters(work as Work, letters, 65_536);
    await db.query('COMMIT');
    const { rows } = await db.query<{ topic: string }>('SELECT topic FROM dead_letters ORDER BY 1');
    expect(rows.map(({ topic }) => topic)).toEqual(['s/\\u{6e29}\\u{5ea6}', 's/one']);
  });

  it('drops the values of a metric whose name it cannot hold, and registers the others', async () => {
    const queries: string[] = [];
    const work: Pick<Work, 'query'> = {
      query: (text, values) => {
        queries.push(text);
        return db.query(text, values);
      },
    };
    const ids = new MetricIds({ max: 100, maxNewPerSensor: 100, allow: ['*'] }, () => 0);
    const names = new Map(['co2', '温度', 'höhe', '湿度'].map((name) => [name, 1]));
    const refused = await ids.learn(work as Work, names);
    expect([...refused]).toEqual([
      ['温度', 'unstorable'],
      ['湿度', 'unstorable'],
    ]);
    expect([...ids.known.keys()].sort()).toEqual(['co2', 'höhe']);
    queries.length = 0;
    expect((await ids.learn(work as Work, names)).size).toBe(2);
    // The database is not asked again.
    expect(queries).toEqual([]);
  });
});
