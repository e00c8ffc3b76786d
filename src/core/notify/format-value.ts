import type { AlertNotification } from '../alert/model.ts';

/** What a sink that shows states shows of an episode. */
export interface FormattedValue {
  readonly firing: boolean;
  /** It was told as fired: when it stops flapping it goes on until it is told as resolved. */
  readonly fired: boolean;
}

/** The state after a notification. What began with flapping and never fired is over when the flapping is. */
export function formatValue(
  before: FormattedValue | undefined,
  { event, firedAtMs }: Pick<AlertNotification, 'event' | 'firedAtMs'>,
): FormattedValue {
  const fired = (before?.fired ?? false) || (firedAtMs ?? null) !== null;
  switch (event) {
    case 'firing':
    case 'escalated':
    case 'deescalated':
    case 'reminder':
      return { firing: true, fired: true };
    case 'flapping_start':
      return { firing: true, fired };
    case 'flapping_end':
      return { firing: fired, fired };
    case 'resolved':
      return { firing: false, fired };
  }
}
