import { inspect } from 'node:util';
import type { Micros, Reading } from '../core/reading.ts';
import type { Sensor } from '../ports/sensors.ts';
import type { IngestRow } from '../services/ingest/batch.ts';
import type { LetterSource } from '../services/ingest/dead-letter.ts';
import type { ReadingInput } from './monitor-types.ts';

const NO_VALUES: ReadonlyMap<string, number> = new Map();

/**
 * A reading as the row of a batch, and as the source of its dead letter, whose text is made only if there is one: one object, since what
 * a batch holds is most of what the collector of garbage moves.
 */
export class RecordedReading implements LetterSource, IngestRow {
  readonly topic: string;
  readonly arrivalUs: Micros;
  readonly reading: ReadingInput;
  key = '';
  timeUs: Micros = NaN;
  metrics: ReadonlyMap<string, number> = NO_VALUES;
  stamped: boolean | undefined = undefined;
  sensor: Sensor | undefined = undefined;
  sensorId = 0;
  spooled = false;
  previewedBy: IngestRow['previewedBy'] = undefined;

  constructor(topic: string, reading: ReadingInput, arrivalUs: Micros) {
    this.topic = topic;
    this.reading = reading;
    this.arrivalUs = arrivalUs;
  }

  /** Fills it with the reading as checked. */
  take({ device, timeUs, metrics, stamped }: Reading, sensor: Sensor | undefined): this {
    this.key = device;
    this.timeUs = timeUs;
    this.metrics = metrics;
    this.stamped = stamped;
    this.sensor = sensor;
    if (sensor !== undefined) this.sensorId = sensor.id;
    return this;
  }

  get message(): this {
    return this;
  }

  get retained(): boolean {
    return false;
  }

  get receivedAtMs(): number {
    return Math.floor(this.arrivalUs / 1000);
  }

  get payload(): Uint8Array {
    return new TextEncoder().encode(textOf(this.reading));
  }
}

/** Never throws: what JSON has no form for (a bigint, a circle) is written as the console would. */
export function textOf(reading: unknown): string {
  try {
    return JSON.stringify(reading) ?? 'null';
  } catch {
    return inspected(reading);
  }
}

export function inspected(value: unknown): string {
  try {
    return inspect(value, { depth: 3, breakLength: Infinity, customInspect: false, maxStringLength: 10_000 });
  } catch {
    return '(not readable)';
  }
}
