import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import { TimescaleAlertStore } from '../../../src/adapters/timescale/alert/alert-store.ts';
import { copyIn } from '../../../src/adapters/timescale/connection/copy-in.ts';
import {
  HANDOVER_CHANNEL,
  TimescaleHandoverStore,
} from '../../../src/adapters/timescale/alert/handover-store.ts';
import { TimescaleLeaseStore } from '../../../src/adapters/timescale/alert/lease-store.ts';
import { writeShards } from '../../../src/adapters/timescale/alert/lease-writes.ts';
import { createPool } from '../../../src/adapters/timescale/connection/pool.ts';
import type { Work } from '../../../src/adapters/timescale/connection/session.ts';
import type { HandoverReading } from '../../../src/core/alert/cluster/handover-record.ts';
import { type OwnedShards, shardMoves } from '../../../src/core/alert/cluster/shard-lease.ts';
import { SHARDS, shardOf } from '../../../src/core/alert/cluster/shard.ts';
import {
  type WaitingColumns,
  type WaitingRow,
  foldWaiting,
  waitingColumns,
} from '../../../src/core/alert/engine/waiting.ts';
import type { ShardFence } from '../../../src/core/alert/model.ts';
import { shareGroup } from '../../../src/queries/status.ts';
import { between, seededRandom } from '../../../src/simulator/random.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';
import { describeReal } from '../../support/server-db.ts';
import { START_US, type StoreFixture, batchOf, openStore, reading } from '../../support/store-fixtures.ts';

let db: StoreFixture;
let pool: pg.Pool;
let store: TimescaleLeaseStore;
let handover: TimescaleHandoverStore;
beforeAll(async () => {
  db = await openStore();
  pool = await createPool({ url: db.url, max: 8 }, new QuietLogger());
  store = new TimescaleLeaseStore(pool);
  handover = new TimescaleHandoverStore(pool);
});
beforeEach(() => db.rows('TRUNCATE share_members, alert_shards, alert_handover, sensor_readings'));
afterAll(async () => {
  await pool.end();
  await db.close();
});

const MINUTE_MS = 60_000;
const NOTHING_SAID = { connectsSensors: false };
const renew = (member: string, ttlMs = MINUTE_MS) => store.renew('crew', member, ttlMs, NOTHING_SAID);
const all = (epoch: number): OwnedShards =>
  new Map(Array.from({ length: SHARDS }, (_, shard) => [shard, epoch]));

const fenceOf = (shards: readonly (readonly [number, number])[]) => ({ group: 'crew', era: 'one', shards });

