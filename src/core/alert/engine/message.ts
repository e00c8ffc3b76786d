import { kindOf } from '../kind/index.ts';
import { ending, show } from '../kind/texts.ts';
import type { Condition } from '../rules/condition.ts';
import type { Effect } from '../state/state.ts';

/** The sentence of a row and of a notification: `s1: temperature 31 is above 30`. */
export function messageFor(sensorKey: string, condition: Condition, effect: Effect): string {
  const about = `${sensorKey}: ${subject(condition)}`;
  const whole = kindOf(condition.kind).message?.(sensorKey, condition, effect);
  if (whole !== undefined) return whole;
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
    case 'acked':
      return `${about} was acknowledged by ${effect.episode?.ack?.by ?? 'an operator'}`;
    case 'pending':
    case 'cancelled':
    case 'recovering':
    case 'refiring':
    case 'latched':
      return `${about}${value}: ${effect.transition}`;
  }
}

/** The state of an open alert now: between the limit and its clear point it is no longer beyond the limit. */
function still(condition: Condition, effect: Effect): string {
  const { value, threshold } = effect;
  const own = kindOf(condition.kind).still?.(condition, effect);
  if (own !== undefined) return own;
  if (threshold === undefined) return ' is not clear yet';
  const limit = show(threshold);
  if (value === undefined) return ` was ${beyond(condition, effect)} ${limit} and is not clear yet`;
  const high = condition.side === 'high';
  if (high ? value > threshold : value < threshold)
    return ` ${show(value)} is ${high ? 'above' : 'below'} ${limit}`;
  const clear = threshold + (high ? -condition.hysteresis : condition.hysteresis);
  return ` ${show(value)}, back ${high ? 'under' : 'over'} ${limit}, not yet clear (${show(clear)})`;
}

const subject = (condition: Condition): string =>
  kindOf(condition.kind).subject?.(condition) ?? condition.metric;

const beyond = (condition: Condition, effect: Effect): string =>
  kindOf(condition.kind).beyond?.(condition, effect) ?? (condition.side === 'low' ? 'below' : 'above');
