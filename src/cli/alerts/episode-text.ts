import { isOfSilence } from '../../core/alert/engine/alert-key.ts';
import { type StatedUnit, alertUnit } from '../../core/metric-unit.ts';
import { type EpisodeRow, metricAndKind } from '../../queries/alert-episodes.ts';
import type { Db } from '../../queries/db.ts';
import { metricUnits } from '../../queries/metrics.ts';
import { suppressionWords } from './words.ts';
import { formatSeconds, formatTime, valueBeside } from '../output/format.ts';
import type { Zone } from '../zone.ts';

export async function statedUnits(db: Db): Promise<StatedUnit> {
  const units = await metricUnits(db);
  return (metric) => units.get(metric);
}

/** `firing, acked by ann until 2026-01-01 12:00:00Z`, `latched`, `resolved, inhibited`: the state, and why it is, or was, not notified. */
export function standing(row: EpisodeRow, zone?: Zone): string {
  const { state, ackedBy, ackedUntil, resolvedAt } = row;
  const until = ackedUntil === null || resolvedAt !== null ? '' : ` until ${formatTime(ackedUntil, zone)}`;
  const acked = ackedBy === null ? [] : [`acked by ${ackedBy}${until}`];
  return [state, ...acked, ...unnotified(row)].join(', ');
}

/** `firing`, `acked, silenced`: the same in few cells. */
export const shortStanding = (row: EpisodeRow): string =>
  [row.ackedBy === null || row.state === 'resolved' ? row.state : 'acked', ...unnotified(row)].join(', ');

/** Of an open one what holds now, of an ended one what held when it fired. */
function unnotified({ resolvedAt, deferredBy, suppressed }: EpisodeRow): readonly string[] {
  const why = resolvedAt === null ? deferredBy : suppressed;
  return why === null ? [] : [suppressionWords(why)];
}

/** Since when it is as its text says: since the first breach, or the last sign of life. */
export function since({ startedAt, time, alertType, threshold }: EpisodeRow): Date {
  const startedMs = (startedAt ?? time).getTime();
  return new Date(isOfSilence(alertType) ? startedMs - (threshold ?? 0) * 1000 : startedMs);
}

/** `9.4 °C`, with the unit that its kind implies and the digits that tell it from `other`; `-` where there is no value. */
export function valueText(
  value: number | null,
  row: Pick<EpisodeRow, 'alertType' | 'system' | 'metric' | 'kind'>,
  stated: StatedUnit,
  other: number | null = null,
): string {
  if (value === null) return '-';
  if (isOfSilence(row.alertType)) return formatSeconds(value);
  const { metric, kind } = metricAndKind(row);
  // The values of an anomaly are in the unit of its metric.
  const unit = alertUnit(kind === 'anomaly' ? 'threshold' : kind, metric, stated);
  return valueBeside(value, unit, other);
}

/** `9.4 °C > 8 °C`: what was measured against what was allowed. */
export function crossingText(row: EpisodeRow, stated: StatedUnit): string {
  const { alertType, value, threshold } = row;
  if (alertType === 'offline' && threshold === 0) return 'reported offline';
  if (isOfSilence(alertType)) return `silent for ${valueText(value, row, stated)}`;
  const measured = valueText(value, row, stated, threshold);
  if (threshold === null) return measured;
  const { kind } = metricAndKind(row);
  const sign = kind === 'count' ? '>=' : isHigh(row) ? '>' : '<';
  return `${measured} ${sign} ${valueText(threshold, row, stated, value)}`;
}

const isHigh = ({ alertType, value, threshold }: EpisodeRow): boolean =>
  !alertType.endsWith('_low') && (alertType.endsWith('_high') || (value ?? Infinity) > (threshold ?? 0));

const ID_DIGITS = 8;

/** The beginning of an id, by which commands find the alert. */
export const shortId = (alertId: string | null): string | null => alertId?.slice(0, ID_DIGITS) ?? null;
