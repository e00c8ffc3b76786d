import {
  AsyncByteQueue,
  Binary,
  Bool,
  type Data,
  type DataType,
  Field,
  Float64,
  Int32,
  Int64,
  RecordBatch,
  RecordBatchFileWriter,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  TimestampMicrosecond,
  Utf8,
  makeData,
} from 'apache-arrow';
import type { ColumnData, ColumnType, Frame, FrameColumn } from '../../core/frame/frame.ts';
import type { FrameWriter, WriteBytes } from '../../ports/frame.ts';

const TYPES: Readonly<Record<ColumnType, () => DataType>> = {
  timestamp: () => new TimestampMicrosecond('UTC'),
  int64: () => new Int64(),
  double: () => new Float64(),
  int32: () => new Int32(),
  boolean: () => new Bool(),
  text: () => new Utf8(),
  binary: () => new Binary(),
};

export const arrowSchema = (columns: readonly FrameColumn[]): Schema =>
  new Schema(columns.map(({ name, type, nullable = true }) => new Field(name, TYPES[type](), nullable)));

/** A frame as a record batch; numbers and times are not copied. */
export function recordBatchOf(frame: Frame, schema = arrowSchema(frame.columns)): RecordBatch {
  const children = frame.data.map((data, index) =>
    dataOf((schema.fields[index] as Field).type as DataType, data, frame.rows),
  );
  const struct = makeData({ type: new Struct(schema.fields), length: frame.rows, nullCount: 0, children });
  return new RecordBatch(schema, struct);
}

function dataOf(type: DataType, { values, nulls }: ColumnData, length: number): Data {
  const nullBitmap = nulls === undefined ? undefined : bitmapOf(length, (row) => nulls[row] !== 1);
  const nullCount = nulls === undefined ? 0 : nulls.reduce((sum, one) => sum + one, 0);
  const common = { type, length, nullCount, ...(nullBitmap === undefined ? {} : { nullBitmap }) };
  if (!Array.isArray(values)) return makeData({ ...common, data: values } as never);
  if (type instanceof Bool) {
    const data = bitmapOf(length, (row) => values[row] === true);
    return makeData({ ...common, data } as never);
  }
  return makeData({ ...common, ...joined(values as readonly (string | Uint8Array | null)[]) } as never);
}

function bitmapOf(length: number, isSet: (row: number) => boolean): Uint8Array {
  const bitmap = new Uint8Array(Math.ceil(length / 64) * 8);
  for (let row = 0; row < length; row++)
    if (isSet(row)) bitmap[row >> 3] = (bitmap[row >> 3] ?? 0) | (1 << (row & 7));
  return bitmap;
}

/** Texts or bytes one after the other, and where each begins. */
function joined(values: readonly (string | Uint8Array | null)[]): {
  valueOffsets: Int32Array;
  data: Uint8Array;
} {
  const valueOffsets = new Int32Array(values.length + 1);
  const parts = values.map((value) =>
    value === null ? undefined : typeof value === 'string' ? Buffer.from(value) : value,
  );
  let bytes = 0;
  parts.forEach((part, row) => {
    bytes += part?.length ?? 0;
    valueOffsets[row + 1] = bytes;
  });
  const data = new Uint8Array(bytes);
  parts.forEach((part, row) => {
    if (part !== undefined) data.set(part, valueOffsets[row]);
  });
  return { valueOffsets, data };
}

/** Output of Arrow's writer, until it is taken. */
class Written extends AsyncByteQueue {
  #chunks: Uint8Array[] = [];

  override write(chunk: ArrayBufferLike | ArrayBufferView | string): void {
    const { buffer, byteOffset, byteLength } = chunk as Uint8Array;
    this.#chunks.push(new Uint8Array(buffer, byteOffset, byteLength));
  }

  take(): Uint8Array {
    const bytes = Buffer.concat(this.#chunks);
    this.#chunks = [];
    return bytes;
  }
}

/** Arrow IPC: a file (`.arrow`, Feather 2), or a stream, which needs no end to be read. A record batch a frame. */
export function createArrowWriter(
  columns: readonly FrameColumn[],
  writeBytes: WriteBytes,
  kind: 'file' | 'stream',
): FrameWriter {
  const schema = arrowSchema(columns);
  const written = new Written();
  const writer = kind === 'file' ? new RecordBatchFileWriter() : new RecordBatchStreamWriter();
  writer.reset(written as never, schema);
  return {
    write: async (frame) => {
      writer.write(recordBatchOf(frame, schema));
      await writeBytes(written.take());
    },
    finish: async () => {
      writer.finish();
      await writeBytes(written.take());
    },
  };
}
