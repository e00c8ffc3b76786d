import type { AlertNotification } from '../core/alert/model.ts';
import { messageOf } from '../core/errors.ts';
import type { AlertLog, AlertStore, Clock, Logger } from '../ports.ts';
import { noDataGroups } from './alert-groups.ts';
import { alertFields, alertLine, logAlert, logGroup } from './alert-lines.ts';

export interface AnnouncerDeps {
  readonly store: AlertStore;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly alertLog?: AlertLog | undefined;
}

/** One line per committed notification; then the outbox is told that it was written. */
export class AlertAnnouncer {
  private readonly deps: AnnouncerDeps;
  private unmarked: Pick<AlertNotification, 'alertId' | 'seq'>[] = [];
  private marking: Promise<void> | undefined;

  constructor(deps: AnnouncerDeps) {
    this.deps = deps;
  }

  /** Never throws, never waits: the rows are safe, and the next batch must not stand behind a disk. */
  announce(notifications: readonly AlertNotification[]): void {
    if (notifications.length === 0) return;
    const { logger, alertLog, clock } = this.deps;
    const groups = noDataGroups(notifications);
    const grouped = new Set(groups.flatMap(({ members }) => members));
    for (const group of groups) logGroup(logger, group);
    for (const notification of notifications) {
      const fields = alertFields(notification, true);
      logAlert(logger, notification, fields, grouped.has(notification));
      alertLog?.write(alertLine(notification, fields, clock.nowMs()));
      this.unmarked.push({ alertId: notification.alertId, seq: notification.seq });
    }
    this.marking ??= this.markSent().finally(() => {
      this.marking = undefined;
    });
  }

  /** Resolves once the outbox knows of what was announced, or cannot be told. */
  async stop(): Promise<void> {
    await this.marking;
  }

  /** What cannot be marked is tried again with the next announcement; after a crash it is announced once more. */
  private async markSent(): Promise<void> {
    while (this.unmarked.length > 0) {
      const sent = this.unmarked;
      this.unmarked = [];
      try {
        await this.deps.store.markSent(sent);
      } catch (error) {
        this.unmarked = [...sent, ...this.unmarked];
        this.deps.logger.warn(
          { error: messageOf(error), notifications: this.unmarked.length },
          'cannot mark notifications as sent; tried again with the next one',
        );
        return;
      }
    }
  }
}
