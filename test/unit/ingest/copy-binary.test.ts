import { describe, expect, test } from '@jest/globals';
import fc from '../../support/fast-check.ts';
import { BinaryRows, refuseReading } from '../../../src/core/ingest/copy-binary.ts';
import { MetricValues } from '../../../src/core/metric-values.ts';
import { isCoreMetric } from '../../../src/core/reading.ts';

type Field = Uint8Array | null;

/** A decoder of its own, after the documentation of COPY and sharing no code with the encoder. */
function decode(bytes: Uint8Array): Field[][] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  expect(Buffer.from(bytes.subarray(0, 11)).toString('latin1')).toBe('PGCOPY\n\xff\r\n\0');
  expect(view.getInt32(11)).toBe(0);
  let at = 19 + view.getInt32(15);
  const rows: Field[][] = [];
  for (;;) {
    const count = view.getInt16(at);
    at += 2;
    if (count === -1) break;
    const row: Field[] = [];
    for (let field = 0; field < count; field++) {
      const length = view.getInt32(at);
      at += 4;
      row.push(length === -1 ? null : bytes.slice(at, at + length));
      at += Math.max(length, 0);
    }
    rows.push(row);
  }
  expect(at).toBe(bytes.length);
  return rows;
}

const viewOf = (field: Field | undefined) => {
  if (field === null || field === undefined) throw new Error('NULL where a value was expected');
  return new DataView(field.buffer, field.byteOffset, field.byteLength);
};
const timeOf = (field: Field | undefined) => Number(viewOf(field).getBigInt64(0) + 946_684_800_000_000n);
const int4 = (field: Field | undefined) => (field === null ? null : viewOf(field).getInt32(0));
const float8 = (field: Field | undefined) => (field === null ? null : viewOf(field).getFloat64(0));

const timeUs = fc.oneof(
  fc.integer({ min: -(2 ** 53 - 1) + 946_684_800_000_000, max: 2 ** 53 - 1 }),
  fc.constantFrom(
    0,
    -1,
    1,
    946_684_800_000_000,
    946_684_799_999_999,
    946_684_800_000_000 + 2 ** 32 - 1,
    2 ** 53 - 1,
  ),
);
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const reading = fc.record({
  timeUs,
  sensorId: int32,
  temperature: optional(finite),
  humidity: optional(finite),
  pressure: optional(finite),
  battery: optional(finite),
  rssi: optional(int32),
});

const hasValue = ({ timeUs: _time, sensorId: _sensor, ...values }: Record<string, number | undefined>) =>
  Object.values(values).some((value) => value !== undefined);

const metricsOf = (values: Record<string, number | undefined>) =>
  MetricValues.of(
    new Map(Object.entries(values).filter((entry): entry is [string, number] => entry[1] !== undefined)),
  );

