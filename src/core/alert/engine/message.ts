import type { Condition } from '../rules/condition.ts';
import type { Effect } from '../state/state.ts';

/** The sentence of a row and of a notification: `s1: temperature 31 is above 30`. */
export function messageFor(sensorKey: string, condition: Condition, effect: Effect): string {
  const about = `${sensorKey}: ${subject(condition)}`;
  if (condition.kind === 'offline') return offlineMessage(sensorKey, effect);
  if (condition.kind === 'no_data') return noDataMessage(sensorKey, condition, effect);
  const value = effect.value === undefined ? '' : ` ${show(effect.value)}`;
  const limit = effect.threshold === undefined ? '' : ` ${show(effect.threshold)}`;
  switch (effect.transition) {
    case 'announced':
    case 'reminder':
      return `${about}${still(condition, effect)}`;
    case 'deescalated':
      return `${about}${still(condition, effect)}: down to ${effect.severity}`;
    case 'belated':
      return `${about} was ${beyond(condition, effect)}${limit} (${show(effect.value ?? 0)})`;
    case 'outstanding':
      return `${about} was ${beyond(condition, effect)}${limit} (${show(effect.value ?? 0)}) and is not over`;
    case 'firing':
      return `${about}${value} is ${beyond(condition, effect)}${limit}`;
    case 'escalated':
      return `${about}${value} is ${beyond(condition, effect)}${limit}: now ${effect.severity}`;
    case 'resolved':
      return `${about}${value === '' ? '' : `${value} `}${ending(effect)}`.replace(/ {2,}/g, ' ');
    case 'flapping_start':
    case 'still_flapping':
      return `${about} is flapping around${limit}`;
    case 'flapping_end':
      return `${about} stopped flapping`;
    case 'pending':
    case 'cancelled':
    case 'recovering':
    case 'refiring':
    case 'latched':
    case 'acked':
      return `${about}${value}: ${effect.transition}`;
  }
}

function offlineMessage(sensorKey: string, effect: Effect): string {
  const reported = effect.threshold === 0;
  if (effect.transition !== 'resolved' && reported) return `${sensorKey}: reported offline`;
  if (effect.transition !== 'resolved')
    return `${sensorKey}: nothing received for ${show(effect.threshold ?? 0)} s`;
  return `${sensorKey}: ${effect.reason === 'data_resumed' ? (reported ? 'is back online' : 'has sent something') : ending(effect)}`;
}

function noDataMessage(sensorKey: string, { metric }: Condition, effect: Effect): string {
  if (effect.transition !== 'resolved')
    return `${sensorKey}: no ${metric} for ${show(effect.threshold ?? 0)} s`;
  const { reason } = effect;
  return `${sensorKey}: ${metric} ${reason === 'data_resumed' ? 'is back' : ending(effect)}`;
}

/** The state of an open alert now: between the limit and its clear point it is no longer beyond the limit. */
function still(condition: Condition, effect: Effect): string {
  const { value, threshold } = effect;
  if (condition.kind === 'anomaly') return `${value === undefined ? '' : ` ${show(value)}`} is still unusual`;
  if (threshold === undefined) return ' is not clear yet';
  const limit = show(threshold);
  if (value === undefined) return ` was ${beyond(condition, effect)} ${limit} and is not clear yet`;
  const high = condition.side === 'high';
  if (high ? value > threshold : value < threshold)
    return ` ${show(value)} is ${high ? 'above' : 'below'} ${limit}`;
  const clear = threshold + (high ? -condition.hysteresis : condition.hysteresis);
  return ` ${show(value)}, back ${high ? 'under' : 'over'} ${limit}, not yet clear (${show(clear)})`;
}

function subject({ kind, metric }: Condition): string {
  return kind === 'rate' ? `rate of ${metric} per minute` : metric;
}

function beyond({ side, kind }: Condition, { value, threshold }: Effect): string {
  const high = side === 'both' ? (value ?? 0) >= (threshold ?? 0) : side === 'high';
  const word = high ? 'above' : 'below';
  return kind === 'anomaly' ? `unusual, ${word}` : word;
}

function ending({ reason }: Effect): string {
  switch (reason) {
    case 'rule_changed':
      return 'is clear under the changed rule';
    case 'rule_removed':
      return 'is no longer watched';
    case 'manual':
      return 'was closed by an operator';
    case 'value':
    case 'data_resumed':
    case 'flapping_end':
    case undefined:
      return 'is back to normal';
  }
}

/** Nine significant digits: what the sensor sent, without the noise of binary fractions. */
function show(value: number): string {
  return String(Number(value.toPrecision(9)));
}
