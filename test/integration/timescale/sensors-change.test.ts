import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { TimescaleSensorStore } from '../../../src/adapters/timescale/ingest/sensor-store.ts';
import { sensorsCommand } from '../../../src/cli/sensors/index.ts';
import { runCli } from '../../support/cli.ts';
import { type StoreFixture, batchOf, clear, openStore, reading } from '../../support/store-fixtures.ts';

/** Sensors that are renamed, merged and forgotten, in the database. */

let fixture: StoreFixture;
let directory: TimescaleSensorStore;
let pool: pg.Pool;

beforeAll(async () => {
  fixture = await openStore();
  pool = new pg.Pool({ connectionString: fixture.url, max: 1 });
  pool.on('error', () => undefined);
  directory = new TimescaleSensorStore(pool);
});
afterAll(async () => {
  await pool.end();
  await fixture.close();
});

let ids: Record<string, number>;
beforeEach(async () => {
  await clear(fixture);
  const sensors = await directory.register([{ key: 'old' }, { key: 'new' }]);
  ids = Object.fromEntries(sensors.map(({ key, id }) => [key, id]));
});

const DAY_US = 86_400_000_000;
const cli = (...args: string[]) =>
  runCli(sensorsCommand, args, { env: { FIELDWATCH_DATABASE_URL: fixture.url, USER: 'ann' } });
const account = async (...args: string[]) =>
  JSON.parse((await cli(...args, '--json')).out) as Record<string, unknown>;
const count = async (table: string, id: number) =>
  (
    await fixture.rows<{ n: number }>(`SELECT count(*)::int AS n FROM ${table} WHERE sensor_id = $1`, [id])
  )[0]!.n;
const left = async (id: number) =>
  Promise.all(
    ['sensor_readings', 'sensor_metrics', 'sensor_alerts', 'alert_state'].map((table) => count(table, id)),
  );
const values = async (id: number) =>
  (
    await fixture.rows<{ t: number | null }>(
      'SELECT temperature AS t FROM sensor_readings WHERE sensor_id = $1 ORDER BY time',
      [id],
    )
  ).map(({ t }) => t);
const seq = async () => (await directory.loadChanges()).seq;

/** Three days of readings, the first compressed, and an alert that fires. */
async function fill(): Promise<void> {
  const old = ids['old']!;
  await fixture.store.commit(
    batchOf([
      reading(old, 0, { temperature: 1, co2: 400 }),
      reading(old, 1, { temperature: 2 }),
      reading(old, DAY_US, { temperature: 3 }),
      reading(ids['new']!, 1, { temperature: 20 }),
      reading(ids['new']!, DAY_US, { temperature: 3 }),
    ]),
  );
  await fixture.rows(
    `SELECT compress_chunk(c) FROM show_chunks('sensor_readings', older_than => '2026-01-02'::timestamptz) c`,
  );
  await fixture.rows(
    `INSERT INTO sensor_alerts (time, sensor_id, alert_type, message, value, threshold, alert_id, metric, kind, side)
     VALUES ('2026-01-01', $1, 'temperature_high', 'm', 3, 2, '00000000-0000-4000-8000-000000000001', 'temperature', 'threshold', 'high')`,
    [old],
  );
  await fixture.rows(
    `INSERT INTO alert_state (sensor_id, metric, kind, side, alert_type, state, alert_id, severity, started_at, fired_at, seq, last_event_at, last_value, rule_hash)
     VALUES ($1, 'temperature', 'threshold', 'high', 'temperature_high', 'firing', '00000000-0000-4000-8000-000000000001', 'warning', '2026-01-01', '2026-01-01', 1, '2026-01-01', 3, 'h')`,
    [old],
  );
  await fixture.rows(
    `INSERT INTO alert_outbox (alert_id, seq, event, payload, sent_at)
     VALUES ('00000000-0000-4000-8000-000000000001', 1, 'firing', '{"event":"firing","seq":1,"sensorKey":"old"}', now())`,
  );
}
const resolvedLine = async () =>
  (await fixture.rows<{ payload: unknown }>(`SELECT payload FROM alert_outbox WHERE sent_at IS NULL`)).map(
    ({ payload }) => payload,
  );

