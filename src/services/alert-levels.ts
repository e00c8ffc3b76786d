import type { AlertNotification } from '../core/alert/model.ts';

/** Of the log, from quiet to loud. */
export const LEVELS = ['info', 'warn', 'error'] as const;
export type Level = (typeof LEVELS)[number];

/** What demands attention is loud; what ends or is history is not. */
export function levelOf({ event, severity, suppressed }: AlertNotification): Level {
  if (
    (suppressed ?? null) !== null ||
    event === 'resolved' ||
    event === 'flapping_end' ||
    severity === 'info'
  )
    return 'info';
  return severity === 'critical' ? 'error' : 'warn';
}
