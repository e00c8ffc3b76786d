import type { Micros, Millis } from '../../reading.ts';
import { heldDueMs as stateDueMs } from '../state/machine.ts';
import { OK, closedUsOf } from '../state/state.ts';
import type { AlertInstance } from './alert-instance.ts';
import { OF_SENSOR } from './alert-key.ts';
import { deliveryDueMs } from './notification-policy.ts';
import { releaseDueMs } from './reorder-buffer.ts';
import { NEVER, type SeriesState } from './series-state.ts';

const MAX_LAG_MS = 60_000;

/**
 * When the passing of time next decides something for a series; Infinity: only a number can. `connectedMs` is
 * undefined while the broker is disconnected: silence then has no meaning.
 */
export function decidesAtMs(series: SeriesState, connectedMs: Millis | undefined): Millis {
  const { noData, held, allowedUs } = series;
  let dueMs =
    noData === undefined ? Infinity : Math.min(silenceDueMs(series, connectedMs), forgetDueMs(series));
  if (held.length > 0) dueMs = Math.min(dueMs, releaseDueMs(held, allowedUs));
  if (series.active === 0) return dueMs;
  for (const instance of series.instances) {
    dueMs = Math.min(dueMs, notificationDueMs(series, instance));
    if (!series.silent && instance !== noData) dueMs = Math.min(dueMs, heldDueMs(series, instance));
  }
  return dueMs;
}

/** When the silence of a series becomes an alert. */
export function silenceDueMs(series: SeriesState, connectedMs: Millis | undefined): Millis {
  const { receivedMs, expected } = series;
  const afterMs = series.silenceAllowedMs(series.noData?.memory);
  if (afterMs === undefined || connectedMs === undefined || series.silent) return Infinity;
  if (receivedMs === NEVER && !expected) return Infinity;
  // While the sensor is away, its metrics are not missed one by one.
  if (series.isOwnerAway) return Infinity;
  // Closed by an operator: data has to arrive first, and to stop again.
  const closedUs = series.noData === undefined ? undefined : closedUsOf(series.noData.work);
  if (closedUs !== undefined && receivedMs * 1000 <= closedUs) return Infinity;
  if (series.metric === OF_SENSOR && receivedMs !== NEVER && series.rule.countsMessages !== true)
    return Infinity;
  return Math.max(receivedMs, connectedMs, series.expectedSinceMs) + afterMs;
}

const DAY_MS = 86_400_000;
const FORGOTTEN_MS = 7 * DAY_MS;
/** How long ago its last message may be for a sensor to be active. */
const ACTIVE_MS = 3_600_000;

/**
 * When to see whether a metric is expected no longer, since its sensor has been active for a week without it; daily from then
 * on, while the sensor itself is silent.
 */
export function forgetDueMs(series: SeriesState): Millis {
  const { noData, reviewedMs } = series;
  if (noData === undefined || series.metric === OF_SENSOR) return Infinity;
  if (!series.silent && (series.missed || (series.rule.noDataAfterMs ?? 0) <= FORGOTTEN_MS)) return Infinity;
  const dueMs = weekAfterMs(series);
  if (reviewedMs < dueMs) return dueMs;
  return dueMs + (Math.floor((reviewedMs - dueMs) / DAY_MS) + 1) * DAY_MS;
}

/** Whether a metric of a sensor that was last received at `activeMs` is forgotten. */
export const isForgotten = (series: SeriesState, activeMs: Millis): boolean =>
  activeMs >= weekAfterMs(series) - ACTIVE_MS;

/** After the metric was last received; Infinity: that is not known. */
function weekAfterMs({ receivedMs, last }: SeriesState): Millis {
  if (receivedMs !== NEVER) return receivedMs + FORGOTTEN_MS;
  return last === undefined ? Infinity : Math.floor(last.timeUs / 1000) + FORGOTTEN_MS;
}

/** When an unchanged alert instance needs a notification: a deferred one, or a reminder. */
export function notificationDueMs(series: SeriesState, instance: AlertInstance): Millis {
  if (instance.work === OK) return Infinity;
  const { delivery, staleAfterUs } = series.rule;
  if (instance !== series.noData) {
    // No reminders of the last value of a metric without data, or of a sensor that is missed; but an acknowledgement ends.
    if ((series.silent || series.isOwnerAway) && !hasAckEnd(instance)) return Infinity;
    return deliveryDueMs(instance.work, series.receivedMs, staleAfterUs, delivery);
  }
  // Metrics are not notified as missing while their sensor is.
  if (series.isOwnerAway) return Infinity;
  const { work } = instance;
  if ('episode' in work && work.episode.deferredBy !== undefined) {
    // Its gateway is back: the sensor itself gets the time that its rule allows.
    const untilMs = series.gateway?.coversUntilMs(series) ?? NEVER;
    return untilMs > series.reviewedMs ? untilMs : Infinity;
  }
  return deliveryDueMs(instance.work, series.receivedMs, Infinity, delivery);
}

/**
 * The deadline of a `held` condition on the clock: when no reading for the time before it is expected any more. A
 * sensor that lags, or uploads what it stored, may still send one: it gets as long as its lag, at most a minute, from
 * the last reception.
 */
export function heldDueMs(
  { last, receivedMs, held, allowedUs }: SeriesState,
  { work, condition }: AlertInstance,
): Millis {
  const deadlineMs = stateDueMs(work, condition, last);
  if (deadlineMs === Infinity) return Infinity;
  const allowedMs = allowedUs / 1000;
  const dueMs = Math.max(deadlineMs, held.lastReceivedBefore(deadlineMs * 1000)) + allowedMs;
  if (receivedMs === NEVER || last === undefined) return dueMs;
  const lagMs = Math.min(Math.max(0, receivedMs - last.timeUs / 1000), MAX_LAG_MS);
  return Math.max(dueMs, receivedMs + lagMs);
}

/** Up to when, in event time, the clock decides: not for times of which readings may still arrive or are waiting. */
export function watermarkUs({ held, allowedUs }: SeriesState, untilMs: Millis): Micros {
  return Math.min(untilMs * 1000 - allowedUs, held.firstUs ?? Infinity);
}

const hasAckEnd = ({ work }: AlertInstance): boolean =>
  'episode' in work && work.episode.ack?.untilMs !== undefined;