describe('sensors rename', () => {
  test('says what it would do, and does it with --yes: the id stays, and the old key leads to it', async () => {
    await fill();
    const before = await seq();
    expect((await cli('rename', 'old', 'newer')).out).toContain('would be renamed to newer');
    expect(await seq()).toBe(before);
    expect((await cli('rename', 'old', 'newer', '--yes')).code).toBe(0);
    expect(await seq()).toBeGreaterThan(before);
    const found = await directory.register([{ key: 'old' }, { key: 'newer' }]);
    expect(new Set(found.map(({ id, key }) => `${id} ${key}`))).toEqual(new Set([`${ids['old']} newer`]));
    expect(await values(ids['old']!)).toEqual([1, 2, 3]);
    expect(await count('alert_state', ids['old']!)).toBe(1);
  });

  test('to a key that is taken is refused, as is one of a sensor that there is not or that is declared', async () => {
    await expect(cli('rename', 'old', 'new', '--yes')).rejects.toMatchObject({ code: 'SENSOR_EXISTS' });
    await expect(cli('rename', 'oldd', 'x')).rejects.toMatchObject({
      code: 'SENSOR_UNKNOWN',
      remedy: 'Did you mean "old"?',
    });
    await directory.declare([{ key: 'old' }]);
    await expect(cli('rename', 'old', 'x', '--yes')).rejects.toMatchObject({
      code: 'SENSOR_DECLARED',
      remedy: expect.stringContaining('sensors.declare'),
    });
  });
});

describe('sensors merge', () => {
  test('is one dead letter for all that differs, by the names of metrics, however many rows and chunks', async () => {
    const [old, other] = [ids['old']!, ids['new']!];
    const of = (id: number, value: number) =>
      Array.from({ length: 400 }, (_, i) =>
        reading(id, i * 3_600_000_000, { temperature: value, co2: value }),
      );
    await fixture.store.commit(batchOf([...of(old, 1), ...of(other, 2)]));
    expect(await account('merge', 'old', 'new')).toMatchObject({ conflicts: 800 });
    await account('merge', 'old', 'new', '--yes');
    const letters = await fixture.rows<{ detail: string; payload: Buffer }>(
      'SELECT detail, payload FROM dead_letters',
    );
    expect(letters).toHaveLength(1);
    expect(letters[0]?.detail).toMatch(
      /temperature is stored as 2, was 1; .*; 800 rows in all, the first 500/,
    );
    const lines = String(letters[0]?.payload)
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines).toHaveLength(500);
    expect(lines.at(-1)).toMatchObject({ co2: 1 });
  });

  test('moves everything, compressed or not; the value that was there stays, the other is a dead letter', async () => {
    await fill();
    expect(await account('merge', 'old', 'new')).toMatchObject({
      ...{ done: false, readings: 3, values: 1, conflicts: 1, openAlerts: 1 },
      compressedChunks: 1,
    });
    expect(await values(ids['old']!)).toEqual([1, 2, 3]);
    expect(await account('merge', 'old', 'new', '--yes')).toMatchObject({ done: true, closedAlerts: 1 });
    expect(await left(ids['old']!)).toEqual([0, 0, 0, 0]);
    expect(await values(ids['new']!)).toEqual([1, 20, 3]);
    expect(await count('sensor_metrics', ids['new']!)).toBe(1);
    const letters = await fixture.rows<{ topic: string; payload: Buffer; reason: string }>(
      'SELECT topic, payload, reason, detail FROM dead_letters',
    );
    expect(letters).toMatchObject([
      {
        ...{ topic: 'old', reason: 'merge_conflict' },
        detail: expect.stringMatching(/^merged into new: old at \S+Z: temperature is stored as 20, was 2$/),
      },
    ]);
    expect(JSON.parse(letters[0]!.payload.toString())).toMatchObject({ temperature: 2 });
    expect(await fixture.rows('SELECT resolve_reason FROM sensor_alerts')).toEqual([
      { resolve_reason: 'manual' },
    ]);
    expect(await resolvedLine()).toMatchObject([
      { event: 'resolved', seq: 2, reason: 'manual', sensorKey: 'old' },
    ]);
    expect((await directory.find(['old'])).map(({ key }) => key)).toEqual(['new']);
    expect((await directory.loadChanges()).forgotten.get(ids['old']!)).toBe(ids['new']);
  });

  test('one that was interrupted after its first step is ended by the next command', async () => {
    await fill();
    await fixture.rows(
      `INSERT INTO sensor_changes (kind, key, sensor_id, target_id, changed_by) VALUES ('merge', 'old', $1, $2, 'ann')`,
      [ids['old'], ids['new']],
    );
    await fixture.rows('DELETE FROM sensors WHERE id = $1', [ids['old']]);
    await directory.register([{ key: 'third' }]);
    await cli('forget', 'third', '--yes');
    expect(await count('sensor_readings', ids['old']!)).toBe(0);
    expect(await values(ids['new']!)).toEqual([1, 20, 3]);
  });
});

