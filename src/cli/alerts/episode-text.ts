import { extremeOf } from '../../core/alert/extreme.ts';
import { isOfAbsence, kindOf } from '../../core/alert/kind/index.ts';
import type { Side } from '../../core/alert/model.ts';
import { alertUnit } from '../../core/alert/kind/alert-unit.ts';
import { type StatedUnit } from '../../core/metric-unit.ts';
import { type EpisodeRow, metricAndKind } from '../../queries/alert-episodes.ts';
import type { Db } from '../../queries/db.ts';
import { metricUnits } from '../../queries/metrics.ts';
import { suppressionWords } from './words.ts';
import { formatSeconds, formatTime, distinctValue } from '../output/format.ts';
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

/** Suppression of an open episode at present, of an ended one when it fired. */
function unnotified({ resolvedAt, deferredBy, suppressed }: EpisodeRow): readonly string[] {
  const why = resolvedAt === null ? deferredBy : suppressed;
  return why === null ? [] : [suppressionWords(why)];
}

/** Since when it is as its text says: since the first breach, or the last sign of life. */
export function since(row: EpisodeRow): Date {
  const { startedAt, time, threshold } = row;
  const startedMs = (startedAt ?? time).getTime();
  return new Date(isOfAbsence(row) ? startedMs - (threshold ?? 0) * 1000 : startedMs);
}

/** Subject of an alert, and its numbers: an episode, a row, a notification or a line of the log. */
export interface Crossed {
  readonly alertType: string;
  readonly value: number | null;
  readonly threshold: number | null;
  /** These are absent in lines of older versions and in an operator's own rows: read from the type. */
  readonly metric?: string | null | undefined;
  readonly kind?: string | null | undefined;
  readonly side?: Side | null | undefined;
  readonly system?: boolean;
}

/** `9.4 °C`, with the unit that its kind implies and the digits that tell it from `other`; `-` where there is no value. */
export function valueText(
  value: number | null,
  row: Omit<Crossed, 'value' | 'threshold'>,
  stated?: StatedUnit,
  other: number | null = null,
): string {
  if (value === null) return '-';
  if (isOfAbsence(row)) return formatSeconds(value);
  const { metric, kind } = metricAndKind(row);
  return distinctValue(value, alertUnit(kind, metric, stated), other);
}

/** `9.4 °C > 8 °C`: what was measured against what was allowed. */
export function crossingText(row: Crossed, stated?: StatedUnit): string {
  const { value, threshold } = row;
  if (isOfAbsence(row))
    return threshold === 0 ? 'reported offline' : `silent for ${valueText(value, row, stated)}`;
  const measured = valueText(value, row, stated, threshold);
  if (threshold === null) return measured;
  const { includesLimit } = kindOf(metricAndKind(row).kind);
  const isLow = extremeOf({ ...row, peakValue: value }) === 'lowest';
  return `${measured} ${isLow ? '<' : '>'}${includesLimit === true ? '=' : ''} ${valueText(threshold, row, stated, value)}`;
}

const ID_DIGITS = 8;

/** The beginning of an id, by which commands find the alert. */
export const shortId = (alertId: string | null): string | null => alertId?.slice(0, ID_DIGITS) ?? null;
