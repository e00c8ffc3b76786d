import { type Micros, isAvailability } from '../../../core/reading.ts';
import type { StorableReading } from '../../../ports/store.ts';
import type { Clock } from '../../../ports/time.ts';
import type { QueryClient } from './timeline.ts';

/** Asynchronous replication is behind by seconds, seldom by minutes. */
const SECONDS_KEPT = 600;

interface Second {
  readonly atMs: number;
  readings: number;
  /** Time and sensor of one reading of its last batch. */
  timeUs: Micros;
  sensorId: number;
}

/** Committed rows that a server lacks, as far back as is remembered. */
export interface Missing {
  readonly sinceMs: number;
  /** At most: of the first second some may be there. */
  readonly readings: number;
}

const ABSENT = `
SELECT number::int AS number FROM unnest($1::int8[], $2::int4[]) WITH ORDINALITY AS sent (time_us, sensor, number)
 WHERE NOT EXISTS (SELECT FROM sensor_readings r
                    WHERE r.sensor_id = sent.sensor AND r.time = 'epoch'::timestamptz + time_us * interval '1 microsecond')
   AND NOT EXISTS (SELECT FROM sensor_metrics m
                    WHERE m.sensor_id = sent.sensor AND m.time = 'epoch'::timestamptz + time_us * interval '1 microsecond')
 ORDER BY 1`;

/**
 * Remembers one reading of each second in which batches were committed. After a failover they say what the new primary
 * never got: with asynchronous replication commits are lost from the end.
 */
export class RecentCommits {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #seconds: Second[] = [];

  constructor(clock: Pick<Clock, 'nowMs'>) {
    this.#clock = clock;
  }

  note(readings: readonly StorableReading[]): void {
    const last = readings.findLast((reading) => reading.metrics.size > 0 && !isAvailability(reading));
    if (last === undefined) return;
    const { timeUs, sensorId } = last;
    const atMs = Math.floor(this.#clock.nowMs() / 1000) * 1000;
    const second = this.#seconds.at(-1);
    if (second?.atMs === atMs) {
      second.readings += readings.length;
      second.timeUs = timeUs;
      second.sensorId = sensorId;
      return;
    }
    this.#seconds.push({ atMs, readings: readings.length, timeUs, sensorId });
    if (this.#seconds.length > SECONDS_KEPT) this.#seconds.shift();
  }

  /** Undefined where the last commits are there. What is missing is forgotten, so that it is reported once. */
  async missingFrom(client: QueryClient): Promise<Missing | undefined> {
    const sent = [this.#seconds.map(({ timeUs }) => timeUs), this.#seconds.map(({ sensorId }) => sensorId)];
    const { rows } = await client.query(ABSENT, sent);
    const absent = new Set((rows as { number: number }[]).map(({ number }) => number - 1));
    // Readings that are gone in between were forgotten, merged or dropped with their chunk.
    let first = this.#seconds.length;
    while (absent.has(first - 1)) first -= 1;
    const missing = this.#seconds.splice(first);
    const [oldest] = missing;
    if (oldest === undefined) return undefined;
    return { sinceMs: oldest.atMs, readings: missing.reduce((sum, { readings }) => sum + readings, 0) };
  }
}
