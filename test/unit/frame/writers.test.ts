import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { tableFromIPC } from 'apache-arrow';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { createArrowWriter } from '../../../src/adapters/frame/arrow-writer.ts';
import { AtomicFile } from '../../../src/adapters/frame/atomic-file.ts';
import { createParquetWriter } from '../../../src/adapters/frame/parquet-writer.ts';
import { progressText } from '../../../src/cli/export/progress.ts';
import type { Frame, FrameColumn } from '../../../src/core/frame/frame.ts';
import { csvHeader } from '../../../src/core/frame/csv.ts';
import { ndjsonOf } from '../../../src/core/frame/ndjson.ts';
import type { FrameWriter, WriteBytes } from '../../../src/ports/frame.ts';

const columns: readonly FrameColumn[] = [
  { name: 'time', type: 'timestamp', nullable: false },
  { name: 'sensor', type: 'text' },
  { name: 'value', type: 'double' },
  { name: 'rssi', type: 'int32' },
  { name: 'count', type: 'int64' },
  { name: 'late', type: 'boolean' },
  { name: 'payload', type: 'binary' },
];
const TIMES = [1_767_225_600_000_001n, -1n, 1_767_225_600_123_456n];
const first: Frame = {
  columns,
  rows: 3,
  data: [
    { values: BigInt64Array.from(TIMES), nulls: undefined },
    { values: ['a', null, 'ü"\n'], nulls: Uint8Array.of(0, 1, 0) },
    { values: Float64Array.of(-0.1, 5e-324, 0), nulls: Uint8Array.of(0, 0, 1) },
    { values: Int32Array.of(-70, 0, -80), nulls: Uint8Array.of(0, 1, 0) },
    { values: BigInt64Array.of(1n, 2n, 9_007_199_254_740_993n), nulls: undefined },
    { values: [true, null, false], nulls: Uint8Array.of(0, 1, 0) },
    { values: [Uint8Array.of(0, 255), null, new Uint8Array()], nulls: Uint8Array.of(0, 1, 0) },
  ],
};
const ROWS = [
  { sensor: 'a', value: -0.1, rssi: -70, count: 1n, late: true, payload: [0, 255] },
  { sensor: null, value: 5e-324, rssi: null, count: 2n, late: null, payload: null },
  { sensor: 'ü"\n', value: null, rssi: -80, count: 9_007_199_254_740_993n, late: false, payload: [] },
];

async function written(open: (write: WriteBytes) => FrameWriter, frames: readonly Frame[]): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  const writer = open(async (bytes) => void chunks.push(bytes.slice()));
  for (const frame of frames) await writer.write(frame);
  await writer.finish();
  return Buffer.concat(chunks);
}
const bufferOf = (bytes: Buffer): ArrayBuffer =>
  bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
const list = (value: unknown) => (value instanceof Uint8Array ? [...value] : (value ?? null));

describe('Parquet', () => {
  const parquet = (frames: readonly Frame[]) =>
    written((write) => createParquetWriter(columns, write, { createdBy: 'test' }), frames);

  test('values, nulls and microseconds of several row groups, with statistics', async () => {
    const file = bufferOf(await parquet([first, first]));
    const rows = await parquetReadObjects({
      file,
      compressors,
      utf8: false,
      parsers: { timestampFromMicroseconds: (us: bigint) => us },
    });
    expect(rows).toHaveLength(6);
    expect(rows.map(({ time }) => time as bigint)).toEqual([...TIMES, ...TIMES]);
    for (const [index, row] of rows.slice(0, 3).entries())
      for (const [name, value] of Object.entries(ROWS[index] ?? {})) expect(list(row[name])).toEqual(value);
    const { row_groups: groups, schema, num_rows: count } = parquetMetadata(file);
    expect([groups.length, count]).toEqual([2, 6n]);
    expect(schema[1]).toMatchObject({
      type: 'INT64',
      repetition_type: 'REQUIRED',
      logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
    });
    const statistics = groups[0]?.columns[2]?.meta_data?.statistics;
    expect([statistics?.min_value, statistics?.max_value, statistics?.null_count]).toEqual([
      -0.1,
      5e-324,
      1n,
    ]);
  });

  test('no rows: a file of the same columns', async () => {
    const file = bufferOf(await parquet([]));
    expect(
      parquetMetadata(file)
        .schema.slice(1)
        .map(({ name }) => name),
    ).toEqual(columns.map(({ name }) => name));
    expect(await parquetReadObjects({ file })).toEqual([]);
  });
});

