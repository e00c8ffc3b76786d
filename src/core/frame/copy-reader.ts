import type { ColumnData, ColumnType, Frame, FrameColumn } from './frame.ts';

/**
 * Reads the binary format of PostgreSQL's COPY (documentation: COPY, "Binary Format") into frames. The bytes may be cut
 * anywhere. Columns of `timestamptz`, `float8`, `int4`, `int8`, `bool`, `text` and `bytea` are read, in the order of the statement.
 */
const HEADER_BYTES = 19;
const END_OF_ROWS = -1;
const NULL = -1;

/** Microseconds from the Unix epoch to PostgreSQL's, 2000-01-01 00:00 UTC, as the two halves of an int64. */
const EPOCH_HIGH = Math.floor(946_684_800_000_000 / 4_294_967_296);
const EPOCH_LOW = 946_684_800_000_000 % 4_294_967_296;
/** Where the lower half of an int64 is in memory. */
const LOW = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 0 : 1;

const TEXT = new TextDecoder();

export interface CopyColumn extends FrameColumn {
  /** A text that the server sends as an int4, which is looked up here: sensors and metrics. Undefined is null. */
  readonly lookup?: ((id: number) => string | null | undefined) | undefined;
}

/** The bytes are no binary COPY of these columns. */
export class CopyFormatError extends Error {}

export class CopyReader {
  readonly #columns: readonly CopyColumn[];
  readonly #rowsPerFrame: number;
  #builders: readonly Builder[];
  #row = 0;
  #pending: Uint8Array = new Uint8Array(0);
  #started = false;
  #ended = false;

  /** @param rowsPerFrame rows of a frame at most */
  constructor(columns: readonly CopyColumn[], rowsPerFrame: number) {
    this.#columns = columns;
    this.#rowsPerFrame = rowsPerFrame;
    this.#builders = this.#newBuilders();
  }

  /** Reads on; `bytes` may be reused afterwards. Returns the frames that became full. @throws CopyFormatError */
  push(bytes: Uint8Array): readonly Frame[] {
    const data = this.#pending.length === 0 ? bytes : joined(this.#pending, bytes);
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const full: Frame[] = [];
    let at = 0;
    if (!this.#started) {
      if (data.length < HEADER_BYTES) return this.#keep(data, 0, full);
      if (data[0] !== 0x50 || data[10] !== 0) throw new CopyFormatError('not a binary COPY');
      at = HEADER_BYTES + view.getInt32(15);
      this.#started = true;
    }
    while (!this.#ended) {
      const next = this.#readRow(view, data, at);
      if (next < 0) break;
      at = next;
      if (this.#row === this.#rowsPerFrame) full.push(this.#takeFrame());
    }
    return this.#keep(data, at, full);
  }

  /** A statement has ended, and the next one may follow; its rows go on in the same frame. @throws CopyFormatError */
  endStatement(): void {
    if (!this.#ended) throw new CopyFormatError('a binary COPY without an end');
    this.#started = this.#ended = false;
    this.#pending = new Uint8Array(0);
  }

  /** The rows that are left, from one statement or several; undefined where none are. */
  flush(): Frame | undefined {
    return this.#row === 0 ? undefined : this.#takeFrame();
  }

  #keep(data: Uint8Array, from: number, full: readonly Frame[]): readonly Frame[] {
    this.#pending = this.#ended ? new Uint8Array(0) : data.slice(from);
    return full;
  }

  /** Where the next row begins; -1 where this one is not complete. */
  #readRow(view: DataView, data: Uint8Array, from: number): number {
    const end = data.length;
    if (from + 2 > end) return -1;
    const fields = view.getInt16(from);
    let at = from + 2;
    if (fields === END_OF_ROWS) {
      this.#ended = true;
      return at;
    }
    const builders = this.#builders;
    if (fields !== builders.length)
      throw new CopyFormatError(`a row of ${fields} fields; expected ${builders.length}`);
    const row = this.#row;
    for (let index = 0; index < builders.length; index++) {
      if (at + 4 > end) return -1;
      const length = view.getInt32(at);
      at += 4;
      const builder = builders[index] as Builder;
      if (length === NULL) {
        builder.setNull(row);
        continue;
      }
      if (at + length > end) return -1;
      builder.set(row, view, at, length);
      at += length;
    }
    this.#row += 1;
    return at;
  }

  #takeFrame(): Frame {
    const rows = this.#row;
    const data = this.#builders.map((builder) => builder.take(rows));
    this.#builders = this.#newBuilders();
    this.#row = 0;
    return { columns: this.#columns, rows, data };
  }

