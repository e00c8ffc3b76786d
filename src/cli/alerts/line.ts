import { isOfAbsence } from '../../core/alert/kind/index.ts';
import { extremeOf } from '../../core/alert/extreme.ts';
import type { AlertNotification, NotificationEvent } from '../../core/alert/model.ts';
import { formatDuration } from '../../core/duration.ts';
import { suppressionWords } from './words.ts';
import { plainText } from '../../core/printable.ts';
import { crossingText, valueText } from './episode-text.ts';
import { formatTime } from '../output/format.ts';
import { type Paint, padCells, severityPaint } from '../output/terminal.ts';
import type { Zone } from '../zone.ts';

/** Fields of an alert line: a notification of the daemon, or a row of `sensor_alerts`. */
export type AlertEvent = Pick<
  AlertNotification,
  | 'event'
  | 'sensorKey'
  | 'alertType'
  | 'metric'
  | 'kind'
  | 'side'
  | 'severity'
  | 'value'
  | 'threshold'
  | 'eventTimeMs'
  | 'durationS'
  | 'peakValue'
  | 'suppressed'
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
 * `✓ RESOLVED   coldroom-07     temperature_high   after 3m12s, highest 9.4 °C`. With `zone` the event time comes first, in that zone.
 */
export function formatAlertLine(
  alert: AlertEvent,
  paint: Paint,
  { zone }: { readonly zone?: Zone } = {},
): string {
  const resolved = alert.event === 'resolved';
  const color = resolved ? paint.green : severityPaint(paint, alert.severity);
  const columns = [
    ...(zone === undefined ? [] : [paint.dim(formatTime(new Date(alert.eventTimeMs), zone))]),
    padCells(color(MARKS[alert.event]), 12),
    padCells(plainText(alert.sensorKey), 15),
    padCells(plainText(alert.alertType), 18),
    resolved ? formatEnd(alert) : crossingText(alert),
    ...(resolved || alert.severity === 'warning' ? [] : [color(alert.severity)]),
    ...(typeof alert.suppressed === 'string' ? [paint.dim(`(${suppressionWords(alert.suppressed)})`)] : []),
  ];
  return columns.join(' ').trimEnd();
}

function formatEnd(alert: AlertEvent): string {
  const { peakValue, threshold } = alert;
  const lastedS = lastedOf(alert);
  const after = lastedS === null ? '' : `after ${formatDuration(Math.round(lastedS) * 1000)}`;
  const extreme =
    peakValue === null || isOfAbsence(alert)
      ? ''
      : `${extremeOf(alert)} ${valueText(peakValue, alert, undefined, threshold)}`;
  return [after, extreme].filter((part) => part !== '').join(', ');
}

/** For how long it was as the line says: what was missed had been silent before that was noticed. */
export function lastedOf(
  alert: Pick<AlertEvent, 'alertType' | 'kind' | 'durationS' | 'threshold'>,
): number | null {
  const { durationS, threshold } = alert;
  return durationS !== null && isOfAbsence(alert) ? durationS + (threshold ?? 0) : durationS;
}