/** One transaction that ends when it is asked to. */
async function transaction<T>(run: (work: Work) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const result = await run({
      query: (text: string, values: unknown[]) => client.query(text, values),
      copy: (text: string, parts: Iterable<Uint8Array>) => copyIn(client, text, parts),
    } as Work);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

describe('the rows of a share group', () => {
  test('the first renewal joins and makes the shards; what is said of a member is read by all', async () => {
    await store.renew('crew', 'one', MINUTE_MS, { connectsSensors: true, received: [1.5, 2] });
    await store.renew('other', 'two', MINUTE_MS, NOTHING_SAID);
    const { nowMs, members, shards } = await renew('two');
    expect(members.map(({ id, connectsSensors, received }) => ({ id, connectsSensors, received }))).toEqual([
      { id: 'one', connectsSensors: true, received: [1.5, 2] },
      { id: 'two', connectsSensors: false, received: undefined },
    ]);
    for (const { joinedAtMs, leasedUntilMs } of members) {
      expect(joinedAtMs).toBeLessThanOrEqual(nowMs);
      expect(leasedUntilMs).toBeGreaterThan(nowMs + MINUTE_MS / 2);
    }
    expect(shards).toEqual(Array.from({ length: SHARDS }, () => ({ owner: undefined, epoch: 0 })));
  });

  test('a shard is taken once under an epoch; from a live owner never, from one whose lease ran out', async () => {
    await renew('one');
    await renew('two');
    expect(await store.take('crew', 'one', all(0))).toEqual(all(1));
    expect((await store.take('crew', 'two', all(0))).size).toBe(0);
    expect((await store.take('crew', 'two', all(1))).size).toBe(0);
    await renew('one', -1);
    expect(await store.take('crew', 'two', new Map([[7, 1]]))).toEqual(new Map([[7, 2]]));
    // Shards of a returning owner that no other member took are still its own.
    const { shards } = await renew('one');
    expect(shards.filter(({ owner }) => owner === 'one')).toHaveLength(SHARDS - 1);
  });

  test('what is given back, or left, is free at once, in the next epoch', async () => {
    await renew('one');
    await renew('two');
    await store.take('crew', 'one', all(0));
    await store.release('crew', 'one', new Map([[3, 1]]));
    await store.release('crew', 'one', new Map([[4, 9]]));
    expect(await store.take('crew', 'two', all(1))).toEqual(new Map([[3, 2]]));
    await store.leave('crew', 'one', 'nothing');
    expect((await renew('two')).members).toHaveLength(1);
    expect((await store.take('crew', 'two', all(1))).size).toBe(SHARDS - 1);
  });
});

describe('a member that stops', () => {
  const subscribe = (member: string, subscribed: string | undefined, ttlMs = MINUTE_MS) =>
    store.renew('crew', member, ttlMs, { ...NOTHING_SAID, behind: false, subscribed });

  test('may end its subscription if another one that is there has the same', async () => {
    await subscribe('one', 'a');
    expect(await store.depart('crew', 'one')).toBe(false);
    await subscribe('two', 'b');
    await subscribe('three', undefined);
    await subscribe('four', 'a', -1);
    expect(await store.depart('crew', 'one')).toBe(false);
    await subscribe('five', 'a');
    expect(await store.depart('crew', 'one')).toBe(true);
    // The other one is the last.
    expect(await store.depart('crew', 'five')).toBe(false);
    expect(await store.depart('crew', 'six')).toBe(false);
  });

  test('of members that stop at the same moment, the last one keeps its subscription', async () => {
    const names = ['one', 'two', 'three', 'four'];
    for (let round = 0; round < 10; round++) {
      for (const name of names) await subscribe(name, 'a');
      const departed = await Promise.all(names.map((name) => store.depart('crew', name)));
      expect(departed.filter(Boolean)).toHaveLength(names.length - 1);
    }
  });

  test('stays with its row where something waits for it: it is not there, and its shards are free', async () => {
    await subscribe('one', 'a');
    await store.take('crew', 'one', all(0));
    await store.leave('crew', 'one', 'something');
    const { nowMs, members } = await renew('two');
    const [one] = members;
    expect(members).toHaveLength(2);
    expect(one).toMatchObject({ id: 'one', behind: true });
    expect(one?.leasedUntilMs).toBeLessThanOrEqual(nowMs);
    expect((await store.take('crew', 'two', all(1))).size).toBe(SHARDS);
    expect(await store.depart('crew', 'two')).toBe(false);
  });

  test('before it received anything leaves what its former processes did, and is not waited for itself', async () => {
    const former = 'one on host (pid 1, a)';
    const unstarted = ['one on host (pid 2, b)', 'two on host (pid 3, c)'];
    for (const name of [former, ...unstarted]) await renew(name);
    await store.take('crew', 'two on host (pid 3, c)', all(0));
    for (const name of unstarted) await store.leave('crew', name, 'as_before');
    const { members, shards } = await renew('three on host (pid 4, d)');
    expect(members.map(({ id }) => id)).toEqual([former, 'three on host (pid 4, d)']);
    expect(shards.filter(({ owner }) => owner !== undefined)).toEqual([]);
  });

  test('publishes its configuration to the other members and to doctor', async () => {
    const configuration = { alerts: '0123456789abcdef', routes: 'fedcba9876543210' };
    await store.renew('crew', 'one', MINUTE_MS, { ...NOTHING_SAID, configuration });
    const { members } = await renew('two');
    expect(members.map((member) => member.configuration)).toEqual([configuration, undefined]);
    expect((await shareGroup(pool, 'crew')).members).toMatchObject([
      { member: 'one', configuration },
      { member: 'two', configuration: null },
    ]);
    await renew('one');
    expect((await renew('two')).members.map((member) => member.configuration)).toEqual([
      undefined,
      undefined,
    ]);
  });

  test('is away for doctor until its next process is there, or it has left', async () => {
    const away = async () => (await shareGroup(pool, 'crew')).away.map(({ member }) => member);
    for (const name of ['one on host (pid 1, a)', 'two on host (pid 2, b)']) await renew(name, -5000);
    expect(await away()).toEqual(['one on host (pid 1, a)', 'two on host (pid 2, b)']);
    await renew('one on host (pid 3, c)');
    expect(await away()).toEqual(['two on host (pid 2, b)']);
    const [two] = (await shareGroup(pool, 'crew')).away;
    expect(two?.seconds).toBeGreaterThanOrEqual(5);
    await store.leave('crew', 'one on host (pid 3, c)', 'nothing');
    await store.leave('crew', 'two on host (pid 2, b)', 'nothing');
    expect(await away()).toEqual([]);
  });

  test('takes the rows of its former processes along: no member waits for one that was killed', async () => {
    const killed = 'one on host (pid 1, a)';
    const next = 'one on host (pid 2, b)';
    for (const name of [killed, 'one on board on host (pid 3, c)', 'two on host (pid 4, d)'])
      await renew(name);
    await store.take('crew', killed, all(0));
    await renew(next);
    await store.leave('crew', next, 'nothing');
    const { members } = await renew('two on host (pid 4, d)');
    expect(members.map(({ id }) => id)).toEqual([
      'one on board on host (pid 3, c)',
      'two on host (pid 4, d)',
    ]);
    expect((await store.take('crew', 'two on host (pid 4, d)', all(1))).size).toBe(SHARDS);
  });
});

describe('the fence', () => {
  test('refuses what is written under the epoch of a former owner, and names the shards', async () => {
    await renew('one');
    await store.take('crew', 'one', all(0));
    await renew('one', -1);
    await renew('two');
    await store.take('crew', 'two', new Map([[5, 1]]));
    await transaction((work) => fenceShards(work, fenceOf([[4, 1]])));
    await expect(
      transaction((work) =>
        fenceShards(
          work,
          fenceOf([
            [4, 1],
            [5, 1],
          ]),
        ),
      ),
    ).rejects.toMatchObject({ code: 'LEASE_LOST', message: expect.stringContaining('shards 5 now') });
  });
});

const fenceShards = (work: Work, fence: ShardFence) => writeShards(work, { fence });
const writeHandedOver = (work: Work, group: string, readings: readonly HandoverReading[]) =>
  writeShards(work, { forwarded: { group, readings } });

/** A member that now and then acts on rows that are old; how many of its commits the fence refused. */
async function wander(name: string, seed: number): Promise<number> {
  const random = seededRandom(seed);
  let believed: OwnedShards = new Map();
  let refused = 0;
  for (let round = 0; round < 40; round++) {
    // Whether its lease lasts until the next round is chance: as if it was frozen in between.
    const view = await renew(name, random() < 0.3 ? -1 : between(random, 1, 50));
    const { owned, take, release } = shardMoves(name, view, believed, true);
    if (random() < 0.8) believed = owned;
    if (release.size > 0) await store.release('crew', name, release);
    const taken = await store.take('crew', name, take);
    believed = new Map([...believed, ...taken]);
    if (believed.size === 0) continue;
    await transaction((work) => write(work, name, believed)).catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'LEASE_LOST' });
      refused++;
    });
  }
  return refused;
}

