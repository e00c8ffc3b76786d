import type { Micros } from '../reading.ts';
import type {
  AlertAck,
  AlertBatch,
  AlertFlapping,
  AlertNotification,
  AlertResolution,
  AlertRow,
  AlertStateRow,
  NotificationEvent,
} from './model.ts';
import { EMPTY_ALERT_BATCH } from './model.ts';
import { messageFor } from './message.ts';
import { idOf, keyOfCell, rowOf, startedAtMs } from './row.ts';
import type { AlertIdOf } from './row.ts';
import { RANK } from './rule.ts';
import type { CellEffect } from './cell.ts';
import type { Series } from './series.ts';
import { heldDueMs } from './step.ts';
import type { Effect, Episode, Transition } from './state.ts';

/** The transitions that somebody is told of; the others are for the debug log. */
const TOLD: Partial<Record<Transition, NotificationEvent>> = {
  firing: 'firing',
  escalated: 'escalated',
  deescalated: 'deescalated',
  resolved: 'resolved',
  flapping_start: 'flapping_start',
  flapping_end: 'flapping_end',
  announced: 'firing',
  belated: 'firing',
  outstanding: 'firing',
  still_flapping: 'flapping_start',
  reminder: 'reminder',
};

/** Turns what the engine did into rows: section 6 of the contract. */
export function batchOf(
  effects: readonly CellEffect[],
  touched: readonly Series[],
  alertId: AlertIdOf,
): AlertBatch {
  const states = changedRows(touched, alertId);
  if (effects.length === 0 && states.length === 0) return EMPTY_ALERT_BATCH;
  const raised: AlertRow[] = [];
  const resolved: AlertResolution[] = [];
  const acked: AlertAck[] = [];
  const flapping: AlertFlapping[] = [];
  const notifications: AlertNotification[] = [];
  for (const each of effects) {
    const { episode } = each.effect;
    if (episode === undefined) continue;
    const id = idOf(keyOfCell(each.series, each.cell), episode, alertId);
    const message = messageFor(each.series.sensorKey, each.cell.condition, each.effect);
    const { transition } = each.effect;
    if (transition === 'firing' || transition === 'escalated')
      raised.push(alertRow(each, episode, id, message));
    if (transition === 'flapping_start')
      flapping.push(
        ...rowTimes(episode).map((firedAtUs) => ({ ...keyOfCell(each.series, each.cell), firedAtUs })),
      );
    if (transition === 'acked') acked.push(...acks(each, episode, id));
    if (transition === 'resolved') resolved.push(...resolutions(each, episode, id));
    const event = TOLD[transition];
    if (event !== undefined && each.unsaid !== true)
      notifications.push(notification(each, episode, event, id, message));
  }
  return { states, raised, resolved, acked, flapping, notifications };
}

/** What `batchOf` made of consecutive effects, and of disjoint series, as one. */
export function joinedParts(parts: readonly AlertBatch[]): AlertBatch {
  const made = parts.filter((part) => part !== EMPTY_ALERT_BATCH);
  const [first] = made;
  if (first === undefined) return EMPTY_ALERT_BATCH;
  if (made.length === 1) return first;
  return {
    states: made.flatMap(({ states }) => states),
    raised: made.flatMap(({ raised }) => raised),
    resolved: made.flatMap(({ resolved }) => resolved),
    acked: made.flatMap(({ acked = [] }) => acked),
    flapping: made.flatMap(({ flapping = [] }) => flapping),
    notifications: made.flatMap(({ notifications }) => notifications),
  };
}

/** One row per cell whose state is another than the committed one, however often it changed in between. */
function changedRows(touched: readonly Series[], alertId: AlertIdOf): AlertStateRow[] {
  const rows: AlertStateRow[] = [];
  for (const series of touched)
    for (const cell of series.cells) {
      const windowed = cell.condition.kind === 'anomaly' && series.windowChanged;
      // A deadline of `held`, of a level under an open alert as well, depends on when the series was last heard.
      const waits = heldDueMs(cell.work, cell.condition, series.last) < Infinity;
      if (cell.work !== cell.committed || windowed || waits || series.holdsCopies)
        rows.push(rowOf(series, cell, alertId));
    }
  return rows;
}