describe('sensors forget', () => {
  test('deletes everything of it, closes what is open, and a later message registers it anew', async () => {
    await fill();
    expect(await account('forget', 'old')).toMatchObject({ done: false, readings: 3, openAlerts: 1 });
    await cli('forget', 'old', '--yes');
    expect(await left(ids['old']!)).toEqual([0, 0, 0, 0]);
    expect(await values(ids['new']!)).toEqual([20, 3]);
    expect(await resolvedLine()).toMatchObject([{ event: 'resolved', reason: 'manual' }]);
    const [again] = await directory.register([{ key: 'old' }]);
    expect(again!.id).not.toBe(ids['old']);
  });
});

describe('a batch whose sensors were looked up before a change', () => {
  test('writes nothing, on either path, and is refused by a code', async () => {
    const sensorSeq = await seq();
    await cli('forget', 'old', '--yes');
    for (const retry of [false, true])
      await expect(
        fixture.store.commit({
          ...batchOf([reading(ids['old']!, 7, { temperature: 9 })], { retry }),
          sensorSeq,
        }),
      ).rejects.toMatchObject({ code: 'SENSORS_CHANGED', kind: 'transient' });
    expect(await count('sensor_readings', ids['old']!)).toBe(0);
    const fresh = { ...batchOf([reading(ids['new']!, 8, { temperature: 9 })]), sensorSeq: await seq() };
    expect(await fixture.store.commit(fresh)).toMatchObject({ stored: 1 });
  });
});

describe('sensors retire', () => {
  const facts = async () => (await directory.find(['old']))[0];

  test('says what it would do; with --yes its alerts end, its data stays, and daemons read the sensors again', async () => {
    await fill();
    const before = await seq();
    expect((await cli('retire', 'old')).out).toContain('old: would be retired, 1 open alert would be ended');
    expect([await seq(), (await facts())?.retired]).toEqual([before, null]);
    expect(await account('retire', 'old', '--yes')).toMatchObject({
      retired: true,
      closed_alerts: 1,
      changed: true,
    });
    expect(await seq()).toBeGreaterThan(before);
    expect((await directory.loadChanges()).forgotten.has(ids['old']!)).toBe(false);
    expect((await facts())?.retired).toBe('for_good');
    expect(await left(ids['old']!)).toEqual([3, 1, 1, 0]);
    expect(
      await fixture.rows('SELECT resolve_reason AS r, resolved_at IS NULL AS open FROM sensor_alerts'),
    ).toEqual([{ r: 'retired', open: false }]);
    expect(await resolvedLine()).toMatchObject([{ event: 'resolved', reason: 'retired', seq: 2 }]);
    // Once more changes nothing.
    const after = await seq();
    expect((await cli('retire', 'old', '--yes')).out).toContain('old: retired already');
    expect(await seq()).toBe(after);
    expect((await cli('retire', 'old', '--undo', '--yes')).out).toContain('old: in use');
    expect((await facts())?.retired).toBeNull();
  });

  test('until it is seen: the next reading ends it, for every daemon', async () => {
    await cli('retire', 'old', 'new', '--until-seen', '--yes');
    await cli('retire', 'new', '--yes');
    const before = await seq();
    await directory.unretire(['old', 'new', 'unknown']);
    const state = (await directory.find(['old', 'new'])).map(({ key, retired }) => `${key} ${retired}`);
    expect(state.sort()).toEqual(['new for_good', 'old null']);
    expect(await seq()).toBe(before + 1);
    await directory.unretire(['old']);
    expect(await seq()).toBe(before + 1);
  });

  test('of a sensor that there is not changes nothing', async () => {
    await expect(cli('retire', 'new', 'oldd', '--yes')).rejects.toMatchObject({
      code: 'SENSOR_UNKNOWN',
      remedy: 'Did you mean "old"?',
    });
    expect((await directory.find(['new']))[0]?.retired).toBeNull();
  });
});

