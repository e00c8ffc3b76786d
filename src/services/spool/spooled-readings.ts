import { type Watermark, eachWatermark } from '../../core/alert/engine/watermarks.ts';
import type { LastReading, LastReadings, ReadingSpan } from '../../ports/alerts.ts';
import type { Spool } from '../../ports/spool.ts';

/**
 * The stored readings, and those that are evaluated and still in the spool. A message may be redelivered while its first
 * copy waits there, unknown to the database: it must count as late, and is compared with it.
 */
export function withSpooled(
  stored: LastReadings,
  spool: Pick<Spool, 'contents' | 'watermarks'>,
): LastReadings {
  return async (spans, metrics) => {
    // Before the database: a record that drains meanwhile is in one of them.
    const spooled = isEmpty(spool) ? [] : within(spans, eachWatermark(await spool.watermarks()));
    const found = await stored(spans, metrics);
    return spooled.length === 0 ? found : newest([...found, ...spooled]);
  };
}

const isEmpty = ({ contents: { lanes, parked } }: Pick<Spool, 'contents'>): boolean =>
  lanes.readings.records + lanes.alerts.records + lanes.unresolved.records + parked.records === 0;

function within(spans: readonly ReadingSpan[], marks: Iterable<Watermark>): readonly LastReading[] {
  const bySensor = new Map(spans.map((span) => [span.sensorId, span]));
  const found: LastReading[] = [];
  for (const mark of marks) {
    const span = bySensor.get(mark.sensorId);
    if (span !== undefined && mark.timeUs >= span.fromUs && mark.timeUs <= span.toUs) found.push(mark);
  }
  return found;
}

function newest(all: readonly LastReading[]): readonly LastReading[] {
  const byMetric = new Map<string, LastReading>();
  for (const reading of all) {
    const key = `${reading.sensorId}|${reading.metric}`;
    if (reading.timeUs >= (byMetric.get(key)?.timeUs ?? -Infinity)) byMetric.set(key, reading);
  }
  return [...byMetric.values()];
}
