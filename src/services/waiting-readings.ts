import type { AlertStore, DutyStore, ReadingSpan } from '../ports.ts';

/**
 * The read side of the alert tables as one who evaluates for a share group must see it: what waits in the inbox is stored
 * already, but it was not evaluated, and would pass for a duplicate of itself.
 */
export function withoutWaiting(store: AlertStore, duty: DutyStore, group: string): AlertStore {
  return {
    loadStates: () => store.loadStates(),
    loadWaiting: (group) => store.loadWaiting(group),
    loadReadings: (spans) => store.loadReadings(spans),
    pendingNotifications: () => store.pendingNotifications(),
    markSent: (sent, deliveries) => store.markSent(sent, deliveries),
    loadLastReadings: async (spans) => {
      const found = await store.loadLastReadings(spans);
      if (found.length === 0) return found;
      // Asked afterwards: whatever was found and is not evaluated is there, for nobody else takes it out.
      const waiting = await duty.earliest(group);
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