function alertRow(
  { series, cell, effect, suppressed }: CellEffect,
  episode: Episode,
  alertId: string,
  message: string,
): AlertRow {
  return {
    timeUs: effect.timeUs,
    alertType: cell.condition.alertType,
    message,
    value: effect.value ?? episode.peak,
    threshold: effect.threshold ?? episode.threshold,
    alertId,
    severity: effect.severity,
    startedAtUs: episode.startedAtUs,
    ruleHash: cell.condition.hash,
    // What is history is told by `backfilled`, and only once it is over.
    suppressed: suppressed === 'backfill' ? null : (suppressed ?? null),
    flapping: episode.flapped,
    ...keyOfCell(series, cell),
  };
}

/**
 * Of two crossings at one moment (a `held` deadline, and a reading of just that time) there is one row, for the time is in
 * its key: it shows the higher.
 */
export const takesPlaceOf = (
  row: AlertRow,
  before: Pick<AlertRow, 'alertId' | 'timeUs' | 'severity'>,
): boolean =>
  row.alertId === before.alertId &&
  row.timeUs === before.timeUs &&
  RANK[row.severity] > RANK[before.severity];

/** When an episode has rows. */
const rowTimes = ({ firedAtUs }: Episode): readonly Micros[] => [...new Set(firedAtUs)];

function acks({ series, cell }: CellEffect, episode: Episode, alertId: string): AlertAck[] {
  const { ack } = episode;
  if (ack === undefined) return [];
  return rowTimes(episode).map((firedAtUs) => ({
    alertType: cell.condition.alertType,
    firedAtUs,
    alertId,
    ackedAtMs: ack.atMs,
    ackedBy: ack.by,
    ...keyOfCell(series, cell),
  }));
}

function resolutions(
  { series, cell, effect, backfilled }: CellEffect,
  episode: Episode,
  alertId: string,
): AlertResolution[] {
  return rowTimes(episode).map((firedAtUs) => ({
    alertType: cell.condition.alertType,
    firedAtUs,
    alertId,
    resolvedAtUs: effect.timeUs,
    resolvedValue: effect.value ?? null,
    peakValue: episode.peak,
    reason: effect.reason ?? 'value',
    flapping: episode.flapped,
    backfilled,
    ...keyOfCell(series, cell),
  }));
}

function notification(
  { series, cell, effect, backfilled, suppressed }: CellEffect,
  episode: Episode,
  event: NotificationEvent,
  alertId: string,
  message: string,
): AlertNotification {
  const over = event === 'resolved';
  return {
    alertId,
    seq: episode.seq,
    event,
    sensorId: series.sensorId,
    sensorKey: series.sensorKey,
    alertType: cell.condition.alertType,
    metric: cell.condition.metric,
    kind: cell.condition.kind,
    severity: effect.severity,
    message,
    value: effect.value ?? null,
    threshold: effect.threshold ?? null,
    eventTimeMs: Math.floor(effect.timeUs / 1000),
    startedAtMs: startedAtMs(episode.startedAtUs),
    firedAtMs: episode.firedAtUs[0] === undefined ? null : Math.floor(episode.firedAtUs[0] / 1000),
    durationS: over ? durationS(effect, episode) : null,
    peakValue: over ? episode.peak : null,
    runbook: cell.condition.runbook,
    reason: over ? (effect.reason ?? 'value') : null,
    resolvedValue: over ? (effect.value ?? null) : null,
    backfilled,
    suppressed: suppressed ?? null,
  };
}

/** From the start of the episode, not from the moment it was confirmed. */
function durationS(effect: Effect, episode: Episode): number {
  return Math.max(0, effect.timeUs - episode.startedAtUs) / 1e6;
}
