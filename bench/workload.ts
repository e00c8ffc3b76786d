import { MetricValues } from '../src/core/metric-values.ts';
import type { StorableReading } from '../src/ports/store.ts';

/** A fleet that stays within the limits of config/alerts.yaml: every reading is evaluated, none raises an alert. */
export const SENSORS = 200;
const LOCATIONS = ['greenhouse', 'warehouse', 'lab', 'office'] as const;
const INTERVAL_MS = 100;
const TWELVE_HOURS_MS = 12 * 3600 * 1000;

/** Hands out stretches of time that no other part of this run uses, so that no reading is there already. */
export class Timeline {
  #nextMs: number;

  constructor(nowMs: number) {
    this.#nextMs = Math.floor(nowMs) - TWELVE_HOURS_MS;
  }

  /** The start of a stretch for `rows` readings; with 200 sensors a whole run fits into minutes. */
  take(rows: number): number {
    const startMs = this.#nextMs;
    this.#nextMs += (Math.ceil(rows / SENSORS) + 1) * INTERVAL_MS;
    return startMs;
  }
}

/** Time of the n-th reading of a stretch: the sensors alternate. */
const timeOf = (n: number, startMs: number, intervalMs = INTERVAL_MS, sensors = SENSORS) =>
  startMs + Math.floor(n / sensors) * intervalMs;

const temperature = (random: () => number) => Math.round(190 + random() * 50) / 10;
const humidity = (random: () => number) => Math.round(450 + random() * 100) / 10;

export type SampleReading = StorableReading & { readonly metrics: MetricValues };

/** Readings for the store: the same three metrics as the messages carry. */
export function readingsOf(rows: number, startMs: number, random: () => number): SampleReading[] {
  return Array.from({ length: rows }, (_, n) => ({
    sensorId: (n % SENSORS) + 1,
    timeUs: timeOf(n, startMs) * 1000,
    metrics: new MetricValues()
      .set('temperature', temperature(random))
      .set('humidity', humidity(random))
      .set('battery', 97),
  }));
}

/** `sensors/<location>/<device>/readings` for every sensor; `root` keeps them apart from others on a shared broker. */
export function topicsOf(root: string, sensors = SENSORS): readonly string[] {
  return Array.from({ length: sensors }, (_, n) => {
    const location = LOCATIONS[n % LOCATIONS.length];
    return `${root}sensors/${location}/${location}-${String(n).padStart(3, '0')}/readings`;
  });
}

/** A payload as a small sensor sends it: about 70 bytes. `above`: its temperature is by so much higher. */
export function payloadOf(timeMs: number, random: () => number, above = 0): string {
  return `{"ts":${timeMs},"temperature":${temperature(random) + above},"humidity":${humidity(random)},"battery":97}`;
}

export interface Message {
  readonly sensor: number;
  readonly payload: string;
}

export function* messagesOf(
  count: number,
  startMs: number,
  random: () => number,
  intervalMs?: number,
  sensors = SENSORS,
): Generator<Message> {
  for (let n = 0; n < count; n++) {
    yield { sensor: n % sensors, payload: payloadOf(timeOf(n, startMs, intervalMs, sensors), random) };
  }
}

/** The items in order, so many at a time; the last may be fewer. */
export function* chunked<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let chunk: T[] = [];
  for (const item of items) {
    if (chunk.push(item) < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
