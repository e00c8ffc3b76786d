import type { MetricValues } from '../metric-values.ts';
import { CORE_METRICS, type Micros } from '../reading.ts';

/**
 * The binary format of PostgreSQL's COPY (documentation: COPY, "Binary Format"): an 11-byte signature, flags, header
 * extension; per row a field count and per field a length and its bytes, big-endian; a trailer of -1.
 *
 * Written into one buffer that grows and is reused from batch to batch: no allocation per row.
 */
const SIGNATURE = [0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0x00];
const HEADER_BYTES = SIGNATURE.length + 8;
const TRAILER_BYTES = 2;

/** Microseconds from the Unix epoch to PostgreSQL's: 2000-01-01 00:00 UTC. */
const PG_EPOCH_US = 946_684_800_000_000;
const TWO_POW_32 = 4_294_967_296;
const INT32_MIN = -2_147_483_648;
const INT32_MAX = 2_147_483_647;

/** Bytes of the longest row of each shape: 2 for the field count, 4 for each length, then the value. */
const READING_BYTES = 2 + (4 + 8) + (4 + 4) + 4 * (4 + 8) + (4 + 4);
const METRIC_BYTES = 2 + (4 + 8) + (4 + 4) + (4 + 4) + (4 + 8);
const ORDINAL_BYTES = 4 + 4;
/** The one integer column of `sensor_readings`. */
const RSSI = CORE_METRICS.indexOf('rssi');

export interface BinaryRowsOptions {
  /** Each row starts with an int4 of its own: the reading it belongs to. For staging tables. */
  readonly ordinals?: boolean;
  readonly initialRows?: number;
}

/** Rows on their way into one COPY. `reset` before each use; the bytes of `take` and `finish` are valid until then. */
export class BinaryRows {
  readonly #ordinals: boolean;
  #bytes: Uint8Array;
  #view: DataView;
  #at = 0;
  /** The bytes before are taken. */
  #taken = 0;
  #rows = 0;

  constructor(options: BinaryRowsOptions = {}) {
    this.#ordinals = options.ordinals ?? false;
    this.#bytes = new Uint8Array(
      HEADER_BYTES + TRAILER_BYTES + (options.initialRows ?? 1024) * READING_BYTES,
    );
    this.#view = new DataView(this.#bytes.buffer);
    this.reset();
  }

  get rows(): number {
    return this.#rows;
  }

  reset(): void {
    this.#bytes.fill(0, 0, HEADER_BYTES);
    this.#bytes.set(SIGNATURE, 0);
    this.#at = HEADER_BYTES;
    this.#taken = 0;
    this.#rows = 0;
  }

  /**
   * A row of `sensor_readings`: time, sensor_id, temperature, humidity, pressure, battery, rssi. The values are taken
   * from `metrics` by name; an absent one is NULL. rssi is an integer column: it is rounded. Returns how many of the
   * metrics are in the row; if none is, no row is written.
   */
  reading(ordinal: number, timeUs: Micros, sensorId: number, metrics: MetricValues): number {
    this.#reserve(READING_BYTES + ORDINAL_BYTES);
    const start = this.#at;
    this.#start(7, ordinal);
    this.#timestamptz(timeUs);
    this.#int4(sensorId);
    const { core } = metrics.names;
    let values = 0;
    for (let column = 0; column < core.length; column++) {
      const place = core[column] as number;
      if (place < 0) this.#null();
      else {
        if (column === RSSI) this.#int4(Math.round(metrics.at(place)));
        else this.#float8(metrics.at(place));
        values += 1;
      }
    }
    if (values > 0) this.#rows += 1;
    else this.#at = start;
    return values;
  }

  /** A row of `sensor_metrics`: time, sensor_id, metric_id, value. */
  metric(ordinal: number, timeUs: Micros, sensorId: number, metricId: number, value: number): void {
    this.#reserve(METRIC_BYTES + ORDINAL_BYTES);
    this.#start(4, ordinal);
    this.#timestamptz(timeUs);
    this.#int4(sensorId);
    this.#int4(metricId);
    this.#float8(value);
    this.#rows += 1;
  }

  /** The bytes since the last call: a view, valid until the next `reset`. */
  take(): Uint8Array {
    const part = this.#bytes.subarray(this.#taken, this.#at);
    this.#taken = this.#at;
    return part;
  }

  /** Ends the rows with the trailer, and takes what is left. */
  finish(): Uint8Array {
    this.#reserve(TRAILER_BYTES);
    this.#view.setInt16(this.#at, -1);
    this.#at += TRAILER_BYTES;
    return this.take();
  }

  #start(fields: number, ordinal: number): void {
    this.#view.setInt16(this.#at, this.#ordinals ? fields + 1 : fields);
    this.#at += 2;
    if (this.#ordinals) this.#int4(ordinal);
  }

  /** Exact for every safe integer: dividing by 2^32 only moves the exponent, so no BigInt is needed. */
  #timestamptz(timeUs: Micros): void {
    const since2000 = timeUs - PG_EPOCH_US;
    const high = Math.floor(since2000 / TWO_POW_32);
    this.#view.setInt32(this.#at, 8);
    this.#view.setInt32(this.#at + 4, high);
    this.#view.setUint32(this.#at + 8, since2000 - high * TWO_POW_32);
    this.#at += 12;
  }

  #int4(value: number): void {
    this.#view.setInt32(this.#at, 4);
    this.#view.setInt32(this.#at + 4, value);
    this.#at += 8;
  }

  #float8(value: number): void {
    this.#view.setInt32(this.#at, 8);
    this.#view.setFloat64(this.#at + 4, value);
    this.#at += 12;
  }

  #null(): void {
    this.#view.setInt32(this.#at, -1);
    this.#at += 4;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + bytes));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** A value that its column cannot hold, found before the server sees it; the SQLSTATE is the one it would give. */
export interface Unencodable {
  readonly sqlstate: '22003' | '22004' | '22008';
  readonly message: string;
}

/**
 * Why a reading cannot be a row, or undefined. DataView would wrap such a value silently, and one wrong row must cost
 * one row: the store refuses it by name before the COPY.
 */
export function refuseReading(
  timeUs: Micros,
  sensorId: number,
  metrics: MetricValues,
): Unencodable | undefined {
  // Beyond 2^53 µs (the year 2255) a double skips microseconds, and PG_EPOCH_US must still be subtracted exactly.
  if (!Number.isSafeInteger(timeUs) || !Number.isSafeInteger(timeUs - PG_EPOCH_US)) {
    return { sqlstate: '22008', message: `time out of range: ${timeUs} µs` };
  }
  if (!isInt32(sensorId)) return { sqlstate: '22003', message: `sensor_id out of range: ${sensorId}` };
  if (metrics.size === 0) return { sqlstate: '22004', message: 'a reading without any metric' };
  const { size, names } = metrics;
  for (let place = 0; place < size; place++) {
    const value = metrics.at(place);
    if (!Number.isFinite(value))
      return { sqlstate: '22003', message: `${names.list[place]} is not finite: ${value}` };
  }
  const rssi = names.core[RSSI] as number;
  if (rssi >= 0 && !isInt32(Math.round(metrics.at(rssi)))) {
    return { sqlstate: '22003', message: `rssi out of range of an integer: ${metrics.at(rssi)}` };
  }
  return undefined;
}

const isInt32 = (value: number) => Number.isInteger(value) && value >= INT32_MIN && value <= INT32_MAX;
