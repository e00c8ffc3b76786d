import { beforeEach, describe, expect, test } from '@jest/globals';
import { MetricIds } from '../../../src/adapters/timescale/ingest/metric-ids.ts';
import type { Work } from '../../../src/adapters/timescale/connection/session.ts';

const LIMITS = { max: 5, maxNewPerSensor: 2, allow: ['*'] };

/** The table of names; a statement waits for `open`, where it is closed. */
class Table {
  readonly names: string[] = [];
  fails = false;
  gate: Promise<void> = Promise.resolve();
  readonly work = {
    query: async (text: string, values: unknown[] = []) => {
      const wanted = values[0] as string[] | undefined;
      await this.gate;
      if (this.fails) throw new Error('connection lost');
      if (text.includes('INSERT'))
        for (const name of wanted ?? []) if (!this.names.includes(name)) this.names.push(name);
      const rows = this.names.map((name, id) => ({ id, name }));
      return { rows: rows.filter(({ name }) => wanted?.includes(name) !== false) };
    },
  } as unknown as Work;
}

let table: Table;
let ids: MetricIds;
beforeEach(() => {
  table = new Table();
  ids = new MetricIds(LIMITS, () => 0);
});

const of = (sensorId: number, ...names: string[]) => new Map(names.map((name) => [name, sensorId]));

describe('two stores that learn names at once', () => {
  test('share what a sensor may add, and what there may be in all', async () => {
    const [first, second] = await Promise.all([
      ids.learn(table.work, of(1, 'a', 'b', 'c')),
      ids.learn(table.work, of(1, 'd', 'e')),
    ]);
    expect(table.names).toHaveLength(2);
    expect([...first.values(), ...second.values()]).toEqual(['sensor_rate', 'sensor_rate', 'sensor_rate']);
    const [third, fourth] = await Promise.all([
      ids.learn(table.work, of(2, 'f', 'g')),
      ids.learn(table.work, of(3, 'h', 'i')),
    ]);
    expect(table.names).toHaveLength(LIMITS.max);
    expect([...third.values(), ...fourth.values()]).toEqual(['limit']);
  });

  test('count a name once that both of them bring', async () => {
    await Promise.all([ids.learn(table.work, of(1, 'a')), ids.learn(table.work, of(1, 'a'))]);
    expect([...(await ids.learn(table.work, of(1, 'b'))).values()]).toEqual([]);
    expect(table.names).toEqual(['a', 'b']);
  });
});

test('names that could not be registered do not count: they are tried again', async () => {
  await ids.learn(table.work, of(9, 'known'));
  table.fails = true;
  for (let attempt = 0; attempt < 3; attempt++)
    await expect(ids.learn(table.work, of(1, 'a', 'b'))).rejects.toThrow('connection lost');
  table.fails = false;
  expect([...(await ids.learn(table.work, of(1, 'a', 'b'))).values()]).toEqual([]);
});

test('while the table is read again the ids stay: another store encodes its batch meanwhile', async () => {
  await ids.learn(table.work, of(1, 'a'));
  let open = () => {};
  table.gate = new Promise((resolve) => (open = resolve));
  ids.forget();
  const reading = ids.refresh(table.work);
  expect(ids.known.has('a')).toBe(true);
  table.names.length = 0;
  open();
  await reading;
  expect(ids.known.has('a')).toBe(false);
});
