import { toSignificant } from '../../format-number.ts';
import type { Micros } from '../../reading.ts';
import {
  type AlertAck,
  type AlertBatch,
  type AlertFlapping,
  type AlertNotification,
  type AlertResolution,
  type AlertRow,
  type AlertStateRow,
  EMPTY_ALERT_BATCH,
  type NotificationEvent,
} from '../model.ts';
import { type Condition, NO_LABELS, RANK } from '../rules/condition.ts';
import { heldDueMs } from '../state/machine.ts';
import type { Ack, Effect, Episode, Transition } from '../state/state.ts';

import { kindOf } from '../kind/index.ts';
import type { AlertInstance } from './alert-instance.ts';
import { messageFor } from './message.ts';
import type { Series, InstanceEffect } from './series.ts';
import { type AlertIdOf, idOf, keyOfInstance, rowOf, startedAtMs } from './state-row.ts';

/** The transitions with a line in the alert log; an acknowledgement goes nowhere else. */
const NOTIFIED: Partial<Record<Transition, NotificationEvent>> = {
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
  acked: 'acknowledged',
};

/** The rows of a working set. */
export const batchOfWork = (
  { effects, touched }: { readonly effects: readonly InstanceEffect[]; readonly touched: readonly Series[] },
  alertId: AlertIdOf,
): AlertBatch => batchOf(effects, touched, alertId);

/** Converts the effects of the engine into rows: section 6 of the contract. */
export function batchOf(
  effects: readonly InstanceEffect[],
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
    const id = idOf(keyOfInstance(each.series, each.instance), episode, alertId);
    const message = messageFor(each.series.sensorKey, each.instance.condition, each.effect);
    const { transition } = each.effect;
    if (transition === 'firing' || transition === 'escalated')
      raised.push(alertRow(each, episode, id, message));
    if (transition === 'flapping_start')
      flapping.push(
        ...rowTimes(episode).map((firedAtUs) => ({
          ...keyOfInstance(each.series, each.instance),
          firedAtUs,
        })),
      );
    if (transition === 'acked') acked.push(...acks(each, episode, id));
    if (transition === 'resolved') resolved.push(...resolutions(each, episode, id));
    const event = NOTIFIED[transition];
    if (event !== undefined && each.unlogged !== true)
      notifications.push(notification(each, episode, event, id, message));
  }
  return { states, raised, resolved, acked, flapping, notifications };
}

/** Joins the results of `batchOf` for consecutive effects and disjoint series. */
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

/** One row per alert instance whose state differs from the committed one, however often it changed in between. */
function changedRows(touched: readonly Series[], alertId: AlertIdOf): AlertStateRow[] {
  const rows: AlertStateRow[] = [];
  for (const series of touched)
    for (const instance of series.instances) {
      const remembers = instance.memory !== instance.committedMemory && isToStore(instance);
      // A deadline of `held`, also for a level above an open alert, depends on when the series was last received.
      const waits = heldDueMs(instance.work, instance.condition, series.last) < Infinity;
      if (instance.work !== instance.committed || remembers || waits || series.holdsCopies)
        rows.push(rowOf(series, instance, alertId));
    }
  return rows;
}

function isToStore({ condition, memory, committedMemory }: AlertInstance): boolean {
  const kind = kindOf(condition.kind);
  if (kind.storedMark === undefined) return true;
  return kind.storedMark(memory) !== kind.storedMark(committedMemory);
}

function alertRow(
  { series, instance, effect, suppressed }: InstanceEffect,
  episode: Episode,
  alertId: string,
  message: string,
): AlertRow {
  return {
    timeUs: effect.timeUs,
    alertType: instance.condition.alertType,
    message,
    value: effect.value ?? episode.peak,
    threshold: effect.threshold ?? episode.threshold,
    alertId,
    severity: effect.severity,
    startedAtUs: episode.startedAtUs,
    ruleHash: instance.condition.hash,
    // History is marked by `backfilled`, and notified only once it is over.
    suppressed: suppressed === 'backfill' ? null : (suppressed ?? null),
    flapping: episode.flapped,
    ...keyOfInstance(series, instance),
  };
}

/**
 * Two crossings at one moment (a `held` deadline, and a reading of exactly that time) share a row, since the time is
 * in its key: it shows the higher severity.
 */
export const takesPlaceOf = (
  row: AlertRow,
  before: Pick<AlertRow, 'alertId' | 'timeUs' | 'severity'>,
): boolean =>
  row.alertId === before.alertId &&
  row.timeUs === before.timeUs &&
  RANK[row.severity] > RANK[before.severity];

