import { describe, expect, test } from '@jest/globals';
import { type CopyColumn, CopyFormatError, CopyReader } from '../../../src/core/frame/copy-reader.ts';
import type { Frame } from '../../../src/core/frame/frame.ts';
import { BinaryRows } from '../../../src/core/ingest/copy-binary.ts';
import { MetricValues } from '../../../src/core/metric-values.ts';
import fc from '../../support/fast-check.ts';

const COLUMNS: readonly CopyColumn[] = [
  { name: 'time', type: 'timestamp', nullable: false },
  { name: 'sensor', type: 'text', lookup: (id) => (id === 3 ? undefined : `s${id}`) },
  { name: 'temperature', type: 'double' },
  { name: 'humidity', type: 'double' },
  { name: 'pressure', type: 'double' },
  { name: 'battery', type: 'double' },
  { name: 'rssi', type: 'int32' },
];

/** As rows of plain values. */
const rowsOf = (frames: readonly Frame[]): unknown[][] =>
  frames.flatMap(({ rows, data }) =>
    Array.from({ length: rows }, (_, row) =>
      data.map(({ values, nulls }) => (nulls?.[row] === 1 ? null : (values[row] as unknown))),
    ),
  );

interface Row {
  readonly timeUs: number;
  readonly sensorId: number;
  readonly metrics: ReadonlyMap<string, number>;
}

function bytesOf(rows: readonly Row[]): Uint8Array {
  const binary = new BinaryRows();
  rows.forEach(({ timeUs, sensorId, metrics }, at) =>
    binary.reading(at, timeUs, sensorId, MetricValues.of(metrics)),
  );
  return binary.finish();
}

const expected = ({ timeUs, sensorId, metrics }: Row): unknown[] => [
  BigInt(timeUs),
  sensorId === 3 ? null : `s${sensorId}`,
  ...['temperature', 'humidity', 'pressure', 'battery', 'rssi'].map((name) => metrics.get(name) ?? null),
];

const anyRow = fc
  .record({
    timeUs: fc.integer({ min: -8_000_000_000_000_000, max: 8_000_000_000_000_000 }),
    sensorId: fc.integer({ min: 1, max: 5 }),
    metrics: fc.dictionary(
      fc.constantFrom('temperature', 'humidity', 'pressure', 'battery'),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      { minKeys: 1 },
    ),
    rssi: fc.option(fc.integer({ min: -2_147_483_648, max: 2_147_483_647 }), { nil: undefined }),
  })
  .map(({ timeUs, sensorId, metrics, rssi }) => {
    const all = new Map(Object.entries(metrics));
    if (rssi !== undefined) all.set('rssi', rssi);
    return { timeUs, sensorId, metrics: all };
  });

describe('binary COPY becomes frames', () => {
  test('the values that were written, wherever the bytes are cut, in frames of any size', () => {
    fc.assert(
      fc.property(
        fc.array(anyRow, { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 12 }),
        (rows, cuts, perFrame) => {
          const bytes = bytesOf(rows);
          const reader = new CopyReader(COLUMNS, perFrame);
          const frames: Frame[] = [];
          for (let at = 0, round = 0; at < bytes.length; round++) {
            const end = at + (cuts[round % cuts.length] ?? 1);
            // The bytes are given away and overwritten, as a socket's are.
            const piece = bytes.slice(at, end);
            frames.push(...reader.push(piece));
            piece.fill(0xee);
            at = end;
          }
          reader.endStatement();
          const rest = reader.flush();
          if (rest !== undefined) frames.push(rest);
          expect(frames.slice(0, -1).every(({ rows: count }) => count === perFrame)).toBe(true);
          expect(rowsOf(frames)).toEqual(rows.map(expected));
        },
      ),
    );
  });

  test('rows of several statements share frames', () => {
    const row: Row = { timeUs: 1, sensorId: 1, metrics: new Map([['temperature', 1]]) };
    const reader = new CopyReader(COLUMNS, 3);
    const full = [0, 1].flatMap(() => {
      const frames = reader.push(bytesOf([row, row]));
      reader.endStatement();
      return frames;
    });
    expect(full.map(({ rows }) => rows)).toEqual([3]);
    expect(reader.flush()?.rows).toBe(1);
    expect(reader.flush()).toBeUndefined();
  });

  test('a frame keeps its values when the next one is filled', () => {
    const at = (timeUs: number): Row => ({
      timeUs,
      sensorId: 1,
      metrics: new Map([['temperature', timeUs]]),
    });
    const reader = new CopyReader(COLUMNS, 2);
    const frames = reader.push(bytesOf([at(1), at(2), at(3), at(4)]));
    expect(rowsOf(frames.slice(0, 1)).map(([time]) => time)).toEqual([1n, 2n]);
  });

  test('bytes that are none, rows of other columns, and a statement without an end are refused', () => {
    expect(() => new CopyReader(COLUMNS, 1).push(new Uint8Array(40))).toThrow(CopyFormatError);
    const two = new CopyReader(COLUMNS.slice(0, 2), 1);
    expect(() => two.push(bytesOf([{ timeUs: 1, sensorId: 1, metrics: new Map([['rssi', 1]]) }]))).toThrow(
      'a row of 7 fields; expected 2',
    );
    const cut = new CopyReader(COLUMNS, 1);
    cut.push(bytesOf([]).subarray(0, 19));
    expect(() => cut.endStatement()).toThrow(CopyFormatError);
  });
});
