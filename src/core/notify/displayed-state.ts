import type { AlertNotification } from '../alert/model.ts';

/** The state of an episode for sinks that display states. */
export interface DisplayedState {
  readonly firing: boolean;
  /** It was notified as firing: after flapping it continues until it is notified as resolved. */
  readonly fired: boolean;
}

/** The state after a notification. An episode that began with flapping and never fired is over when the flapping is. */
export function displayedState(
  before: DisplayedState | undefined,
  { event, firedAtMs }: Pick<AlertNotification, 'event' | 'firedAtMs'>,
): DisplayedState {
  const fired = (before?.fired ?? false) || (firedAtMs ?? null) !== null;
  switch (event) {
    case 'firing':
    case 'escalated':
    case 'deescalated':
    case 'reminder':
      return { firing: true, fired: true };
    case 'flapping_start':
      return { firing: true, fired };
    case 'acknowledged':
    case 'silence_added':
    case 'silence_ended':
      return { firing: before?.firing ?? true, fired };
    case 'flapping_end':
      return { firing: fired, fired };
    case 'resolved':
      return { firing: false, fired };
  }
}
