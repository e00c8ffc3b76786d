import type { AlertNotification } from '../core/alert/model.ts';
import type { LogFields } from '../ports.ts';

/** From so many on, sensors that fall silent or come back together are one event: a gateway, a network, a feed. */
export const GROUP_FROM = 20;

const NAMES = 5;

/** What one commit tells of silence alone, firing or resolved, when there is much of it. */
export interface NoDataGroup {
  readonly transition: 'firing' | 'resolved';
  readonly members: readonly AlertNotification[];
}

/** The no-data notifications of one commit that the log tells in one line. */
export function noDataGroups(notifications: readonly AlertNotification[]): readonly NoDataGroup[] {
  return (['firing', 'resolved'] as const).flatMap((transition) => {
    const members = notifications.filter(
      // No other kind of alert type ends like this: a metric's name is followed by its kind.
      ({ event, alertType }) => event === transition && alertType.endsWith('_no_data'),
    );
    return members.length >= GROUP_FROM ? [{ transition, members }] : [];
  });
}

/** The line of a group: how many, and the first of them by name. Each has its row, and its line at `debug`. */
export function groupFields({ transition, members }: NoDataGroup): LogFields {
  const sensors = new Set(members.map(({ sensorKey }) => sensorKey));
  return {
    event: 'no_data_group',
    transition,
    alerts: members.length,
    sensors: sensors.size,
    first: [...sensors].slice(0, NAMES),
  };
}
