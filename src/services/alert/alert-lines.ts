import type { AlertNotification } from '../../core/alert/model.ts';
import { printableJson } from '../../core/printable.ts';
import type { LogFields, Logger } from '../../ports/metrics.ts';
import { logLevelOf } from './no-data-digest.ts';

/** The fields of an alert line, in the main log and in the alert log alike (ALERTS.md section 13). */
export function alertFields(notification: AlertNotification, persisted: boolean): LogFields {
  const over = notification.event === 'resolved';
  return {
    event: notification.event,
    alert_id: notification.alertId,
    seq: notification.seq,
    sensor_id: notification.sensorId,
    sensor: notification.sensorKey,
    alert_type: notification.alertType,
    ...(notification.metric === undefined ? {} : { metric: notification.metric, kind: notification.kind }),
    severity: notification.severity,
    value: notification.value,
    threshold: notification.threshold,
    event_time: new Date(notification.eventTimeMs).toISOString(),
    started_at: new Date(notification.startedAtMs).toISOString(),
    ...(over
      ? {
          duration_s: notification.durationS,
          resolved_value: notification.resolvedValue,
          peak_value: notification.peakValue,
          reason: notification.reason,
        }
      : {}),
    suppressed: notification.suppressed ?? null,
    backfilled: notification.backfilled,
    persisted,
    ...(notification.runbook === null ? {} : { runbook: notification.runbook }),
    text: notification.message,
  };
}

/** Constant messages: variable parts, and anything that came from the network, are fields. */
const MESSAGES = {
  firing: 'alert firing',
  escalated: 'alert escalated',
  deescalated: 'alert less severe',
  resolved: 'alert resolved',
  reminder: 'alert still firing',
  flapping_start: 'alert flapping',
  flapping_end: 'alert stopped flapping',
} as const;

/** `grouped`: covered by the line of its group. */
export function logAlert(
  logger: Logger,
  notification: AlertNotification,
  fields: LogFields,
  grouped = false,
): void {
  logger[grouped ? 'debug' : logLevelOf(notification)](fields, MESSAGES[notification.event]);
}

/** The same as one JSON line, with level and time as text for `tail`, `jq` and log shippers. */
export function alertLine(notification: AlertNotification, fields: LogFields, nowMs: number): string {
  const line = JSON.stringify({
    level: logLevelOf(notification),
    time: new Date(nowMs).toISOString(),
    msg: MESSAGES[notification.event],
    ...fields,
  });
  return printableJson(line);
}
