import type { AlertBatch, AlertResolution, AlertStateRow, AlertKey } from '../model.ts';

/** Ids of removed sensors, and the sensor their readings moved to: null if they were deleted. */
export type ForgottenSensors = ReadonlyMap<number, number | null>;

/**
 * Corrects a batch that was evaluated before sensors were merged or forgotten and is written after it. Rows of a
 * merged sensor move to the other one, whose own states stay: an episode still open is closed as by an operator. Rows
 * of a forgotten sensor are dropped.
 */
export function withoutForgotten(batch: AlertBatch, forgotten: ForgottenSensors): AlertBatch {
  if (forgotten.size === 0 || !mentions(batch, forgotten)) return batch;
  const moved = <Row extends Pick<AlertKey, 'sensorId'>>(rows: readonly Row[]): Row[] =>
    rows.flatMap((row) => {
      const target = forgotten.get(row.sensorId);
      return target === undefined ? [row] : target === null ? [] : [{ ...row, sensorId: target }];
    });
  const ended = batch.states.flatMap((row) => (forgotten.has(row.sensorId) ? closed(row) : []));
  return {
    ...batch,
    states: batch.states.filter(({ sensorId }) => !forgotten.has(sensorId)),
    raised: moved(batch.raised),
    resolved: moved([...batch.resolved, ...ended]),
    notifications: moved(batch.notifications),
    ...(batch.acked === undefined ? {} : { acked: moved(batch.acked) }),
    ...(batch.flapping === undefined ? {} : { flapping: moved(batch.flapping) }),
  };
}

const mentions = (
  { states, raised, resolved, notifications }: AlertBatch,
  forgotten: ForgottenSensors,
): boolean =>
  [states, raised, resolved, notifications].some((rows) =>
    rows.some(({ sensorId }) => forgotten.has(sensorId)),
  );

function closed(row: AlertStateRow): readonly AlertResolution[] {
  const { sensorId, metric, kind, side, alertType, alertId, firedAtUs, lastEventUs } = row;
  if (firedAtUs === null || alertId === null) return [];
  return [
    {
      ...{ sensorId, metric, kind, side, alertType, alertId, firedAtUs },
      resolvedAtUs: Math.max(firedAtUs, lastEventUs),
      resolvedValue: null,
      peakValue: row.peakValue,
      reason: 'manual',
      flapping: false,
      backfilled: false,
    },
  ];
}
