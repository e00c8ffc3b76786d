import { extremeOf } from '../../core/alert/extreme.ts';
import { isOfAbsence } from '../../core/alert/kind/index.ts';
import { alertUnit } from '../../core/alert/kind/alert-unit.ts';
import { type StatedUnit } from '../../core/metric-unit.ts';
import { type EpisodeRow, metricAndKind, severityOf } from '../../queries/alert-episodes.ts';
import { ALERT_STATES, type Alert, type AlertState } from '../contract/alerts.ts';
import { finite, iso, isoOrNull } from './values.ts';

/** An episode as the API shows it. */
export function alertItem(row: EpisodeRow, nowMs: number, stated: StatedUnit): Alert {
  const { metric, kind } = metricAndKind(row);
  const peakValue = row.peakValue ?? row.peakSoFar;
  const startedMs = (row.startedAt ?? row.time).getTime();
  return {
    alertId: row.alertId,
    system: row.system,
    sensor: row.sensor,
    name: row.name,
    location: row.location,
    type: row.type,
    alertType: row.alertType,
    metric: metric === '' ? null : metric,
    unit: row.system ? null : (alertUnit(kind, metric, stated) ?? null),
    severity: severityOf(row.severity),
    state: stateOf(row.state),
    message: row.message,
    value: finite(row.value),
    threshold: finite(row.threshold),
    peakValue: finite(peakValue),
    extreme: extremeOf({ ...row, peakValue }),
    absence: isOfAbsence(row),
    time: iso(row.time),
    startedAt: isoOrNull(row.startedAt),
    resolvedAt: isoOrNull(row.resolvedAt),
    resolvedValue: finite(row.resolvedValue),
    resolveReason: row.resolveReason,
    durationS: Math.max(0, ((row.resolvedAt?.getTime() ?? nowMs) - startedMs) / 1000),
    ackedAt: isoOrNull(row.ackedAt),
    ackedBy: row.ackedBy,
    ackedUntil: isoOrNull(row.ackedUntil),
    suppressed: row.suppressed,
    deferredBy: row.deferredBy,
    backfilled: row.backfilled,
  };
}

const stateOf = (text: string): AlertState => ALERT_STATES.find((state) => state === text) ?? 'firing';
