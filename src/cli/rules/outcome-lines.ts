import type { InstanceEffect } from '../../core/alert/engine/series.ts';
import type { ScenarioOutcome } from '../../core/alert/analysis/scenario.ts';
import type { StoredAlert } from '../../core/alert/analysis/scenario-tables.ts';

import { firstOf, titleOf } from '../../core/notify/messages.ts';
import type { SentDelivery } from '../../core/notify/delivery-simulation.ts';
import { LANGUAGES } from '../../core/notify/text/languages.ts';
import type { AlertNotification } from '../../core/alert/model.ts';
import { logLevelOf } from '../../services/alert/no-data-digest.ts';
import type { ScenarioCase } from './scenario-file.ts';

export type Line = Readonly<Record<string, unknown>>;

/** A configuration of the timeline that was refused, and why. */
export interface RefusedReload {
  readonly at: number;
  readonly faults: readonly string[];
}

/** Outcome as plain objects: what `--json` prints and what expectations are compared with. Times in seconds. */
export interface OutcomeLines {
  readonly transitions: readonly Line[];
  readonly rows: readonly Line[];
  readonly notifications: readonly Line[];
  /** Deliveries to the sinks. */
  readonly notified: readonly Line[];
  readonly counts: Line;
  readonly refused: readonly RefusedReload[];
}

export function linesOf(outcome: ScenarioOutcome, given: ScenarioCase): OutcomeLines {
  const { scenario, sensor, metric } = given;
  const seconds = (timeUs: number) => (timeUs - scenario.startMs * 1000) / 1e6;
  const keys = new Map(outcome.transitions.map(({ series }) => [series.sensorId, series.sensorKey]));
  for (const { id, key } of scenario.sensors) keys.set(id, key);
  const keyOf = (sensorId: number) => keys.get(sensorId) ?? `#${sensorId}`;
  return {
    transitions: outcome.transitions.map((each) => transitionLine(each, seconds, sensor, metric)),
    rows: outcome.rows.map((row) => rowLine(row, { seconds, startMs: scenario.startMs, keyOf })),
    notifications: outcome.notifications.map((each) => notificationLine(each, scenario.startMs)),
    notified: outcome.sent.map((each) => notifiedLine(each, given)),
    counts: { ...outcome.counts },
    refused: scenario.events.flatMap((event) =>
      event.kind === 'reload' && event.rules === undefined
        ? [{ at: (event.atMs - scenario.startMs) / 1000, faults: event.faults ?? [] }]
        : [],
    ),
  };
}

/** The letters of the contract's scenarios. */
const LETTERS: Readonly<Record<string, string>> = {
  pending: 'P', cancelled: 'C', firing: 'F', escalated: 'E', deescalated: 'D', recovering: 'V', refiring: 'B',
  resolved: 'R', latched: 'L', acked: 'A', flapping_start: 'FS', flapping_end: 'FE',
}; // prettier-ignore

function transitionLine(
  { series, instance, effect }: InstanceEffect,
  seconds: (timeUs: number) => number,
  sensor: string,
  metric: string,
): Line {
  const at = seconds(effect.timeUs);
  const { alertType, kind } = instance.condition;
  // The letter of a sensor that is missed as such says its type and needs no values.
  const fellSilent = kind === 'offline' && effect.transition === 'firing';
  const ending = series.sensorKey === sensor ? '' : ` ${series.sensorKey}`;
  return {
    transition: effect.transition,
    at,
    sensor: series.sensorKey,
    alert_type: alertType,
    severity: effect.severity,
    value: effect.value ?? null,
    threshold: effect.threshold ?? null,
    reason: effect.reason ?? null,
    started_at: effect.episode === undefined ? null : seconds(effect.episode.startedAtUs),
    short: [
      fellSilent ? 'O' : (LETTERS[effect.transition] ?? effect.transition),
      `@${at}`,
      !fellSilent && ['firing', 'escalated'].includes(effect.transition)
        ? `(${effect.value}/${effect.threshold})`
        : '',
      effect.reason === undefined || effect.reason === 'value' ? '' : `(${effect.reason})`,
      fellSilent || alertType === `${metric}_high` ? '' : ` ${alertType}`,
      ending,
    ].join(''),
    ...(fellSilent ? { full: `F@${at}(${effect.value}/${effect.threshold}) ${alertType}${ending}` } : {}),
  };
}

