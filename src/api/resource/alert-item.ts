import { keyOfType } from '../../core/alert/engine/alert-key.ts';
import { SEVERITIES, type Severity } from '../../core/alert/model.ts';
import { alertUnit } from '../../core/metric-unit.ts';
import type { EpisodeRow } from '../../queries/alert-episodes.ts';
import { ALERT_STATES, type Alert, type AlertState } from '../contract/alerts.ts';
import { finite, iso, isoOrNull } from './values.ts';

/** An episode as the API shows it. */
export function alertItem(row: EpisodeRow, nowMs: number): Alert {
  const { metric, kind } = row.system ? NO_KEY : keyOf(row);
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
    unit: row.system ? null : (alertUnit(kind, metric) ?? null),
    severity: severityOf(row.severity),
    state: stateOf(row.state),
    message: row.message,
    value: finite(row.value),
    threshold: finite(row.threshold),
    peakValue: finite(row.peakValue ?? row.peakSoFar),
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

const NO_KEY = { metric: '', kind: '' } as const;

/** A row of an operator's own INSERT has only its type. */
function keyOf({ metric, kind, alertType }: EpisodeRow): { readonly metric: string; readonly kind: string } {
  return metric === null || kind === null ? keyOfType(alertType) : { metric, kind };
}

/** Columns of text: an operator's own INSERT may hold anything. */
const severityOf = (text: string): Severity => SEVERITIES.find((severity) => severity === text) ?? 'warning';
const stateOf = (text: string): AlertState => ALERT_STATES.find((state) => state === text) ?? 'firing';