describe('Arrow', () => {
  test.each(['file', 'stream'] as const)('values, nulls and microseconds as a %s', async (kind) => {
    const table = tableFromIPC(
      await written((write) => createArrowWriter(columns, write, kind), [first, first]),
    );
    expect([table.numRows, table.batches.length]).toEqual([6, 2]);
    expect(String(table.schema.fields[0]?.type)).toBe('Timestamp<MICROSECOND, UTC>');
    const times = table.batches[0]?.data.children[0]?.values as BigInt64Array;
    expect([...times]).toEqual(TIMES);
    for (const [index, row] of ROWS.entries())
      for (const [name, value] of Object.entries(row))
        expect(list(table.getChild(name)?.get(index + 3))).toEqual(value);
  });

  test('no rows: the schema', async () => {
    const table = tableFromIPC(await written((write) => createArrowWriter(columns, write, 'file'), []));
    expect([table.numRows, table.schema.names]).toEqual([0, columns.map(({ name }) => name)]);
  });
});

describe('text', () => {
  test('NDJSON: ISO 8601 with microseconds, nulls left out, bytes hexadecimal', () => {
    const [one, two, three] = ndjsonOf(first).trimEnd().split('\n');
    expect(one).toBe(
      '{"time":"2026-01-01T00:00:00.000001Z","sensor":"a","value":-0.1,"rssi":-70,"count":1,"late":true,"payload":"00ff"}',
    );
    expect(two).toBe('{"time":"1969-12-31T23:59:59.999999Z","value":5e-324,"count":2}');
    expect(JSON.parse(three ?? '')).toMatchObject({ time: '2026-01-01T00:00:00.123456Z', sensor: 'ü"\n' });
    expect(three).toContain('"count":9007199254740993');
  });

  test('NDJSON has no NaN', () => {
    const frame: Frame = {
      columns: [{ name: 'v', type: 'double' }],
      rows: 1,
      data: [{ values: Float64Array.of(NaN), nulls: undefined }],
    };
    expect(ndjsonOf(frame)).toBe('{"v":null}\n');
  });

  test('the header of CSV quotes names', () => {
    expect(csvHeader(['time', 'a,b', 'c"d'])).toBe('time,"a,b","c""d"\n');
  });

  test('progress: rows, rate, share and time left', () => {
    expect(progressText({ rows: 1_200_000, share: 0.25, elapsedMs: 3000 })).toBe(
      '1,200,000 rows, 400,000 rows/s, 25 %, 9s left',
    );
    expect(progressText({ rows: 0, share: 0, elapsedMs: 0 })).toBe('0 rows, 0 rows/s, 0 %');
  });
});

describe('a file that is written aside', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fieldwatch-export-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('appears whole, and the former one stays until then', async () => {
    const path = join(folder, 'a.csv');
    await writeFile(path, 'former');
    const file = await AtomicFile.create(path);
    await file.write(Buffer.from('new '));
    await file.write(Buffer.from('text'));
    expect(await readFile(path, 'utf8')).toBe('former');
    await file.commit();
    expect([await readFile(path, 'utf8'), file.bytes]).toEqual(['new text', 8]);
    expect(await readdir(folder)).toEqual(['a.csv']);
  });

  test('is gone when it is given up', async () => {
    const file = await AtomicFile.create(join(folder, 'b.csv'));
    await file.write(Buffer.from('half'));
    await file.discard();
    expect(await readdir(folder)).toEqual(['a.csv']);
  });

  test('two at once: the later one is the file, the former one fails and touches nothing', async () => {
    const path = join(folder, 'd.csv');
    const former = await AtomicFile.create(path);
    await former.write(Buffer.from('former, half'));
    const later = await AtomicFile.create(path);
    await later.write(Buffer.from('later'));
    await expect(former.commit()).rejects.toMatchObject({ code: 'EXPORT_IO' });
    await former.discard();
    await later.commit();
    expect(await readFile(path, 'utf8')).toBe('later');
    await rm(path);
  });

  test('no file takes the place of a pipe or a device', async () => {
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    for (const path of [join(folder, 'pipe'), '/dev/null'])
      await expect(AtomicFile.create(path)).rejects.toMatchObject({ code: 'EXPORT_IO' });
    await rm(join(folder, 'pipe'));
  });

  test('a folder that is not there is an error with a remedy', async () => {
    await expect(AtomicFile.create(join(folder, 'none', 'c.csv'))).rejects.toMatchObject({
      code: 'EXPORT_IO',
      kind: 'transient',
    });
  });
});
