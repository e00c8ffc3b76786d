import { shardOf } from '../../../core/alert/cluster/shard.ts';
import type { AlertStore, ReadingSpan } from '../../../ports/alerts.ts';
import type { HandoverStore } from '../../../ports/handover.ts';

/**
 * The read side of the alert tables for the members of a share group: what waits in the handover is stored already, but it
 * was not evaluated, and would pass for a duplicate of itself.
 */
export function withoutWaiting(store: AlertStore, handover: HandoverStore, group: string): AlertStore {
  return {
    loadStates: (shards) => store.loadStates(shards),
    loadWaiting: (group, shards) => store.loadWaiting(group, shards),
    loadReadings: (spans) => store.loadReadings(spans),
    pendingNotifications: (shards) => store.pendingNotifications(shards),
    markSent: (sent, deliveries) => store.markSent(sent, deliveries),
    loadLastReadings: async (spans) => {
      const found = await store.loadLastReadings(spans);
      if (found.length === 0) return found;
      // Asked afterwards: whatever was found and is not evaluated is there, for the owner alone takes it out.
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
        ...(await store.loadLastReadings(before)),
      ];
    },
  };
}

/** As much of a span as lies before what waits. */
function cut(span: ReadingSpan, waiting: ReadonlyMap<number, number>): readonly ReadingSpan[] {
  const toUs = Math.min(span.toUs, (waiting.get(span.sensorId) ?? Infinity) - 1);
  return toUs < span.fromUs ? [] : [{ ...span, toUs }];
}