function notifiedLine(delivery: SentDelivery, { scenario, sensor, metric, timezone }: ScenarioCase): Line {
  const { sink, atMs, notifications, total, group } = delivery;
  const first = firstOf(delivery);
  const at = (atMs - scenario.startMs) / 1000;
  const types = [...new Set(notifications.map(({ alertType }) => alertType))];
  const [type] = types;
  const what = [
    first.event,
    ...(types.length > 1 || type === `${metric}_high` ? [] : [type]),
    ...(total > 1 ? [`x${total}`] : first.sensorKey === sensor ? [] : [first.sensorKey]),
  ].join(' ');
  // A reminder says so by its event.
  const origin = first.origin === 'reminder' ? undefined : first.origin;
  return {
    short: `N@${at}(${sink}: ${what}${origin === undefined ? '' : `, ${origin}`})`,
    ...{ sink, at, event: first.event, total, origin: first.origin ?? null },
    ...{ sensor: first.sensorKey, alert_type: first.alertType, severity: first.severity },
    sensors: notifications.map(({ sensorKey }) => sensorKey),
    alert_types: types,
    group: group ?? {},
    text: titleOf(delivery, {}, { language: LANGUAGES.en, timezone, nowMs: atMs }),
  };
}

interface RowScale {
  readonly seconds: (timeUs: number) => number;
  readonly startMs: number;
  readonly keyOf: (id: number) => string;
}

function rowLine(row: StoredAlert, { seconds, startMs, keyOf }: RowScale): Line {
  return {
    time: seconds(row.timeUs),
    sensor: keyOf(row.sensorId),
    sensor_id: row.sensorId,
    alert_type: row.alertType,
    metric: row.metric,
    rule_kind: row.kind,
    message: row.message,
    value: row.value,
    threshold: row.threshold,
    alert_id: row.alertId,
    severity: row.severity,
    started_at: seconds(row.startedAtUs),
    resolved_at: row.resolvedAtUs === undefined ? null : seconds(row.resolvedAtUs),
    resolved_value: row.resolvedValue ?? null,
    resolve_reason: row.reason ?? null,
    peak_value: row.peakValue ?? null,
    acked_at: row.ackedAtMs === undefined ? null : (row.ackedAtMs - startMs) / 1000,
    acked_by: row.ackedBy ?? null,
    suppressed: row.suppressed ?? null,
    flapping: row.flapping ?? false,
    backfilled: row.backfilled ?? false,
    rule_hash: row.ruleHash,
  };
}

function notificationLine(each: AlertNotification, startMs: number): Line {
  const suppressed = each.suppressed ?? null;
  return {
    event: each.event,
    level: logLevelOf(each),
    short: suppressed === null ? each.event : `${each.event}(${suppressed})`,
    at: (each.eventTimeMs - startMs) / 1000,
    sensor: each.sensorKey,
    sensor_id: each.sensorId,
    alert_type: each.alertType,
    severity: each.severity,
    value: each.value,
    threshold: each.threshold,
    alert_id: each.alertId,
    seq: each.seq,
    started_at: (each.startedAtMs - startMs) / 1000,
    duration_s: each.durationS,
    resolved_value: each.resolvedValue,
    peak_value: each.peakValue,
    reason: each.reason,
    suppressed,
    backfilled: each.backfilled,
    runbook: each.runbook,
    labels: each.labels ?? {},
    message: each.message,
  };
}
