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

export interface Checked {
  /** The readings that no row can hold; nothing must be sent then. */
  readonly refused: RowRefused | undefined;
  /**
   * Narrow metrics without an id, each with the first sensor that brought it: left out. Once they have ids the batch must
   * be loaded again.
   */
  readonly unknown: ReadonlyMap<string, number>;
}

/** The rows of a batch for one table. */
export interface TableRows {
  readonly rows: number;
  /**
   * The COPY stream of the rows, each part encoded when it is asked for: the server works on one part while the next is
   * encoded. A part is valid until the next batch is loaded.
   */
  parts(): Iterable<Uint8Array>;
}

/** Readings of a part: some 70 KB, half a millisecond of encoding, some milliseconds of the server. */
const PART_READINGS = 1000;

/** The two COPY streams of a batch. One per store, its buffers are reused from batch to batch. */
export class CopyEncoder {
  readonly #bytes: { readonly readings: BinaryRows; readonly metrics: BinaryRows };
  #batch: readonly StorableReading[] = [];
  /** Metrics of the readings of the batch. */
  #values: MetricValues[] = [];
  #ids: ReadonlyMap<string, number> = new Map();
  #readings = 0;
  #metrics = 0;

  /** With ordinals each row starts with the index of its reading: what staging needs. */
  constructor(ordinals: boolean) {
    this.#bytes = { readings: new BinaryRows({ ordinals }), metrics: new BinaryRows({ ordinals }) };
  }

  get readings(): TableRows {
    return { rows: this.#readings, parts: () => this.#parts(this.#bytes.readings, this.#reading) };
  }

  get metrics(): TableRows {
    return { rows: this.#metrics, parts: () => this.#parts(this.#bytes.metrics, this.#narrow) };
  }

  /** Takes a batch and checks all of it: a row that is refused after the first bytes were sent would cost the whole COPY. */
  load(readings: readonly StorableReading[], ids: ReadonlyMap<string, number>): Checked {
    [this.#batch, this.#values, this.#ids, this.#readings, this.#metrics] = [readings, [], ids, 0, 0];
    const unknown = new Map<string, number>();
    const refused: Omit<RowRefused, 'kind'>[] = [];
    for (let index = 0; index < readings.length; index++) {
      const { timeUs, sensorId, metrics: own } = readings[index] as StorableReading;
      const metrics = MetricValues.of(own);
      this.#values.push(metrics);
      const bad = refuseReading(timeUs, sensorId, metrics);
      if (bad !== undefined) {
        refused.push({ index, ...bad });
        continue;
      }
      const { list, narrow } = metrics.names;
      if (narrow.length < metrics.size) this.#readings += 1;
      for (const place of narrow) {
        const name = list[place] as string;
        if (ids.has(name)) {
          this.#metrics += 1;
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

  /** Gives up the batch, whose parts were sent: its readings are not kept until the next one comes. */
  release(): void {
    [this.#batch, this.#values] = [[], []];
  }

  *#parts(rows: BinaryRows, encode: (index: number) => void): Iterable<Uint8Array> {
    rows.reset();
    const { length } = this.#batch;
    for (let index = 0; index < length; index++) {
      encode(index);
      if ((index + 1) % PART_READINGS === 0 && index + 1 < length) yield rows.take();
    }
    yield rows.finish();
  }

  readonly #reading = (index: number): void => {
    const { timeUs, sensorId } = this.#batch[index] as StorableReading;
    this.#bytes.readings.reading(index, timeUs, sensorId, this.#values[index] as MetricValues);
  };

  readonly #narrow = (index: number): void => {
    const { timeUs, sensorId } = this.#batch[index] as StorableReading;
    const metrics = this.#values[index] as MetricValues;
    const { list, narrow } = metrics.names;
    for (const place of narrow) {
      const id = this.#ids.get(list[place] as string);
      if (id !== undefined) this.#bytes.metrics.metric(index, timeUs, sensorId, id, metrics.at(place));
    }
  };
}
