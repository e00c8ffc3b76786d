import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import { Connector } from '../../src/adapters/timescale/connector.ts';
import { createPool } from '../../src/adapters/timescale/pool.ts';
import { TimescaleDutyStore } from '../../src/adapters/timescale/duty-store.ts';
import type { HandedReading } from '../../src/core/alert/model.ts';
import { alertDuty } from '../../src/queries/alert-duty.ts';
import { eventually } from '../support/eventually.ts';
import { describeReal } from '../support/server-db.ts';
import { batchOf, openStore, reading, START_US, type StoreFixture } from '../support/store-fixtures.ts';
import { QuietLogger } from '../support/quiet-logger.ts';

let db: StoreFixture;
let pool: pg.Pool;
let duties: TimescaleDutyStore;
beforeAll(async () => {
  db = await openStore();
  pool = await createPool({ url: db.url, max: 2 }, new QuietLogger());
  duties = new TimescaleDutyStore(pool);
});
beforeEach(() =>
  db.rows('TRUNCATE alert_duty, alert_inbox, sensor_readings, sensor_metrics, sensors, sensor_aliases'),
);
afterAll(async () => {
  await pool.end();
  await db.close();
});

const MINUTE_MS = 60_000;
const handed = (n: number, more: Partial<HandedReading> = {}): HandedReading => ({
  key: 'küche "1"',
  location: null,
  timeUs: START_US + n,
  receivedAtMs: 1_767_225_600_123,
  metrics: new Map([
    ['temperature', 20.1 + n / 7],
    ['co2 \\ "x"', 1e-300],
  ]),
  ...more,
});
const handOn = (readings: readonly HandedReading[], group = 'crew') => ({ handedOn: { group, readings } });
const code = (error: unknown) => (error as { code?: string }).code;

describe('the lease', () => {
  test('one has it, in an epoch of its own; the next one when it is given back, or over', async () => {
    expect(await duties.take('crew', 'one', MINUTE_MS, true)).toBe(1);
    expect(await duties.take('crew', 'two', MINUTE_MS, true)).toBeUndefined();
    expect(await duties.take('other', 'two', MINUTE_MS, true)).toBe(1);
    expect(await duties.renew({ group: 'crew', epoch: 1 }, MINUTE_MS)).toBe(true);
    await duties.release({ group: 'crew', epoch: 1 });
    expect(await duties.renew({ group: 'crew', epoch: 1 }, MINUTE_MS)).toBe(false);
    expect(await duties.take('crew', 'two', 1, false)).toBe(2);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await duties.take('crew', 'one', MINUTE_MS, false)).toBeUndefined();
    expect(await duties.take('crew', 'one', MINUTE_MS, true)).toBe(3);
    expect(await duties.renew({ group: 'crew', epoch: 2 }, MINUTE_MS)).toBe(false);
  });

  test("one that ran out and that nobody took is still its owner's", async () => {
    await duties.take('crew', 'one', 1, true);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await duties.renew({ group: 'crew', epoch: 1 }, MINUTE_MS)).toBe(true);
  });

  test('who has it, and what waits, can be asked', async () => {
    expect(await alertDuty(pool, 'crew')).toMatchObject({ holder: null, waiting: 0 });
    await duties.take('crew', 'one', MINUTE_MS, true);
    await db.store.commit(batchOf([], { alerts: handOn([handed(0), handed(1)]) }));
    expect(await alertDuty(pool, 'crew')).toMatchObject({ holder: 'one', epoch: 1, waiting: 2 });
    expect(await duties.waiting('crew')).toBe(2);
  });
});

