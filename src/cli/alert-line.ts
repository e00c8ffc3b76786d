import { isOfSilence } from '../core/alert/engine/alert-key.ts';
import type { AlertNotification, NotificationEvent } from '../core/alert/model.ts';
import { formatDuration } from '../core/duration.ts';
import { plainText } from '../core/printable.ts';
import { formatAlertValue, formatCrossing, formatTime } from './format.ts';
import { type Paint, padCells, severityPaint } from './terminal.ts';

/** What an alert line needs to know: a notification of the daemon, or a row of `sensor_alerts`. */
export type AlertEvent = Pick<
  AlertNotification,
  | 'event'
  | 'sensorKey'
  | 'alertType'
  | 'severity'
  | 'value'
  | 'threshold'
  | 'eventTimeMs'
  | 'durationS'
  | 'peakValue'
>;

export const MARKS: Readonly<Record<NotificationEvent, string>> = {
  firing: '● FIRING',
  escalated: '▲ ESCALATED',
  deescalated: '▽ LESS SEVERE',
  resolved: '✓ RESOLVED',
  reminder: '● STILL',
  flapping_start: '≈ FLAPPING',
  flapping_end: '≈ STEADY',
  acknowledged: '✓ ACKED',
  silence_added: '· SILENCE',
  silence_ended: '· UNSILENCED',
};

/**
 * One alert as a line of text: `● FIRING     coldroom-07     temperature_high   9.4 °C > 8 °C`, or
 * `✓ RESOLVED   coldroom-07     temperature_high   after 3m12s, peak 9.4 °C`. With `time` the event time comes first.
 */
export function formatAlertLine(alert: AlertEvent, paint: Paint, { time = false } = {}): string {
  const resolved = alert.event === 'resolved';
  const color = resolved ? paint.green : severityPaint(paint, alert.severity);
  const columns = [
    ...(time ? [paint.dim(formatTime(new Date(alert.eventTimeMs)))] : []),
    padCells(color(MARKS[alert.event]), 12),
    padCells(plainText(alert.sensorKey), 15),
    padCells(plainText(alert.alertType), 18),
    resolved ? formatEnd(alert) : formatCrossing(alert.alertType, alert.value, alert.threshold),
    ...(resolved || alert.severity === 'warning' ? [] : [color(alert.severity)]),
  ];
  return columns.join(' ').trimEnd();
}

function formatEnd({ alertType, durationS, peakValue }: AlertEvent): string {
  const after = durationS === null ? '' : `after ${formatDuration(Math.round(durationS) * 1000)}`;
  // The peak of a silence is its length when it was detected, which is less than its duration.
  const peak =
    peakValue === null || isOfSilence(alertType) ? '' : `peak ${formatAlertValue(alertType, peakValue)}`;
  return [after, peak].filter((part) => part !== '').join(', ');
}
