import type { SystemAlert, SystemAlertChanges } from '../core/policy/episode.ts';
import type { Millis } from '../core/reading.ts';

/** Maintenance of the database: the scheduler, and the alerts of the system. */

/** Alerts of the system: what the policies' verification found, as episodes. */
export interface SystemAlertStore {
  /** Episodes that are open. */
  open(): Promise<readonly SystemAlert[]>;
  /** Episodes and their notifications, in one transaction. */
  commit(changes: SystemAlertChanges): Promise<void>;
}

/** A lock that one daemon of several holds: the scheduler's leadership. */
export interface LeaderLock {
  /** True while this process holds the lock; tries to take it otherwise. Never waits. */
  tryHold(): Promise<boolean>;
  release(): Promise<void>;
}

/** A tick of a schedule: due now, or found to have been missed (the process was stopped, suspended or too busy). */
export interface CronTick {
  readonly kind: 'due' | 'missed';
  readonly atMs: Millis;
}

export interface CronTask {
  /** No tick after this. Idempotent. */
  stop(): void;
}

/** Cron expressions: five fields, or six with seconds first. Missed ticks are reported, never replayed. */
export interface Cron {
  schedule(expression: string, timezone: string, run: (tick: CronTick) => void): CronTask;
  validate(expression: string): boolean;
}
