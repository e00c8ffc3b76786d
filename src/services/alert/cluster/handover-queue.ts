import { shardOf } from '../../../core/alert/cluster/shard.ts';
import type { AlertStore, ReadingSpan } from '../../../ports/alerts.ts';
import type { HandoverStore } from '../../../ports/handover.ts';

/**
 * The read side of the alert tables for the members of a share group: readings waiting in the handover are stored already
 * but not evaluated, and would pass for duplicates of themselves.
 */
export function withoutWaiting(store: AlertStore, handover: HandoverStore, group: string): AlertStore {
  return {
    loadStates: (shards) => store.loadStates(shards),
    loadWaiting: (group, shards) => store.loadWaiting(group, shards),
    loadReadings: (spans) => store.loadReadings(spans),
    pendingNotifications: (shards) => store.pendingNotifications(shards),
    markSent: (sent, deliveries) => store.markSent(sent, deliveries),
    loadLastReadings: async (spans, metrics) => {
      const found = await store.loadLastReadings(spans, metrics);
      if (found.length === 0) return found;
      // Queried afterwards: whatever was found and is not evaluated is there, for only the owner removes it.
      const shards = new Set(found.map(({ sensorId }) => shardOf(sensorId)));
      const waiting = await handover.earliest(group, [...shards]);
      const waits = ({ sensorId, timeUs }: { sensorId: number; timeUs: number }) =>
        timeUs >= (waiting.get(sensorId) ?? Infinity);
      const hidden = new Set(found.filter(waits).map(({ sensorId }) => sensorId));
      if (hidden.size === 0) return found;
      const before = spans
        .filter(({ sensorId }) => hidden.has(sensorId))
        .flatMap((span) => cut(span, waiting));
      return [
        ...found.filter(({ sensorId }) => !hidden.has(sensorId)),
        ...(await store.loadLastReadings(before, metrics)),
      ];
    },
  };
}

/** The part of a span that lies before the waiting readings. */
function cut(span: ReadingSpan, waiting: ReadonlyMap<number, number>): readonly ReadingSpan[] {
  const toUs = Math.min(span.toUs, (waiting.get(span.sensorId) ?? Infinity) - 1);
  return toUs < span.fromUs ? [] : [{ ...span, toUs }];
}
