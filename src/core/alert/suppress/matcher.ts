import { globFits } from '../../glob.ts';
import { labelValues } from './labels.ts';
import type { AlertLabels } from './labels.ts';

/** Label -> pattern; `*` stands for any text and `?` for one character. All of them have to fit. */
export type Matchers = Readonly<Record<string, string>>;

/** An alert that lacks a label fits no pattern for it, `*` included. Without matchers every alert fits. */
export function fits(matchers: Matchers, alert: AlertLabels): boolean {
  for (const label in matchers) {
    const pattern = matchers[label] ?? '';
    if (!labelValues(label, alert).some((value) => globFits(pattern, value))) return false;
  }
  return true;
}
