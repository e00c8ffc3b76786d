import type { Micros, Millis, Reading, RejectCode } from '../../reading.ts';
import { MetricNames, MetricValues } from '../../metric-values.ts';
import type { TableReader } from './table-mapping.ts';

/** Rows of a file, in the order of `names`: what a reader of a format gives. */
export interface TableChunk {
  readonly names: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  /** Number of the chunk's first row in its file, from 1. */
  readonly firstRow: number;
  /** Columns that are no metrics by themselves: tags. Their set, like that of `names`, may differ from chunk to chunk. */
  readonly labels?: readonly string[];
  /** Pieces that are no rows, with what is wrong. */
  readonly faults?: readonly { readonly text: string; readonly detail: string }[];
  /** How much of the file is read, 0 to 1. */
  readonly share: number;
}

/** A row that gives no reading. `at`: its place in the chunk. */
interface RefusedRow {
  readonly at: number;
  readonly code: RejectCode;
  readonly detail: string;
}

/**
 * The readings of a chunk of a file, in few and flat values: it is passed from the thread that reads the file to the one that stores.
 * `BlockReader` gives its rows back.
 */
export interface ReadingBlock extends Pick<TableChunk, 'names' | 'firstRow' | 'share'> {
  readonly rows: number;
  readonly readAtMs: Millis;
  readonly faults: NonNullable<TableChunk['faults']>;
  readonly refused: readonly RefusedRow[];
  /** One entry a reading: its row in the chunk, its time, and places in `texts`; -1: it has no location. */
  readonly at: Int32Array;
  readonly timeUs: Float64Array;
  readonly device: Int32Array;
  readonly location: Int32Array;
  /** Which of `metrics` it has, and where its values end in the column below. */
  readonly has: Int32Array;
  readonly ends: Int32Array;
  readonly value: Float64Array<ArrayBuffer>;
  /** Lists of names. */
  readonly metrics: readonly (readonly string[])[];
  readonly texts: readonly string[];
  readonly source: BlockSource;
}

/** The rows as text, for dead letters: the cells of a row (`cells`), or its JSON. */
interface BlockSource {
  readonly kind: 'cells' | 'json';
  readonly text: string;
}

/** No text that people write has these (ASCII: unit and record separator). */
const CELL_END = '\u001f';
const ROW_END = '\u001e';

const jsonOf = (names: readonly string[], row: readonly unknown[]): string =>
  JSON.stringify(Object.fromEntries(names.map((name, at) => [name, row[at]])), (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );

function sourceOf({ names, rows }: TableChunk): BlockSource {
  const text = rows.map((row) => row.join(CELL_END)).join(ROW_END);
  const isText = rows.every((row) => row.length > 0 && row.every((cell) => typeof cell === 'string'));
  const ends = isText ? rows.reduce((sum, row) => sum + row.length, 0) - 1 : 0;
  if (isText && separators(text) === ends) return { kind: 'cells', text };
  return { kind: 'json', text: rows.map((row) => jsonOf(names, row)).join('\n') };
}

function separators(text: string): number {
  let count = 0;
  for (const end of [CELL_END, ROW_END])
    for (let at = text.indexOf(end); at >= 0; at = text.indexOf(end, at + 1)) count++;
  return count;
}

/** Every row of a chunk as a reading, a refusal or nothing. */
export function blockOf(chunk: TableChunk, reader: TableReader, readAtMs: Millis): ReadingBlock {
  const { names, rows, firstRow, share, faults = [] } = chunk;
  const nowUs: Micros = readAtMs * 1000;
  const texts = new Places<string>();
  const lists = new Places<MetricNames>();
  const count = rows.length;
  const most = count * Math.max(1, reader.metrics.length);
  const block = {
    ...{ at: new Int32Array(count), timeUs: new Float64Array(count), device: new Int32Array(count) },
    ...{ location: new Int32Array(count), ends: new Int32Array(count) },
    ...{ has: new Int32Array(count), value: new Float64Array(most) },
  };
  const refused: RefusedRow[] = [];
  let readings = 0;
  let values = 0;
  for (let index = 0; index < count; index++) {
    const result = reader.read(rows[index] as readonly unknown[], nowUs);
    if (result === 'empty') continue;
    if ('code' in result) {
      refused.push({ at: index, code: result.code, detail: result.detail });
      continue;
    }
    block.at[readings] = index;
    block.timeUs[readings] = result.timeUs;
    block.device[readings] = texts.of(result.device);
    block.location[readings] = result.location === undefined ? -1 : texts.of(result.location);
    const metrics = MetricValues.of(result.metrics);
    block.has[readings] = lists.of(metrics.names);
    for (let place = 0; place < metrics.size; place++) block.value[values++] = metrics.at(place);
    block.ends[readings] = values;
    readings += 1;
  }
  return {
    ...{ names, firstRow, share, faults, refused, rows: count, readAtMs },
    ...{ at: block.at.slice(0, readings), timeUs: block.timeUs.slice(0, readings) },
    ...{ device: block.device.slice(0, readings), location: block.location.slice(0, readings) },
    ...{ has: block.has.slice(0, readings), ends: block.ends.slice(0, readings) },
    value: block.value.slice(0, values),
    ...{ texts: texts.all, metrics: lists.all.map(({ list }) => list) },
    source: sourceOf(chunk),
  };
}

/** Each of them once, with its place. */
class Places<T> {
  readonly #at = new Map<T, number>();

  of(item: T): number {
    let at = this.#at.get(item);
    if (at === undefined) this.#at.set(item, (at = this.#at.size));
    return at;
  }

  get all(): readonly T[] {
    return [...this.#at.keys()];
  }
}

/** Buffers that are passed on without a copy. */
export const buffersOf = ({ at, timeUs, device, location, has, ends, value }: ReadingBlock): ArrayBuffer[] =>
  [at, timeUs, device, location, has, ends, value].map(({ buffer }) => buffer as ArrayBuffer);

/** The rows of a block, in their order. */
export class BlockReader {
  readonly block: ReadingBlock;
  readonly #names: readonly MetricNames[];
  #payloads: readonly string[] | undefined;
  #reading = 0;
  #refusal = 0;

  constructor(block: ReadingBlock) {
    this.block = block;
    this.#names = block.metrics.map((names) => MetricNames.of(names));
  }

  /** The result of one row. To be called once for each, from the first on. */
  next(index: number): Reading | RefusedRow | 'empty' {
    const { at, refused } = this.block;
    if (at[this.#reading] === index) return this.#readingAt(this.#reading++);
    const refusal = refused[this.#refusal];
    if (refusal?.at !== index) return 'empty';
    this.#refusal += 1;
    return refusal;
  }

  /** A row as JSON, by the names of its columns. */
  payload(index: number): string {
    const { source, names } = this.block;
    if (source.kind === 'json') {
      this.#payloads ??= source.text.split('\n');
      return this.#payloads[index] ?? '';
    }
    this.#payloads ??= source.text.split(ROW_END);
    return jsonOf(names, (this.#payloads[index] ?? '').split(CELL_END));
  }

  #readingAt(index: number): Reading {
    const { timeUs, device, location, has, ends, value, texts } = this.block;
    const placed = location[index] as number;
    return {
      device: texts[device[index] as number] as string,
      timeUs: timeUs[index] as number,
      location: placed < 0 ? undefined : texts[placed],
      stamped: false,
      metrics: MetricValues.within(
        this.#names[has[index] as number] as MetricNames,
        value,
        index === 0 ? 0 : (ends[index - 1] as number),
      ),
    };
  }
}