describe('gateways', () => {
  const gatewayOf = async (...keys: string[]) =>
    (await directory.find(keys)).map(({ key, gateway }) => `${key} ${gateway}`).sort();

  test('come with the registration, or later, and stay; the declared one wins and becomes a sensor', async () => {
    await directory.register([{ key: 'd1', gateway: 'hub', location: 'lab' }, { key: 'd2' }]);
    await directory.locate([
      { key: 'd1', gateway: 'other' },
      { key: 'd2', gateway: 'hub' },
      { key: 'old', location: 'x' },
    ]);
    expect(await gatewayOf('d1', 'd2', 'old')).toEqual(['d1 hub', 'd2 hub', 'old null']);
    await directory.declare([{ key: 'd1', gateway: 'roof' }, { key: 'd2' }]);
    expect(await gatewayOf('d1', 'd2', 'roof')).toEqual(['d1 roof', 'd2 hub', 'roof null']);
    await cli('rename', 'roof', 'attic', '--yes');
    expect(await gatewayOf('d1')).toEqual(['d1 attic']);
    await directory.register([{ key: 'hub' }]);
    await cli('forget', 'hub', '--yes');
    expect(await gatewayOf('d2')).toEqual(['d2 null']);
    await cli('set', 'd2', '--gateway', 'roof');
    await cli('set', 'old', '--clear', 'gateway', '--name', 'x');
    expect(await gatewayOf('d2', 'old')).toEqual(['d2 roof', 'old null']);
    expect(JSON.parse((await cli('show', 'd2', '--json')).out)).toMatchObject({
      gateway: 'roof',
      retired_at: null,
    });
  });
});

describe('locations', () => {
  const located = async (...keys: string[]) =>
    (await directory.find(keys))
      .map(({ key, location, followsTopic }) => [key, location, followsTopic])
      .sort();
  const everywhere = (location: string) => ['m1', 'm2', 'm3', 'm4'].map((key) => ({ key, location }));

  test('follow the topic that named them; what was declared or put by hand stays', async () => {
    await directory.register([{ key: 'm1', location: 'lab' }, { key: 'm2' }, { key: 'm3', location: 'lab' }]);
    await directory.register([{ key: 'm4', location: 'lab' }]);
    await directory.locate([{ key: 'm2', location: 'lab' }]);
    await cli('set', 'm3', '--location', 'shelf');
    await directory.declare([{ key: 'm4', location: 'rack' }]);
    const before = (await directory.loadChanges()).seq;
    const moved = await directory.move(everywhere('roof'));
    expect(moved.map(({ key }) => key).sort()).toEqual(['m1', 'm2']);
    expect(await located('m1', 'm2', 'm3', 'm4')).toEqual([
      ['m1', 'roof', true],
      ['m2', 'roof', true],
      ['m3', 'shelf', false],
      ['m4', 'rack', false],
    ]);
    // Every daemon reads the sensors again, once for all that have moved.
    const { seq } = await directory.loadChanges();
    expect(seq - before).toBe(1);
    expect(await directory.move(everywhere('roof'))).toEqual([]);
    expect((await directory.loadChanges()).seq).toBe(seq);
    // What is given back to the topic follows it again.
    await cli('set', 'm3', '--clear', 'location');
    await directory.locate([{ key: 'm3', location: 'lab' }]);
    expect(await located('m3')).toEqual([['m3', 'lab', true]]);
    await directory.declare([]);
  });
});
