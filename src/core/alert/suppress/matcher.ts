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

/** Greedy, back to the last star only: no pattern takes longer than its length times that of the text. */
export function globFits(pattern: string, text: string): boolean {
  let at = 0;
  let star = -1;
  let resume = 0;
  let index = 0;
  while (index < text.length) {
    if (pattern[at] === '*') {
      star = at++;
      resume = index;
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === text[index])) {
      at++;
      index++;
    } else if (star >= 0) {
      at = star + 1;
      index = ++resume;
    } else return false;
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}
