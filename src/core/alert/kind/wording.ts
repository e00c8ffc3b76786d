import type { Effect } from '../state/state.ts';

/** Nine significant digits: what the sensor sent, without the noise of binary fractions. */
export function show(value: number): string {
  return String(Number(value.toPrecision(9)));
}

/** Why an episode is over. */
export function ending({ reason }: Effect): string {
  switch (reason) {
    case 'rule_changed':
      return 'is clear under the changed rule';
    case 'rule_removed':
      return 'is no longer watched';
    case 'retired':
      return 'is no longer expected';
    case 'manual':
      return 'was closed by an operator';
    case 'value':
    case 'data_resumed':
    case 'flapping_end':
    case undefined:
      return 'is back to normal';
  }
}