/** What an owner writes, and that no later owner wrote before it. */
async function write(work: Work, member: string, under: OwnedShards): Promise<void> {
  await fenceShards(work, fenceOf([...under]));
  const { rowCount } = await work.query(
    `UPDATE written w SET epoch = u.epoch, member = $1
       FROM (SELECT w.shard, u.epoch FROM written w JOIN unnest($2::int[], $3::bigint[]) AS u (shard, epoch) USING (shard)
              ORDER BY w.shard FOR UPDATE OF w) u
      WHERE w.shard = u.shard AND (w.epoch < u.epoch OR (w.epoch = u.epoch AND w.member = $1))`,
    [member, [...under.keys()], [...under.values()]],
  );
  expect(rowCount).toBe(under.size);
}

const handed = (sensorId: number, more: Partial<HandoverReading> = {}): HandoverReading => ({
  ...{ sensorId, timeUs: 1_767_225_600_000_001, receivedAtMs: 1_767_225_600_000.5 },
  ...{ metrics: new Map([['temperature', sensorId / 3]]), retained: false, spooled: false, located: true },
  ...more,
});

describe('what is handed over', () => {
  const readings = Array.from({ length: 200 }, (_, at) => handed(at + 1));
  const shards = [...new Set(readings.map(({ sensorId }) => shardOf(sensorId)))];

  test('is read by the owner of its shard, and gone with its result', async () => {
    await transaction((work) => writeHandedOver(work, 'crëw', readings));
    await transaction((work) => writeHandedOver(work, 'other', [handed(1)]));
    const [mine, others] = [shards.slice(0, 20), shards.slice(20)];
    const { rows, more } = await handover.read('crëw', mine, 20_000);
    expect(more).toBe(false);
    const found = rows.flatMap((row) => row.readings);
    const bySensor = (a: HandoverReading, b: HandoverReading) => a.sensorId - b.sensorId;
    expect([...found].sort(bySensor)).toEqual(
      readings.filter(({ sensorId }) => mine.includes(shardOf(sensorId))),
    );
    for (const row of rows)
      expect(new Set(row.readings.map(({ sensorId }) => shardOf(sensorId)))).toEqual(new Set([row.shard]));
    await transaction((work) => writeShards(work, { dequeued: rows.map(({ id }) => id) }));
    expect((await handover.read('crëw', mine, 20_000)).rows).toEqual([]);
    expect((await handover.read('crëw', others, 20_000)).rows).toHaveLength(others.length);
  });

  test('is read in the order in which it was received, whichever member drained first', async () => {
    const received = (second: number, timeUs: number) =>
      handed(1, { timeUs, receivedAtMs: 1_767_225_600_000 + second * 1000 });
    await transaction((work) =>
      writeHandedOver(work, 'crew', [received(0, 1), received(10, 4), received(11, 5)]),
    );
    await transaction((work) => writeHandedOver(work, 'crew', [received(1, 2), received(6, 3)]));
    const { rows } = await handover.read('crew', [shardOf(1)], 20_000);
    expect(rows.map((row) => row.readings.map(({ timeUs }) => timeUs))).toEqual([[1], [2], [3], [4, 5]]);
  });

  test('a read is bounded, and reports that there is more', async () => {
    const many = new Array<HandoverReading>(15_000).fill(handed(1));
    for (let batch = 0; batch < 3; batch++) await transaction((work) => writeHandedOver(work, 'crew', many));
    const { rows, more } = await handover.read('crew', [shardOf(1)], 20_000);
    expect({ rows: rows.length, more }).toEqual({ rows: 2, more: true });
  });

  test('the earliest of each sensor that waits is found without the rest', async () => {
    const at = (timeUs: number, sensorId = 1) => handed(sensorId, { timeUs });
    await transaction((work) => writeHandedOver(work, 'crew', [at(5), at(3), at(9, 2), at(7, 3)]));
    await transaction((work) => writeHandedOver(work, 'crew', [at(4)]));
    await transaction((work) => writeHandedOver(work, 'other', [at(1)]));
    const asked = [shardOf(1), shardOf(2)];
    expect(await handover.earliest('crew', asked)).toEqual(new Map([[1, 3], [2, 9]])); // prettier-ignore
    expect(await handover.waiting('crew')).toBe(5);
  });

  test('what is older than a week is deleted, whatever group it is of', async () => {
    await transaction((work) => writeHandedOver(work, 'crew', [handed(1)]));
    await handover.prune(Date.now() - MINUTE_MS);
    expect(await handover.waiting('crew')).toBe(1);
    await handover.prune(Date.now() + MINUTE_MS);
    expect(await handover.waiting('crew')).toBe(0);
  });
});

