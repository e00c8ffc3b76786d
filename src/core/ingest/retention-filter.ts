import { intervalMs } from '../policy/interval.ts';
import { type PolicyPlan, declaredPolicy } from '../policy/plan.ts';
import { CORE_METRICS, type Decoded, type Micros, type Reading } from '../reading.ts';
import type { RoutedMessage, Router } from './route.ts';

/** The declared retention of readings, in microseconds; Infinity: forever. */
export interface Kept {
  readonly readingsUs: Micros;
  readonly metricsUs: Micros;
}

export function keptBy(plan: PolicyPlan): Kept {
  const us = (relation: string): Micros => {
    const after = declaredPolicy(plan, relation, 'retention')?.config['drop_after'];
    return after === undefined ? Infinity : intervalMs(after) * 1000;
  };
  return { readingsUs: us('sensor_readings'), metricsUs: us('sensor_metrics') };
}

/**
 * Rejects what retention would drop at once. A row older than that recreates its chunk, and a bucket refreshed from
 * it alone replaces the history that its aggregate still had. In a batch such readings are dropped like every other
 * bad element (contract D13); the message is rejected when none is left.
 */
export function withoutExpired(router: Router, kept: Kept): Router {
  return {
    ...router,
    decode: (message) => keepYoung(router.decode(message), message, kept),
  };
}

/** Filters the readings of one message, also of one that came by no route. */
export function keepYoung(
  decoded: Decoded,
  { receivedAtMs }: Pick<RoutedMessage, 'receivedAtMs'>,
  kept: Kept,
): Decoded {
  if (decoded.kind === 'reject') return decoded;
  const receivedAtUs = receivedAtMs * 1000;
  // On the path of every message: nearly always one comparison per reading.
  const surelyKept = receivedAtUs - Math.min(kept.readingsUs, kept.metricsUs);
  if (decoded.readings.every(({ timeUs }) => timeUs >= surelyKept)) return decoded;
  const readings = decoded.readings.filter(
    (reading) => reading.timeUs >= receivedAtUs - keptUs(reading, kept),
  );
  if (readings.length > 0)
    return { ...decoded, readings, dropped: decoded.dropped + decoded.readings.length - readings.length };
  const oldest = Math.min(...decoded.readings.map(({ timeUs }) => timeUs));
  const { publish } = decoded;
  return {
    kind: 'reject',
    code: 'older_than_retention',
    detail: `its time is ${new Date(oldest / 1000).toISOString()}, and readings are kept for ${days(kept)} days`,
    ...(publish === undefined ? {} : { publish }),
  };
}

/** Whether retention would drop a reading at once. */
export const isExpired = (reading: Reading, kept: Kept, nowUs: Micros): boolean =>
  reading.timeUs < nowUs - keptUs(reading, kept);

/** The shorter one if a reading goes to both tables: half of it would come back to a table that dropped it. */
function keptUs({ metrics }: Reading, { readingsUs, metricsUs }: Kept): Micros {
  let core = 0;
  for (const metric of CORE_METRICS) if (metrics.has(metric)) core += 1;
  return Math.min(core > 0 ? readingsUs : Infinity, metrics.size > core ? metricsUs : Infinity);
}

const DAY_US = 86_400_000_000;
const days = ({ readingsUs, metricsUs }: Kept): number =>
  Math.round((Math.min(readingsUs, metricsUs) / DAY_US) * 10) / 10;