describe('binary COPY rows', () => {
  test('readings: what is decoded is what was written, ordinals or not, from a buffer that grows and is reused', () => {
    for (const ordinals of [false, true]) {
      const rows = new BinaryRows({ ordinals, initialRows: 1 });
      fc.assert(
        fc.property(fc.array(reading.filter(hasValue), { maxLength: 40 }), (readings) => {
          rows.reset();
          readings.forEach(({ timeUs, sensorId, ...values }, index) => {
            const metrics = metricsOf(values);
            expect(rows.reading(index, timeUs, sensorId, metrics)).toBe(metrics.size);
          });
          expect(rows.rows).toBe(readings.length);
          const skip = ordinals ? 1 : 0;
          const decoded = decode(rows.finish());
          if (ordinals) expect(decoded.map((row) => int4(row[0]))).toEqual(readings.map((_, index) => index));
          expect(
            decoded.map((row) => {
              const [time, sensor, temperature, humidity, pressure, battery, rssi] = row.slice(skip);
              return [
                timeOf(time),
                int4(sensor),
                ...[temperature, humidity, pressure, battery].map(float8),
                int4(rssi),
              ];
            }),
          ).toEqual(
            readings.map((r) => [
              r.timeUs === 0 ? 0 : r.timeUs, // -0 is a time like 0
              r.sensorId === 0 ? 0 : r.sensorId,
              r.temperature ?? null,
              r.humidity ?? null,
              r.pressure ?? null,
              r.battery ?? null,
              r.rssi === undefined ? null : r.rssi === 0 ? 0 : r.rssi,
            ]),
          );
        }),
      );
    }
  });

  test('in parts: taken while rows are added, all of them together are the whole, though the buffer grows between', () => {
    const [whole, inParts] = [new BinaryRows({ initialRows: 1 }), new BinaryRows({ initialRows: 1 })];
    fc.assert(
      fc.property(fc.array(fc.tuple(reading.filter(hasValue), fc.boolean()), { maxLength: 40 }), (list) => {
        whole.reset();
        inParts.reset();
        const parts: Uint8Array[] = [];
        list.forEach(([{ timeUs, sensorId, ...values }, take], index) => {
          for (const rows of [whole, inParts]) rows.reading(index, timeUs, sensorId, metricsOf(values));
          if (take) parts.push(inParts.take());
        });
        parts.push(inParts.finish());
        expect(Buffer.concat(parts).equals(whole.finish())).toBe(true);
      }),
    );
  });

  test('narrow metrics: what is decoded is what was written', () => {
    const rows = new BinaryRows({ initialRows: 1 });
    const row = fc.tuple(timeUs, int32, int32, finite);
    fc.assert(
      fc.property(fc.array(row, { maxLength: 40 }), (expected) => {
        rows.reset();
        for (const [time, sensor, metric, value] of expected) rows.metric(0, time, sensor, metric, value);
        const decoded = decode(rows.finish());
        expect(decoded.map(([t, s, m, v]) => [timeOf(t), int4(s), int4(m), float8(v)])).toEqual(
          expected.map(([t, s, m, v]) => [t + 0, s + 0, m + 0, v]),
        );
      }),
    );
  });

  test('known bytes: 2000-01-01 00:00:00.000001, sensor 1, temperature 1, rssi -70', () => {
    const rows = new BinaryRows();
    rows.reading(0, 946_684_800_000_001, 1, metricsOf({ temperature: 1, rssi: -70 }));
    expect(Buffer.from(rows.finish()).toString('hex')).toBe(
      '5047434f50590aff0d0a00' + '00000000' + '00000000' + '0007' + '000000080000000000000001' + '0000000400000001' +
        '000000083ff0000000000000' + 'ffffffff'.repeat(3) + '00000004ffffffba' + 'ffff',
    ); // prettier-ignore
  });

  test('rssi is rounded to the nearest integer', () => {
    const rows = new BinaryRows();
    for (const rssi of [-70.4, -70.6, -0.2, 0.5]) rows.reading(0, 0, 1, metricsOf({ rssi }));
    expect(decode(rows.finish()).map((row) => int4(row[6]))).toEqual([-70, -71, 0, 1]);
  });

  test('a reading without a core metric writes no row', () => {
    const rows = new BinaryRows({ ordinals: true });
    expect(rows.reading(0, 0, 1, metricsOf({ co2: 400 }))).toBe(0);
    expect(rows.reading(1, 0, 1, metricsOf({ co2: 400, battery: 3 }))).toBe(1);
    expect(rows.rows).toBe(1);
    expect(decode(rows.finish()).map((row) => int4(row[0]))).toEqual([1]);
  });

  test('no row at all is a header and a trailer', () => {
    const rows = new BinaryRows();
    expect(rows.finish().length).toBe(21);
    expect(rows.rows).toBe(0);
  });
});

describe('rows that no column can hold are refused by name', () => {
  const fine = {
    time: 1_700_000_000_000_000,
    sensor: 1,
    values: { temperature: 20 } as Record<string, number>,
  };
  test.each([
    ['a fine one', fine, undefined],
    ['an ordinary narrow metric', { ...fine, values: { co2: 412 } }, undefined],
    ['rssi just inside', { ...fine, values: { rssi: 2_147_483_647.4 } }, undefined],
    ['rssi just outside', { ...fine, values: { rssi: 2_147_483_647.5 } }, '22003'],
    ['rssi far below', { ...fine, values: { rssi: -3e9 } }, '22003'],
    ['sensor_id too large', { ...fine, sensor: 2 ** 31 }, '22003'],
    ['sensor_id not whole', { ...fine, sensor: 1.5 }, '22003'],
    ['an infinite metric', { ...fine, values: { co2: Infinity } }, '22003'],
    ['not a number', { ...fine, values: { temperature: NaN } }, '22003'],
    ['a time beyond 2255', { ...fine, time: 2 ** 53 }, '22008'],
    ['a time whose distance from 2000 is not exact', { ...fine, time: -(2 ** 53 - 1) }, '22008'],
    ['a time with a fraction', { ...fine, time: 0.5 }, '22008'],
    ['no metric', { ...fine, values: {} }, '22004'],
  ])('%s', (_name, { time, sensor, values }, sqlstate) => {
    expect(refuseReading(time, sensor, metricsOf(values))?.sqlstate).toBe(sqlstate);
  });

  test('the five core metrics have columns, others do not', () => {
    expect(['temperature', 'humidity', 'pressure', 'battery', 'rssi', 'co2', 'time'].filter(isCoreMetric)).toEqual([
      'temperature', 'humidity', 'pressure', 'battery', 'rssi',
    ]); // prettier-ignore
  });
});