describe('a batch', () => {
  const mine = { group: 'crew', era: 'one', shards: [[shardOf(1), 1]] } as const;
  const handed = {
    sensorId: 1,
    timeUs: START_US,
    receivedAtMs: 1,
    retained: false,
    spooled: false,
    located: true,
  };
  const forwarded = { group: 'crew', readings: [{ ...handed, metrics: new Map([['x', 1]]) }] };

  test('writes nothing and takes nothing out of the handover under the epoch of a former owner', async () => {
    await renew('one');
    await store.take('crew', 'one', all(0));
    await db.store.commit(batchOf([], { alerts: { forwarded } }));
    const dequeued = (await handover.read('crew', [shardOf(1)], 20_000)).rows.map(({ id }) => id);
    await renew('one', -1);
    await renew('two');
    await store.take('crew', 'two', all(1));
    for (const retry of [false, true]) {
      const batch = batchOf([reading(1, 0, { temperature: 20 })], {
        alerts: { dequeued, fence: mine },
        retry,
      });
      await expect(db.store.commit(batch)).rejects.toMatchObject({
        code: 'LEASE_LOST',
        shards: [shardOf(1)],
      });
    }
    expect(await db.rows('SELECT 1 FROM sensor_readings')).toEqual([]);
    expect(await handover.waiting('crew')).toBe(1);
    const fence = { ...mine, shards: [[shardOf(1), 2]] as const };
    const batch = batchOf([reading(1, 0, { temperature: 20 })], { alerts: { dequeued, fence } });
    expect(await db.store.commit(batch)).toMatchObject({ stored: 1 });
    expect(await handover.waiting('crew')).toBe(0);
  });

  test('that is refused for a reading takes its handover back with it', async () => {
    const refused = batchOf([reading(1, 0, { rssi: 1e12 })], { alerts: { forwarded } });
    expect(await db.store.commit(refused)).toMatchObject({ kind: 'row_refused', index: 0 });
    expect(await handover.waiting('crew')).toBe(0);
  });
});

