import type { AlertNotification } from '../core/alert/model.ts';
import type { LogFields, Logger } from '../ports.ts';
import { groupFields } from './alert-groups.ts';
import type { NoDataGroup } from './alert-groups.ts';

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

type Level = 'info' | 'warn' | 'error';

/** What demands attention is loud; what ends or is history is not. */
export function levelOf({ event, severity, suppressed }: AlertNotification): Level {
  if (
    (suppressed ?? null) !== null ||
    event === 'resolved' ||
    event === 'flapping_end' ||
    severity === 'info'
  )
    return 'info';
  return severity === 'critical' ? 'error' : 'warn';
}

/** Constant messages: what varies, and what came from the network, is a field. */
const MESSAGES = {
  firing: 'alert firing',
  escalated: 'alert escalated',
  resolved: 'alert resolved',
  reminder: 'alert still firing',
  flapping_start: 'alert flapping',
  flapping_end: 'alert stopped flapping',
} as const;

/** `grouped`: the line of its group speaks for it. */
export function logAlert(
  logger: Logger,
  notification: AlertNotification,
  fields: LogFields,
  grouped = false,
): void {
  logger[grouped ? 'debug' : levelOf(notification)](fields, MESSAGES[notification.event]);
}

/** As loud as the loudest of its members. */
export function logGroup(logger: Logger, group: NoDataGroup): void {
  const levels = new Set(group.members.map(levelOf));
  const level = (['error', 'warn', 'info'] as const).find((each) => levels.has(each)) ?? 'info';
  logger[level](
    groupFields(group),
    group.transition === 'firing' ? 'many sensors are silent' : 'many silent sensors are back',
  );
}

/** The same as one JSON line, with level and time spelled out for `tail`, `jq` and log shippers. */
export function alertLine(notification: AlertNotification, fields: LogFields, nowMs: number): string {
  return JSON.stringify({
    level: levelOf(notification),
    time: new Date(nowMs).toISOString(),
    msg: MESSAGES[notification.event],
    ...fields,
  });
}
