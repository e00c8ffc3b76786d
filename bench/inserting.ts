import type pg from 'pg';
import { seededRandom } from '../src/simulator/random.ts';
import { withClient } from '../test/support/pg-client.ts';
import type { BenchOptions } from './options.ts';
import type { Figure } from './report.ts';
import { median } from './stats.ts';
import { type Timeline, readingsOf } from './workload.ts';

const TARGET = 5;
const RUNS = 4;
const WARM_UP_ROWS = 200;
const CHUNK = 1000;
const INSERT =
  'INSERT INTO sensor_readings (time, sensor_id, temperature, humidity, battery) VALUES ($1, $2, $3, $4, $5)';

/** (f) What a first attempt at this program does: one awaited INSERT, and so one transaction, per message. */
export async function benchInserting(
  url: string,
  { sizes, seed }: BenchOptions,
  timeline: Timeline,
): Promise<Figure> {
  const random = seededRandom(seed);
  const rowsOf = (rows: number) =>
    readingsOf(rows, timeline.take(rows), random).map(({ timeUs, sensorId, metrics }) => [
      new Date(timeUs / 1000),
      sensorId,
      metrics.get('temperature'),
      metrics.get('humidity'),
      metrics.get('battery'),
    ]);
  return withClient(url, async (client) => {
    for (const values of rowsOf(WARM_UP_ROWS)) await client.query(INSERT, values);
    const runs = [];
    for (let i = 0; i < RUNS; i++) runs.push(await rate(client, rowsOf, sizes.insertSeconds / RUNS));
    const value = median(runs);
    return { part: 'f', measure: 'one INSERT per message', unit: 'rows/s', value, runs };
  });
}

async function rate(
  client: pg.Client,
  rowsOf: (rows: number) => unknown[][],
  seconds: number,
): Promise<number> {
  let rows = 0;
  let elapsedMs = 0;
  while (elapsedMs < seconds * 1000) {
    const values = rowsOf(CHUNK);
    const startMs = performance.now();
    for (const row of values) {
      await client.query(INSERT, row);
      rows++;
      if (elapsedMs + performance.now() - startMs >= seconds * 1000) break;
    }
    elapsedMs += performance.now() - startMs;
  }
  return (rows * 1000) / elapsedMs;
}

/** How many times faster (c), or (c2), is: the ratio that the target is about. */
export function comparedTo(naive: Figure, ours: Figure | undefined): Figure {
  if (ours === undefined) return naive;
  const { part, value, runs } = ours;
  return {
    ...naive,
    reference: { what: `(${part})`, unit: 'messages/s', value, runs },
    ratio: value / naive.value,
    target: TARGET,
    note: `ratio: how many times as fast (${part}) is`,
  };
}
