import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import type { Conflict, DeadLetter, StorableReading, StoreOutcome } from '../../../src/ports/store.ts';
import {
  START_US,
  type StoreFixture,
  batchOf,
  clear,
  openStore,
  reading,
} from '../../support/store-fixtures.ts';

let db: StoreFixture;
beforeAll(async () => {
  db = await openStore();
});
afterAll(() => db.close());

const CORE = ['temperature', 'humidity', 'rssi'];
type Kind = keyof StoreOutcome;

/** The rule, written once more without SQL: values by (sensor, time, metric); the first one stays. */
class Model {
  readonly values = new Map<string, number>();

  commit(readings: readonly StorableReading[]): StoreOutcome {
    const outcome = { stored: 0, duplicate: 0, merged: 0, conflict: 0 };
    for (const one of readings) outcome[this.#add(one)] += 1;
    return outcome;
  }

  #add({ sensorId, timeUs, metrics }: StorableReading): Kind {
    const row = `${sensorId} ${timeUs - START_US}`;
    const names = [...metrics.keys()];
    // A reading meets a stored one in its row of core metrics, or in a narrow row of the same name.
    const meetsRow = names.some((name) => CORE.includes(name)) && this.#has(row, CORE);
    const meets = meetsRow || names.some((name) => this.values.has(`${row} ${name}`));
    let fresh = false;
    let conflict = false;
    for (const [name, value] of metrics) {
      const known = this.values.get(`${row} ${name}`);
      if (known === undefined) {
        fresh = true;
        this.values.set(`${row} ${name}`, value);
      } else if (known !== value) conflict = true;
    }
    if (conflict) return 'conflict';
    if (!fresh) return 'duplicate';
    return meets ? 'merged' : 'stored';
  }

  #has(row: string, names: readonly string[]): boolean {
    return names.some((name) => this.values.has(`${row} ${name}`));
  }
}

async function stored(): Promise<Map<string, number>> {
  const rows = await db.rows<{ key: string; value: number }>(`
    SELECT concat_ws(' ', sensor_id, (extract(epoch FROM time) * 1000000)::int8 - ${START_US}, name) AS key, value FROM (
      SELECT sensor_id, time, v.name, v.value FROM sensor_readings CROSS JOIN LATERAL (VALUES
        ('temperature', temperature), ('humidity', humidity), ('rssi', rssi)) AS v (name, value)
      UNION ALL SELECT r.sensor_id, r.time, m.name, r.value FROM sensor_metrics r JOIN metrics m ON m.id = r.metric_id
    ) AS all_values WHERE value IS NOT NULL`);
  return new Map(rows.map(({ key, value }) => [key, value]));
}

/** Few sensors, times (two days) and values, so that batches meet what is stored and themselves. */
const values = fc.dictionary(fc.constantFrom(...CORE, 'co2', 'voc'), fc.integer({ min: 0, max: 2 }), {
  minKeys: 1,
  maxKeys: 4,
});
const one = fc
  .tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom(0, 1, 86_400_000_000), values)
  .map(([sensor, us, metrics]) => reading(sensor, us, metrics));
const batches = fc.array(fc.tuple(fc.array(one, { minLength: 1, maxLength: 8 }), fc.boolean()), {
  maxLength: 5,
});

test('whatever batches come, outcomes and values are those of the rule', async () => {
  await fc.assert(
    fc.asyncProperty(batches, async (sequence) => {
      await clear(db);
      const model = new Model();
      for (const [readings, retry] of sequence) {
        const result = await db.store.commit(batchOf(readings, { retry }));
        expect(result).toEqual({ kind: 'committed', ...model.commit(readings) });
      }
      expect(await stored()).toEqual(model.values);
    }),
    { numRuns: 30 },
  );
}, 120_000);

test('statement 27: readings that conflict are handed over with both values, and kept with what the batch stores', async () => {
  await clear(db);
  await db.store.commit(batchOf([reading(1, 0, { temperature: 20, rssi: -60, co2: 400 })]));
  const seen: unknown[] = [];
  const keepConflicts = (conflicts: readonly Conflict[]): DeadLetter[] => {
    seen.push(...conflicts);
    const id = '11111111-1111-4111-8111-111111111111';
    const payload = new Uint8Array([1]);
    return [{ id, receivedAtMs: 0, topic: 't', payload, reason: 'conflict', detail: 'both' }];
  };
  const readings = [
    reading(1, 0, { temperature: 21, humidity: 50, rssi: -60, co2: 410 }),
    reading(1, 0, { temperature: 20 }),
    reading(1, 0, { humidity: 51 }),
    reading(2, 0, { temperature: 1 }),
    reading(2, 0, { temperature: 2 }),
  ];
  const outcome = { kind: 'committed', stored: 1, duplicate: 1, merged: 0, conflict: 3 };
  expect(await db.store.commit({ ...batchOf(readings), keepConflicts })).toEqual(outcome);
  const conflicts = [
    {
      index: 0,
      values: [
        { metric: 'co2', stored: 400, sent: 410 },
        { metric: 'temperature', stored: 20, sent: 21 },
      ],
    },
    { index: 2, values: [{ metric: 'humidity', stored: 50, sent: 51 }] },
    { index: 4, values: [{ metric: 'temperature', stored: 1, sent: 2 }] },
  ];
  expect(seen).toEqual(conflicts);
  await db.store.commit({ ...batchOf(readings), keepConflicts });
  expect(await db.rows('SELECT topic, reason, detail FROM dead_letters')).toEqual([
    { topic: 't', reason: 'conflict', detail: 'both' },
  ]);
});

test('two daemons that store the same readings at once: each reading is stored by one of them', async () => {
  await clear(db);
  const others = [db.store, db.another(), db.another()];
  const readings = Array.from({ length: 2000 }, (_, i) => reading(i % 50, i, { temperature: i, co2: i }));
  const results = await Promise.all(others.map((store) => store.commit(batchOf(readings, { retry: true }))));
  const sum = (kind: Kind) =>
    results.reduce((total, result) => total + (result.kind === 'committed' ? result[kind] : NaN), 0);
  expect([sum('stored'), sum('duplicate'), sum('merged'), sum('conflict')]).toEqual([2000, 4000, 0, 0]);
});
