import { BinaryRows, refuseReading } from '../../../core/ingest/copy-binary.ts';
import { MetricValues } from '../../../core/metric-values.ts';
import type { RowRefused, StorableReading } from '../../../ports/store.ts';

const NAME_MAX = 256;

function badName(name: string): { sqlstate: string; message: string } | undefined {
  if (name.length > NAME_MAX) {
    return { sqlstate: '22001', message: `metric name longer than ${NAME_MAX} characters` };
  }
  if (name === '' || /[\0\p{Surrogate}]/u.test(name)) {
    return { sqlstate: '22021', message: `metric name that cannot be stored: ${JSON.stringify(name)}` };
  }
  return undefined;
}

/** The readings that have no metric left without these. */
export const indexesWithout = (
  readings: readonly StorableReading[],
  names: { has(name: string): boolean },
): number[] =>
  readings.flatMap(({ metrics }, index) =>
    metrics.size > 0 && [...metrics.keys()].every((name) => names.has(name)) ? [index] : [],
  );

/** How many values these names have in the batch. */
export function countValues(
  readings: readonly StorableReading[],
  names: { has(name: string): boolean },
): number {
  let count = 0;
  for (const { metrics } of readings) for (const name of metrics.keys()) if (names.has(name)) count += 1;
  return count;
}

export interface Encoded {
  /** The readings that no row can hold; nothing must be sent then. */
  readonly refused: RowRefused | undefined;
  /**
   * Narrow metrics without an id, each with the first sensor that brought it: left out. Once they have ids the batch must
   * be encoded again.
   */
  readonly unknown: ReadonlyMap<string, number>;
}

/** The two COPY streams of a batch. One pair per store, reused from batch to batch. */
export class CopyEncoder {
  readonly readings: BinaryRows;
  readonly metrics: BinaryRows;

  /** With ordinals each row starts with the index of its reading: what staging needs. */
  constructor(ordinals: boolean) {
    this.readings = new BinaryRows({ ordinals });
    this.metrics = new BinaryRows({ ordinals });
  }

  /** One pass over the batch. `from` and `to` cut a part out of it; ordinals stay those of the whole. */
  encode(
    readings: readonly StorableReading[],
    ids: ReadonlyMap<string, number>,
    from = 0,
    to = readings.length,
  ): Encoded {
    this.readings.reset();
    this.metrics.reset();
    const unknown = new Map<string, number>();
    const refused: Omit<RowRefused, 'kind'>[] = [];
    for (let index = from; index < to; index++) {
      const { timeUs, sensorId, metrics: own } = readings[index] as StorableReading;
      const metrics = MetricValues.of(own);
      const bad = refuseReading(timeUs, sensorId, metrics);
      if (bad !== undefined) {
        refused.push({ index, ...bad });
        continue;
      }
      if (this.readings.reading(index, timeUs, sensorId, metrics) === metrics.size) continue;
      const { list, narrow } = metrics.names;
      for (const place of narrow) {
        const name = list[place] as string;
        const id = ids.get(name);
        if (id !== undefined) {
          this.metrics.metric(index, timeUs, sensorId, id, metrics.at(place));
          continue;
        }
        const fault = badName(name);
        if (fault === undefined) {
          if (!unknown.has(name)) unknown.set(name, sensorId);
          continue;
        }
        refused.push({ index, ...fault });
        break;
      }
    }
    const [first, ...others] = refused;
    return { refused: first && { kind: 'row_refused', ...first, others }, unknown };
  }
}
