import type pg from 'pg';
import { writePastAlerts } from '../../adapters/timescale/alert/past-alert-writes.ts';
import { readerOf } from '../../adapters/timescale/connection/pool.ts';
import type { Config } from '../../config/schema/index.ts';
import { PastAlerts } from '../../core/alert/analysis/past-alerts.ts';
import { RuleSet } from '../../core/alert/rules/rule-set.ts';
import type { Micros } from '../../core/reading.ts';
import type { StorableReading } from '../../ports/store.ts';
import { readingsInOrder } from '../../queries/readings-in-order.ts';
import { sensorFacts } from '../../queries/sensors.ts';
import { alertId } from '../../services/alert/alert-id.ts';

/** Which sensors and times an import has stored, whatever was there before. */
export class ImportedRange {
  readonly sensorIds = new Set<number>();
  fromUs: Micros = Infinity;
  toUs: Micros = -Infinity;

  note(readings: readonly StorableReading[]): void {
    for (const { sensorId, timeUs } of readings) {
      this.sensorIds.add(sensorId);
      this.fromUs = Math.min(this.fromUs, timeUs);
      this.toUs = Math.max(this.toUs, timeUs);
    }
  }
}

/**
 * Evaluates what is stored of the imported sensors and times, and stores the alerts that have ended in it. Memory is that of the alert
 * engine. Returns how many rows are new.
 */
export async function recordPastAlerts(
  { alerts }: Config,
  pool: pg.Pool,
  { sensorIds, fromUs, toUs }: ImportedRange,
  signal: AbortSignal,
): Promise<number> {
  if (sensorIds.size === 0) return 0;
  const db = readerOf(pool);
  const sensors = new Map(
    (await sensorFacts(db, {})).filter(({ id }) => sensorIds.has(id)).map((sensor) => [sensor.id, sensor]),
  );
  const fromMs = Math.floor(fromUs / 1000);
  const toMs = Math.floor(toUs / 1000) + 1;
  const past = new PastAlerts(new RuleSet(alerts), { alertId, fromMs });
  let written = 0;
  const range = { from: new Date(fromMs), to: new Date(toMs), sensorIds: [...sensorIds] };
  for await (const chunk of readingsInOrder(db, range)) {
    signal.throwIfAborted();
    for (const { sensorId, timeUs, metrics } of chunk) {
      const sensor = sensors.get(sensorId);
      if (sensor !== undefined) past.reading(sensor, timeUs, metrics);
    }
    written += await writePastAlerts(pool, past.take());
  }
  past.end(toMs);
  return written + (await writePastAlerts(pool, past.take()));
}