test('the log of what waits: an owner replaces what is said of its shards, and what is said of others stays', async () => {
  const alerts = new TimescaleAlertStore(pool);
  const [a, b] = [1, 2];
  const seriesOf = (sensorId: number, fromUs: number) => ({
    ...{ sensorId, metric: 'x', lastUs: 1, lastValue: 1, fromUs, untilUs: 9, unstored: [] },
  });
  const row = (writer: string, columns: WaitingColumns, more: Partial<WaitingRow> = {}) =>
    db.store.commit(batchOf([], { alerts: { waiting: { group: 'crew', writer, columns, ...more } } }));
  await row('dead', waitingColumns([seriesOf(a, 2), seriesOf(b, 2)]));
  const { upTo } = await alerts.loadWaiting('crew', [shardOf(a)]);
  await row('one', waitingColumns([]), { replaces: upTo, shards: [shardOf(a)] });
  const found = async (shards?: number[]) =>
    foldWaiting((await alerts.loadWaiting('crew', shards)).rows).map(({ sensorId }) => sensorId);
  expect(await found([shardOf(a)])).toEqual([]);
  expect(await found([shardOf(b)])).toEqual([b]);
  await row('two', waitingColumns([seriesOf(b, 3)]), { replaces: upTo, shards: [shardOf(b)] });
  expect(await found()).toEqual([b]);
  expect(await db.rows('SELECT writer FROM alert_watermarks WHERE shards <> 0')).toEqual([{ writer: 'two' }]);
  await db.rows('TRUNCATE alert_watermarks');
});

