import { shardOf } from '../../../core/alert/cluster/shard.ts';
import type { LastReadings, ReadingSpan } from '../../../ports/alerts.ts';
import type { HandoverStore } from '../../../ports/handover.ts';

/**
 * The stored readings without those that wait in the handover of a share group: these are stored already but not evaluated,
 * and would pass for duplicates of themselves.
 */
export function evaluatedReadings(
  stored: LastReadings,
  handover: Pick<HandoverStore, 'earliest'>,
  group: string,
): LastReadings {
  return async (spans, metrics) => {
    const found = await stored(spans, metrics);
    if (found.length === 0) return found;
    // Queried afterwards: whatever was found and is not evaluated is there, for only the owner removes it.
    const shards = new Set(found.map(({ sensorId }) => shardOf(sensorId)));
    const waiting = await handover.earliest(group, [...shards]);
    const waits = ({ sensorId, timeUs }: { sensorId: number; timeUs: number }) =>
      timeUs >= (waiting.get(sensorId) ?? Infinity);
    const hidden = new Set(found.filter(waits).map(({ sensorId }) => sensorId));
    if (hidden.size === 0) return found;
    const before = spans.filter(({ sensorId }) => hidden.has(sensorId)).flatMap((span) => cut(span, waiting));
    return [...found.filter(({ sensorId }) => !hidden.has(sensorId)), ...(await stored(before, metrics))];
  };
}

/** The part of a span that lies before the waiting readings. */
function cut(span: ReadingSpan, waiting: ReadonlyMap<number, number>): readonly ReadingSpan[] {
  const toUs = Math.min(span.toUs, (waiting.get(span.sensorId) ?? Infinity) - 1);
  return toUs < span.fromUs ? [] : [{ ...span, toUs }];
}
