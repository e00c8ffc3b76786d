import { BinaryRows, isCoreMetric, refuseReading } from '../../core/copy-binary.ts';
import type { RowRefused, StorableReading } from '../../ports.ts';

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

/** The first reading with one of these metrics: when the table of names is full. */
export const firstWith = (readings: readonly StorableReading[], names: ReadonlySet<string>): number =>
  readings.findIndex((reading) => [...reading.metrics.keys()].some((name) => names.has(name)));

export interface Encoded {
  /** The first reading that no row can hold; nothing must be sent then. */
  readonly refused: RowRefused | undefined;
  /** Narrow metrics that have no id yet: once they do, the batch must be encoded again. */
  readonly unknown: ReadonlySet<string>;
}

/** The two COPY streams of a batch. One pair per store, reused from batch to batch. */
export class BatchRows {
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
    const unknown = new Set<string>();
    for (let index = from; index < to; index++) {
      const { timeUs, sensorId, metrics } = readings[index] as StorableReading;
      const bad = refuseReading(timeUs, sensorId, metrics);
      if (bad !== undefined) return { refused: { kind: 'row_refused', index, ...bad }, unknown };
      if (this.readings.reading(index, timeUs, sensorId, metrics) === metrics.size) continue;
      for (const [name, value] of metrics) {
        if (isCoreMetric(name)) continue;
        const id = ids.get(name);
        if (id !== undefined) {
          this.metrics.metric(index, timeUs, sensorId, id, value);
          continue;
        }
        const fault = badName(name);
        if (fault !== undefined) return { refused: { kind: 'row_refused', index, ...fault }, unknown };
        unknown.add(name);
      }
    }
    return { refused: undefined, unknown };
  }
}

/** Which reading stands behind row `row` (0-based) of one of the two streams. */
export function readingOfRow(
  readings: readonly StorableReading[],
  table: 'sensor_readings' | 'sensor_metrics',
  row: number,
): number | undefined {
  let seen = 0;
  for (let index = 0; index < readings.length; index++) {
    const names = [...(readings[index] as StorableReading).metrics.keys()];
    const narrow = names.filter((name) => !isCoreMetric(name)).length;
    const rows = table === 'sensor_metrics' ? narrow : names.length > narrow ? 1 : 0;
    if (row < seen + rows) return index;
    seen += rows;
  }
  return undefined;
}