/** The times of an episode's rows. */
const rowTimes = ({ firedAtUs }: Episode): readonly Micros[] => [...new Set(firedAtUs)];

function acks({ series, instance }: InstanceEffect, episode: Episode, alertId: string): AlertAck[] {
  const { ack } = episode;
  if (ack === undefined) return [];
  return rowTimes(episode).map((firedAtUs) => ({
    alertType: instance.condition.alertType,
    firedAtUs,
    alertId,
    ackedAtMs: ack.atMs,
    ackedBy: ack.by,
    ...(ack.untilMs === undefined ? {} : { ackedUntilMs: ack.untilMs }),
    ...keyOfInstance(series, instance),
  }));
}

function resolutions(
  { series, instance, effect, backfilled }: InstanceEffect,
  episode: Episode,
  alertId: string,
): AlertResolution[] {
  return rowTimes(episode).map((firedAtUs) => ({
    alertType: instance.condition.alertType,
    firedAtUs,
    alertId,
    resolvedAtUs: effect.timeUs,
    resolvedValue: effect.value ?? null,
    peakValue: episode.peak,
    reason: effect.reason ?? 'value',
    flapping: episode.flapped,
    backfilled,
    ...keyOfInstance(series, instance),
  }));
}

function notification(
  { series, instance, effect, backfilled, suppressed }: InstanceEffect,
  episode: Episode,
  event: NotificationEvent,
  alertId: string,
  message: string,
): AlertNotification {
  const over = event === 'resolved';
  const { labels } = instance.condition;
  return {
    alertId,
    seq: event === 'acknowledged' ? seqOfAck(episode) : episode.seq,
    event,
    sensorId: series.sensorId,
    sensorKey: series.sensorKey,
    alertType: instance.condition.alertType,
    metric: instance.condition.metric,
    kind: instance.condition.kind,
    side: instance.condition.side,
    severity: effect.severity,
    message,
    value: effect.value ?? null,
    threshold: effect.threshold ?? null,
    ...textFacts(instance.condition, effect, episode),
    eventTimeMs: Math.floor(effect.timeUs / 1000),
    startedAtMs: startedAtMs(episode.startedAtUs),
    firedAtMs: episode.firedAtUs[0] === undefined ? null : Math.floor(episode.firedAtUs[0] / 1000),
    durationS: over ? durationS(effect, episode) : null,
    peakValue: over ? episode.peak : null,
    runbook: instance.condition.runbook,
    ...(labels === NO_LABELS ? {} : { labels }),
    reason: over ? (effect.reason ?? 'value') : null,
    resolvedValue: over ? (effect.value ?? null) : null,
    backfilled,
    suppressed: suppressed ?? null,
  };
}

/** No notification: below those, by the second, so that a later acknowledgement of the episode has another one. */
const seqOfAck = ({ ack, startedAtUs }: Episode): number =>
  -Math.max(1, Math.ceil(((ack?.atMs ?? 0) - startedAtUs / 1000) / 1000));

const PAST: Partial<Record<Transition, AlertNotification['past']>> = { belated: 'over', outstanding: 'open' };

/** Facts that only the texts need; absent where it does not apply. */
function textFacts(
  { side, hysteresis, window, kind, minus }: Condition,
  { transition, threshold }: Effect,
  { ack }: Episode,
): Pick<AlertNotification, 'clear' | 'windowS' | 'minus' | 'past' | 'ackedBy' | 'ackUntilMs'> {
  const inward = side === 'high' ? -hysteresis : hysteresis;
  const past = PAST[transition];
  return {
    ...(hysteresis > 0 && side !== 'both' && threshold !== undefined
      ? { clear: toSignificant(threshold + inward, 12) }
      : {}),
    ...(window > 0 && kindOf(kind).windowCounts === undefined ? { windowS: window / 1e6 } : {}),
    ...(minus === undefined ? {} : { minus }),
    ...(past === undefined ? {} : { past }),
    ...(transition === 'acked' && ack !== undefined ? ackFacts(ack) : {}),
  };
}

const ackFacts = ({ by, untilMs }: Ack): Pick<AlertNotification, 'ackedBy' | 'ackUntilMs'> => ({
  ackedBy: by,
  ...(untilMs === undefined ? {} : { ackUntilMs: untilMs }),
});

/** From the start of the episode, not from its confirmation. */
function durationS(effect: Effect, episode: Episode): number {
  return Math.max(0, effect.timeUs - episode.startedAtUs) / 1e6;
}