// The embedded engine has one session.
describeReal('several sessions at once', () => {
  test('a shard whose owner is committing is not taken meanwhile, others are', async () => {
    await renew('one');
    await store.take('crew', 'one', all(0));
    await renew('one', -1);
    await renew('two');
    const taken = await transaction(async (work) => {
      await fenceShards(work, fenceOf([[9, 1]]));
      return store.take('crew', 'two', all(1));
    });
    expect(taken.size).toBe(SHARDS - 1);
    expect(await store.take('crew', 'two', new Map([[9, 1]]))).toEqual(new Map([[9, 2]]));
  });

  test('members that join, freeze and come back at random: nothing commits under an epoch that is over', async () => {
    await db.rows('CREATE TABLE written (shard int PRIMARY KEY, epoch bigint, member text)');
    await db.rows('INSERT INTO written SELECT generate_series(0, 63), 0');
    const refused = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name, at) => wander(name, at)));
    expect(refused.reduce((sum, each) => sum + each)).toBeGreaterThan(0);
    const taken = await db.rows('SELECT max(epoch)::int AS epoch FROM written');
    expect(taken[0]).toMatchObject({ epoch: expect.any(Number) });
    expect((taken[0] as { epoch: number }).epoch).toBeGreaterThan(2);
  });

  test('of one member it is read in the order of its commits; what commits late is read then', async () => {
    let late: Promise<unknown> = Promise.resolve();
    await transaction(async (work) => {
      await writeHandedOver(work, 'crew', [handed(1, { timeUs: 1 })]);
      late = transaction((other) => writeHandedOver(other, 'crew', [handed(1, { timeUs: 2 })]));
      await late;
      const { rows } = await handover.read('crew', [shardOf(1)], 20_000);
      expect(rows.map((row) => row.readings[0]?.timeUs)).toEqual([2]);
    });
    const { rows } = await handover.read('crew', [shardOf(1)], 20_000);
    expect(rows.map((row) => row.readings[0]?.timeUs)).toEqual([1, 2]);
  });

  test('wakes its owner with the commit, and not before', async () => {
    const client = await pool.connect();
    const woken = new Promise((resolve) => client.once('notification', ({ payload }) => resolve(payload)));
    try {
      await client.query(`LISTEN ${HANDOVER_CHANNEL}`);
      await transaction((work) => writeHandedOver(work, 'crew', [handed(1)]));
      expect(await woken).toBe('crew');
    } finally {
      client.release(true);
    }
  });
});

test('a member of an earlier version that still runs in a rolling update renews, and hands over', async () => {
  await transaction((work) => writeHandedOver(work, 'crew', [handed(1)]));
  const { rows } = await handover.read('crew', [shardOf(1)], 20_000);
  // The statements of the version with 16 migrations, without what came since.
  await db.rows(
    "INSERT INTO share_members (group_name, member, leased_until) VALUES ('crew', 'old', now() + interval '10 s')",
  );
  await db.rows(
    `INSERT INTO alert_handover (group_name, shard, readings, record)
     SELECT group_name, shard, readings, record FROM alert_handover`,
  );
  const { members } = await store.renew('crew', 'new', MINUTE_MS, { ...NOTHING_SAID, behind: true });
  expect(new Map(members.map(({ id, behind }) => [id, behind]))).toEqual(
    new Map([['old', undefined], ['new', true]]), // prettier-ignore
  );
  const read = await handover.read('crew', [shardOf(1)], 20_000);
  expect(read.rows.map(({ readings }) => readings)).toEqual([rows[0]?.readings, rows[0]?.readings]);
});

test('an earlier version that still runs can neither take the alerts nor hand readings over, and reads why', async () => {
  await expect(
    db.rows("INSERT INTO alert_duty (group_name, owner, epoch) VALUES ('crew', 'old', 1)"),
  ).rejects.toThrow('alert_duty_taken_by_an_earlier_version');
  await expect(
    db.rows("INSERT INTO alert_inbox (group_name, readings, payload) VALUES ('crew', 0, '[]')"),
  ).rejects.toThrow('alert_inbox_written_by_an_earlier_version');
});