  #newBuilders(): readonly Builder[] {
    return this.#columns.map((column) => BUILDERS[column.type](this.#rowsPerFrame, column));
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** One column of the frame that is being filled. A row that turns out to be cut is set again. */
abstract class Builder {
  #nulls: Uint8Array | undefined;
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  abstract set(row: number, view: DataView, at: number, length: number): void;
  protected abstract values(rows: number): ColumnData['values'];

  setNull(row: number): void {
    this.#nulls ??= new Uint8Array(this.#capacity);
    this.#nulls[row] = 1;
  }

  take(rows: number): ColumnData {
    // A cut row beyond the last one may have left its mark.
    const nulls = this.#nulls?.subarray(0, rows);
    return { values: this.values(rows), nulls: nulls?.includes(1) === true ? nulls : undefined };
  }
}

class Int64Builder extends Builder {
  readonly #values: BigInt64Array;
  readonly #halves: Int32Array;
  readonly #addHigh: number;
  readonly #addLow: number;

  constructor(capacity: number, [addHigh, addLow]: readonly [number, number]) {
    super(capacity);
    this.#values = new BigInt64Array(capacity);
    this.#halves = new Int32Array(this.#values.buffer);
    this.#addHigh = addHigh;
    this.#addLow = addLow;
  }

  // By halves: a BigInt a value would be most of the time of an export.
  set(row: number, view: DataView, at: number): void {
    const low = view.getUint32(at + 4) + this.#addLow;
    const carry = low >= 4_294_967_296 ? 1 : 0;
    // A typed array keeps the lower 32 bits of what it is given.
    this.#halves[2 * row + LOW] = low;
    this.#halves[2 * row + 1 - LOW] = view.getInt32(at) + this.#addHigh + carry;
  }

  protected values(rows: number): BigInt64Array {
    return this.#values.subarray(0, rows);
  }
}

class DoubleBuilder extends Builder {
  readonly #values: Float64Array;

  constructor(capacity: number) {
    super(capacity);
    this.#values = new Float64Array(capacity);
  }

  set(row: number, view: DataView, at: number): void {
    this.#values[row] = view.getFloat64(at);
  }

  protected values(rows: number): Float64Array {
    return this.#values.subarray(0, rows);
  }
}

class Int32Builder extends Builder {
  readonly #values: Int32Array;

  constructor(capacity: number) {
    super(capacity);
    this.#values = new Int32Array(capacity);
  }

  set(row: number, view: DataView, at: number): void {
    this.#values[row] = view.getInt32(at);
  }

  protected values(rows: number): Int32Array {
    return this.#values.subarray(0, rows);
  }
}

type Read<Value> = (view: DataView, at: number, length: number) => Value | null;

class ArrayBuilder<Value extends boolean | string | Uint8Array> extends Builder {
  readonly #values: (Value | null)[] = [];
  readonly #read: Read<Value>;

  constructor(capacity: number, read: Read<Value>) {
    super(capacity);
    this.#read = read;
  }

  set(row: number, view: DataView, at: number, length: number): void {
    const value = this.#read(view, at, length);
    this.#values[row] = value;
    if (value === null) super.setNull(row);
  }

  override setNull(row: number): void {
    this.#values[row] = null;
    super.setNull(row);
  }

  protected values(rows: number): ColumnData['values'] {
    this.#values.length = rows;
    return this.#values as ColumnData['values'];
  }
}

const bytesOf = (view: DataView, at: number, length: number): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + at, length);
const readText: Read<string> = (view, at, length) => TEXT.decode(bytesOf(view, at, length));
const lookedUp =
  (lookup: NonNullable<CopyColumn['lookup']>): Read<string> =>
  (view, at) =>
    lookup(view.getInt32(at)) ?? null;

const BUILDERS: Readonly<Record<ColumnType, (capacity: number, column: CopyColumn) => Builder>> = {
  timestamp: (capacity) => new Int64Builder(capacity, [EPOCH_HIGH, EPOCH_LOW]),
  int64: (capacity) => new Int64Builder(capacity, [0, 0]),
  double: (capacity) => new DoubleBuilder(capacity),
  int32: (capacity) => new Int32Builder(capacity),
  boolean: (capacity) => new ArrayBuilder<boolean>(capacity, (view, at) => view.getUint8(at) === 1),
  binary: (capacity) =>
    new ArrayBuilder<Uint8Array>(capacity, (view, at, length) => bytesOf(view, at, length).slice()),
  text: (capacity, { lookup }) =>
    new ArrayBuilder<string>(capacity, lookup === undefined ? readText : lookedUp(lookup)),
};
