import { withoutNoise } from '../../format-number.ts';
import type { Effect } from '../state/state.ts';

export const show = (value: number): string => String(withoutNoise(value));

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
