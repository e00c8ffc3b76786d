import { isOfSilence } from '../core/alert/engine/alert-key.ts';
import { SUFFIXES } from '../core/alert/kind/index.ts';
import { formatDuration } from '../core/duration.ts';
import { formatNumber } from '../core/format-number.ts';
import { isCoreMetric } from '../core/reading.ts';
import { metricUnit } from '../core/metric-unit.ts';

/** Values as text in tables and lines. JSON and CSV never pass through here. */

const KIND = new RegExp(`_(?:${SUFFIXES.join('|')})$`);

/** `temperature_rate_high` -> `temperature`. */
export const metricOf = (alertType: string): string => alertType.replace(KIND, '');

/** Of a metric with a column of its own; the others are a guess. */
export const unitOf = (metric: string): string =>
  isCoreMetric(metric) ? ` ${metricUnit(metric) ?? ''}` : '';

/** `9.4 °C`, with the unit that the alert's kind implies; `-` where there is no value. */
export function formatAlertValue(alertType: string, value: number | null): string {
  if (value === null) return '-';
  if (isOfSilence(alertType)) return `${formatNumber(value)} s`;
  const perMinute = /_rate_(?:high|low)$/.test(alertType) ? '/min' : '';
  return `${formatNumber(value)}${unitOf(metricOf(alertType))}${perMinute}`;
}

/** `9.4 °C > 8 °C`: what was measured against what was allowed. */
export function formatCrossing(alertType: string, value: number | null, threshold: number | null): string {
  if (isOfSilence(alertType)) return `no data for ${formatAlertValue(alertType, value)}`;
  const measured = formatAlertValue(alertType, value);
  if (threshold === null) return measured;
  const above = alertType.endsWith('_low')
    ? false
    : alertType.endsWith('_high') || (value ?? Infinity) > threshold;
  return `${measured} ${above ? '>' : '<'} ${formatAlertValue(alertType, threshold)}`;
}

/** `2h5m`; from a minute on without seconds, from a day on without minutes. */
export function formatSeconds(seconds: number): string {
  const unit = seconds < 60 ? 1 : seconds < 86_400 ? 60 : 3600;
  return formatDuration(Math.round(seconds / unit) * unit * 1000);
}

/** UTC, to the second: `2026-01-01 12:00:00Z`. */
export const formatTime = (time: Date | null): string =>
  time === null || Number.isNaN(time.getTime())
    ? '-'
    : time
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, 'Z');

/** UTC in few cells: `12:00:00Z` of the last 24 hours, otherwise `01-31 12:00Z`, of another year `2025-01-31`. */
export function formatShortTime(time: Date, nowMs: number): string {
  const text = formatTime(time);
  if (Math.abs(nowMs - time.getTime()) < 86_400_000) return text.slice(11);
  return text.slice(0, 4) === formatTime(new Date(nowMs)).slice(0, 4)
    ? `${text.slice(5, 16)}Z`
    : text.slice(0, 10);
}
