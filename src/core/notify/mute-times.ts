import type { MaintenanceConfig } from '../alert/rules/config.ts';
import { RecurringWindow } from '../alert/suppress/maintenance.ts';
import type { Millis } from '../reading.ts';

/** A named time: a window of the day, on some days of the week, in a zone. */
export type NamedTime = Pick<MaintenanceConfig, 'window' | 'days' | 'tz'>;

/** The times of a route: it sends within one of `active` (empty: always), and never within one of `mute`. */
export interface RouteTimes {
  readonly active: readonly string[];
  readonly mute: readonly string[];
}

/** Times recur every week; a change of daylight saving may move one by a day more. */
const LONGEST_MS = 16 * 24 * 3_600_000;

/** The named times of the configuration. */
export class MuteTimes {
  private readonly windows: ReadonlyMap<string, RecurringWindow>;

  constructor(times: Readonly<Record<string, NamedTime>>) {
    this.windows = new Map(Object.entries(times).map(([name, time]) => [name, new RecurringWindow(time)]));
  }

  /** The time that mutes a route now; undefined: it sends. `active` names what is not open. */
  mutedBy({ active, mute }: RouteTimes, atMs: Millis): string | undefined {
    const muting = mute.find((name) => this.isOpen(name, atMs));
    if (muting !== undefined) return muting;
    if (active.length === 0 || active.some((name) => this.isOpen(name, atMs))) return undefined;
    return `outside ${active.join(', ')}`;
  }

  /** When a route that is muted now sends again; undefined: it is not muted. Infinity: it never sends. */
  mutedUntilMs(times: RouteTimes, atMs: Millis): Millis | undefined {
    if (this.mutedBy(times, atMs) === undefined) return undefined;
    const names = [...times.active, ...times.mute];
    for (let nowMs = atMs; nowMs - atMs < LONGEST_MS;) {
      nowMs = Math.min(...names.map((name) => this.windows.get(name)?.nextChangeMs(nowMs) ?? Infinity));
      if (this.mutedBy(times, nowMs) === undefined) return nowMs;
    }
    return Infinity;
  }

  private isOpen(name: string, atMs: Millis): boolean {
    return this.windows.get(name)?.isOpen(atMs) ?? false;
  }
}
