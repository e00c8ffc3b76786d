import { BinaryRows } from '../src/core/ingest/copy-binary.ts';
import { seededRandom } from '../src/simulator/random.ts';
import type { BenchOptions } from './options.ts';
import type { Figure } from './report.ts';
import { median } from './stats.ts';
import { readingsOf } from './workload.ts';

const BATCH = 10_000;
const RUNS = 5;

/** (a) Readings into the bytes of a binary COPY, in batches of 10,000. */
export function benchEncoding({ sizes, seed }: BenchOptions): readonly Figure[] {
  const readings = readingsOf(BATCH, Date.now(), seededRandom(seed));
  const rows = new BinaryRows();
  const encode = () => {
    rows.reset();
    for (let index = 0; index < readings.length; index++) {
      const { timeUs, sensorId, metrics } = readings[index]!;
      rows.reading(index, timeUs, sensorId, metrics);
    }
    return rows.finish().length;
  };
  const secondsPerRun = sizes.encodingSeconds / RUNS;
  ratePerSecond(encode, secondsPerRun / 2); // warm-up: compiled, and the buffer grown
  const runs = Array.from({ length: RUNS }, () => ratePerSecond(encode, secondsPerRun));
  const value = median(runs);
  const note = `${(1_000_000 / value).toFixed(2)} µs a row`;
  return [{ part: 'a', measure: 'encoding, binary COPY', unit: 'rows/s', value, runs, note }];
}

function ratePerSecond(encode: () => number, seconds: number): number {
  const startMs = performance.now();
  let batches = 0;
  let elapsedMs = 0;
  while (elapsedMs < seconds * 1000) {
    encode();
    batches++;
    elapsedMs = performance.now() - startMs;
  }
  return (batches * BATCH * 1000) / elapsedMs;
}
