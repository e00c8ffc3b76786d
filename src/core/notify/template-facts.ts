import { formatDuration } from '../duration.ts';
import { type OutgoingNotification, statusOf } from './delivery.ts';

/** The names available in a template, in the order of the documentation. */
export const FACTS = [
  'sensor', 'name', 'location', 'alert_type', 'event', 'status', 'severity', 'value', 'threshold', 'message', 'event_time',
  'started_at', 'duration', 'peak_value', 'resolved_value', 'reason', 'runbook', 'alert_id', 'seq',
] as const; // prettier-ignore

export type TemplateFacts = Readonly<Record<(typeof FACTS)[number], string>>;

/** Everything as text; absent values are empty. */
export function factsOf(notification: OutgoingNotification): TemplateFacts {
  const { sensorKey, facts, durationS } = notification;
  return {
    sensor: sensorKey,
    name: facts.name ?? sensorKey,
    location: facts.location ?? '',
    alert_type: notification.alertType,
    event: notification.event,
    status: statusOf(notification),
    severity: notification.severity,
    value: numberText(notification.value),
    threshold: numberText(notification.threshold),
    message: notification.message,
    event_time: new Date(notification.eventTimeMs).toISOString(),
    started_at: new Date(notification.startedAtMs).toISOString(),
    duration: durationS === null ? '' : formatDuration(Math.round(durationS) * 1000),
    peak_value: numberText(notification.peakValue),
    resolved_value: numberText(notification.resolvedValue),
    reason: notification.reason ?? '',
    runbook: notification.runbook ?? '',
    alert_id: notification.alertId,
    seq: String(notification.seq),
  };
}

/** Nine significant digits: what the sensor sent, without the noise of binary fractions. */
export const numberText = (value: number | null): string =>
  value === null ? '' : String(Number(value.toPrecision(9)));