describe('the inbox', () => {
  test('readings come out as they went in, in their order, with the ones of other groups left alone', async () => {
    const odd = [{ retained: true }, { metrics: new Map([['', 0]]) }];
    const many = Array.from({ length: 2500 }, (_, n) => handed(n, { location: 'lab', ...odd[n] }));
    await db.store.commit(batchOf([reading(1, 0, { temperature: 20 })], { alerts: handOn(many) }));
    await db.store.commit(batchOf([], { alerts: handOn([handed(9)], 'other') }));
    await db.store.commit(batchOf([], { alerts: handOn([handed(-1)]) }));
    const { rows, more } = await duties.oldest('crew');
    expect(rows.flatMap(({ readings }) => readings)).toEqual([...many, handed(-1)]);
    expect([rows.map(({ readings }) => readings.length), more]).toEqual([[1000, 1000, 500, 1], false]);
  });

  test('the earliest reading of each sensor that waits', async () => {
    await db.rows(
      `INSERT INTO sensors (id, key) OVERRIDING SYSTEM VALUE VALUES (71, 'küche "1"'), (72, 'b')`,
    );
    await db.store.commit(batchOf([], { alerts: handOn([handed(5), handed(3), handed(9, { key: 'b' })]) }));
    await db.store.commit(batchOf([], { alerts: handOn([handed(4)]) }));
    await db.store.commit(batchOf([], { alerts: handOn([handed(1)], 'other') }));
    expect(await duties.earliest('crew')).toEqual(new Map([[71, START_US + 3], [72, START_US + 9]])); // prettier-ignore
  });

  test('a look is bounded', async () => {
    const many = Array.from({ length: 25_000 }, (_, n) => handed(n));
    await db.store.commit(batchOf([], { alerts: handOn(many) }));
    const { rows, more } = await duties.oldest('crew');
    expect([rows.length, more]).toEqual([20, true]);
  });

  test('what is no number arrives as none', async () => {
    await db.store.commit(batchOf([], { alerts: handOn([handed(0, { metrics: new Map([['x', NaN]]) })]) }));
    const { rows } = await duties.oldest('crew');
    expect([...(rows[0]?.readings[0]?.metrics ?? [])]).toEqual([['x', null]]);
  });

  test('a refused reading takes its hand-over back with it', async () => {
    const refused = batchOf([reading(1, 0, { rssi: 1e12 })], { alerts: handOn([handed(0)]) });
    expect(await db.store.commit(refused)).toMatchObject({ kind: 'row_refused', index: 0 });
    expect(await duties.waiting('crew')).toBe(0);
  });

  test('what is older than a week is deleted, whosever it is', async () => {
    await db.store.commit(batchOf([], { alerts: handOn([handed(0)]) }));
    await duties.prune(Date.now() - MINUTE_MS);
    expect(await duties.waiting('crew')).toBe(1);
    await duties.prune(Date.now() + MINUTE_MS);
    expect(await duties.waiting('crew')).toBe(0);
  });
});

describe('the fence', () => {
  test('what was evaluated under a former duty is not written, and takes nothing out of the inbox', async () => {
    await duties.take('crew', 'one', MINUTE_MS, true);
    await db.store.commit(batchOf([], { alerts: handOn([handed(0)]) }));
    const taken = (await duties.oldest('crew')).rows.map(({ id }) => id);
    await duties.release({ group: 'crew', epoch: 1 });
    await duties.take('crew', 'two', MINUTE_MS, true);
    const alerts = { taken, duty: { group: 'crew', epoch: 1 } };
    for (const retry of [false, true]) {
      const batch = batchOf([reading(1, 0, { temperature: 20 })], { alerts, retry });
      expect(await db.store.commit(batch).catch(code)).toBe('DUTY_LOST');
    }
    expect(await db.rows('SELECT 1 FROM sensor_readings')).toEqual([]);
    expect(await duties.waiting('crew')).toBe(1);
    const mine = { ...alerts, duty: { group: 'crew', epoch: 2 } };
    expect(
      await db.store.commit(batchOf([reading(1, 0, { temperature: 20 })], { alerts: mine })),
    ).toMatchObject({
      stored: 1,
    });
    expect(await duties.waiting('crew')).toBe(0);
  });
});

describeReal('several sessions at once', () => {
  test('who takes the duty waits for the transaction that has passed the fence; one that comes later finds it closed', async () => {
    await duties.take('crew', 'one', 1, true);
    const other = await pool.connect();
    await other.query('BEGIN');
    await other.query(`SELECT 1 FROM alert_duty WHERE group_name = 'crew' AND epoch = 1 FOR SHARE`);
    let taken = false;
    const taking = duties.take('crew', 'two', MINUTE_MS, true).then((epoch) => {
      taken = true;
      return epoch;
    });
    await eventually('it waits', async () => {
      const waiting = await db.rows(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
        AND wait_event_type = 'Lock' AND query LIKE '%alert_duty%'`);
      return waiting.length > 0;
    });
    expect(taken).toBe(false);
    await other.query('COMMIT');
    other.release();
    expect(await taking).toBe(2);
  });

  test('a transaction of a daemon that is frozen is ended by the server, and its locks with it', async () => {
    await duties.take('crew', 'one', MINUTE_MS, true);
    await db.rows('CREATE TABLE noted (setting text)');
    await db.rows(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO noted VALUES (current_setting('idle_in_transaction_session_timeout')); RETURN NEW; END $$`);
    await db.rows('CREATE TRIGGER note BEFORE INSERT ON alert_inbox FOR EACH ROW EXECUTE FUNCTION note()');
    await db.another({ idleInTransactionMs: 200 }).commit(batchOf([], { alerts: handOn([handed(0)]) }));
    expect(await db.rows('SELECT setting FROM noted')).toEqual([{ setting: '200ms' }]);
    // So that is what a session with it does to the others when its process stands still in a transaction.
    const client = await new Connector({ url: db.url }).open();
    client.on('error', () => undefined);
    await client.query('SET idle_in_transaction_session_timeout = 200');
    await client.query('BEGIN');
    await client.query(`SELECT 1 FROM alert_duty WHERE group_name = 'crew' FOR SHARE`);
    expect(await duties.renew({ group: 'crew', epoch: 1 }, MINUTE_MS)).toBe(true);
    await client.end().catch(() => undefined);
  });
});
