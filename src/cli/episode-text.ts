import { isOfSilence } from '../core/alert/engine/alert-key.ts';
import { formatNumber } from '../core/format-number.ts';
import { type StatedUnit, alertUnit } from '../core/metric-unit.ts';
import { type EpisodeRow, metricAndKind } from '../queries/alert-episodes.ts';
import type { Db } from '../queries/db.ts';
import { metricUnits } from '../queries/metrics.ts';
import { formatSeconds, formatTime } from './format.ts';

export async function statedUnits(db: Db): Promise<StatedUnit> {
  const units = await metricUnits(db);
  return (metric) => units.get(metric);
}

/** `firing, acked by ann until 2026-01-01 12:00:00Z`, `latched`, `firing, silence`: the state, and what suppresses its notifications. */
export function standing({ state, ackedBy, ackedUntil, resolvedAt, deferredBy }: EpisodeRow): string {
  const until = ackedUntil === null || resolvedAt !== null ? '' : ` until ${formatTime(ackedUntil)}`;
  const acked = ackedBy === null ? [] : [`acked by ${ackedBy}${until}`];
  return [state, ...acked, ...(deferredBy === null ? [] : [deferredBy])].join(', ');
}

/** `firing`, `acked, silence`: the same in few cells. */
export const shortStanding = ({ state, ackedBy, deferredBy }: EpisodeRow): string =>
  [
    ackedBy === null || state === 'resolved' ? state : 'acked',
    ...(deferredBy === null ? [] : [deferredBy]),
  ].join(', ');

/** `9.4 °C`, with the unit that its kind implies; `-` where there is no value. */
export function valueText(
  value: number | null,
  row: Pick<EpisodeRow, 'alertType' | 'system' | 'metric' | 'kind'>,
  stated: StatedUnit,
): string {
  if (value === null) return '-';
  if (isOfSilence(row.alertType)) return formatSeconds(value);
  const { metric, kind } = metricAndKind(row);
  // The values of an anomaly are in the unit of its metric.
  const unit = alertUnit(kind === 'anomaly' ? 'threshold' : kind, metric, stated);
  return unit === undefined || unit === '' ? formatNumber(value) : `${formatNumber(value)} ${unit}`;
}

/** `9.4 °C > 8 °C`: what was measured against what was allowed. */
export function crossingText(row: EpisodeRow, stated: StatedUnit): string {
  const { alertType, value, threshold } = row;
  if (alertType === 'offline' && threshold === 0) return 'reported offline';
  if (isOfSilence(alertType)) return `silent for ${valueText(value, row, stated)}`;
  const measured = valueText(value, row, stated);
  if (threshold === null) return measured;
  const { kind } = metricAndKind(row);
  const sign = kind === 'count' ? '>=' : isHigh(row) ? '>' : '<';
  return `${measured} ${sign} ${valueText(threshold, row, stated)}`;
}

const isHigh = ({ alertType, value, threshold }: EpisodeRow): boolean =>
  !alertType.endsWith('_low') && (alertType.endsWith('_high') || (value ?? Infinity) > (threshold ?? 0));

const ID_DIGITS = 8;

/** The beginning of an id, by which commands find the alert. */
export const shortId = (alertId: string | null): string | null => alertId?.slice(0, ID_DIGITS) ?? null;
