import { isOfAbsence } from '../../core/alert/kind/index.ts';
import { type AlertNotification, isAlertChange } from '../../core/alert/model.ts';
import type { LogFields, Logger } from '../../ports/metrics.ts';
import type { Clock, Timer } from '../../ports/time.ts';

/** Log levels, from quiet to loud. */
export const LEVELS = ['info', 'warn', 'error'] as const;
export type LogLevel = (typeof LEVELS)[number];

/** Alerts that demand attention are logged at warn or error; endings and history at info. */
export function logLevelOf(notification: AlertNotification): LogLevel {
  const { event, severity, suppressed } = notification;
  if (
    (suppressed ?? null) !== null ||
    event === 'resolved' ||
    event === 'flapping_end' ||
    !isAlertChange(notification) ||
    severity === 'info'
  )
    return 'info';
  return severity === 'critical' ? 'error' : 'warn';
}

/** From this many lines on, sensors that fall silent or return are one event: a gateway, a network, a route. */
const GROUP_FROM = 20;
/** The window. An ongoing storm gets one line per window. */
const WINDOW_MS = 60_000;
/** The end of a storm is logged sooner: after this time without new alerts. */
const QUIET_MS = 10_000;
const NAMES = 5;

const TRANSITIONS = ['firing', 'resolved'] as const;
type Transition = (typeof TRANSITIONS)[number];

const MESSAGES = {
  firing: 'many sensors are silent',
  resolved: 'many silent sensors send again',
} as const;

/** Alerts not yet reported by a group line. */
interface Tally {
  readonly sensors: Set<string>;
  alerts: number;
  level: LogLevel;
}

/** No-data alerts of one window, firing or resolved. */
interface Storm {
  readonly untilMs: number;
  /** Alerts that had lines of their own. */
  single: number;
  /** Alerts covered by group lines: 0 while there is no group. */
  grouped: number;
  waiting: Tally | undefined;
  timer: Timer | undefined;
}

/**
 * No-data alerts come by the thousand, in one commit or in many. The first few have lines of their own. After them the
 * log gets a line at once, and one for all that follow. Each alert has its row, its line in the alert log, and
 * one at `debug`.
 */
export class NoDataDigest {
  private readonly deps: { readonly logger: Logger; readonly clock: Clock };
  private readonly storms = new Map<Transition, Storm>();

  constructor(deps: { readonly logger: Logger; readonly clock: Clock }) {
    this.deps = deps;
  }

  /** The notifications that a group line covers, now or later. */
  take(notifications: readonly AlertNotification[]): ReadonlySet<AlertNotification> {
    const grouped = TRANSITIONS.flatMap((transition) => {
      const members = notifications.filter((each) => each.event === transition && isOfAbsence(each));
      return members.length > 0 && this.joins(transition, members) ? members : [];
    });
    return new Set(grouped);
  }

  /** Writes the pending group lines. */
  flush(): void {
    for (const [transition, { waiting }] of this.storms)
      if (waiting !== undefined) this.writeGroupLine(transition);
  }

  private joins(transition: Transition, members: readonly AlertNotification[]): boolean {
    const nowMs = this.deps.clock.monotonicMs();
    const storm = this.stormAt(transition, nowMs);
    if (storm.grouped === 0 && storm.single + members.length < GROUP_FROM) {
      storm.single += members.length;
      return false;
    }
    storm.waiting ??= { sensors: new Set(), alerts: 0, level: 'info' };
    count(storm.waiting, members);
    storm.timer?.cancel();
    if (storm.grouped === 0) this.writeGroupLine(transition);
    else {
      const waitMs = Math.min(QUIET_MS, storm.untilMs - nowMs);
      storm.timer = this.deps.clock.after(Math.max(0, waitMs), () => this.writeGroupLine(transition));
    }
    return true;
  }

  private stormAt(transition: Transition, nowMs: number): Storm {
    const found = this.storms.get(transition);
    if (found !== undefined && (nowMs < found.untilMs || found.waiting !== undefined)) return found;
    return this.begin(transition, { single: 0, grouped: 0 });
  }

  private begin(transition: Transition, { single, grouped }: Pick<Storm, 'single' | 'grouped'>): Storm {
    const untilMs = this.deps.clock.monotonicMs() + WINDOW_MS;
    const storm: Storm = { untilMs, single, grouped, waiting: undefined, timer: undefined };
    this.storms.set(transition, storm);
    return storm;
  }

  private writeGroupLine(transition: Transition): void {
    const storm = this.storms.get(transition);
    if (storm?.waiting === undefined) return;
    storm.timer?.cancel();
    const { alerts, sensors, level } = storm.waiting;
    const { grouped } = this.begin(transition, { single: 0, grouped: storm.grouped + alerts });
    const fields: LogFields = {
      event: 'no_data_group',
      transition,
      alerts,
      sensors: sensors.size,
      first: [...sensors].slice(0, NAMES),
      total: grouped,
    };
    this.deps.logger[level](fields, MESSAGES[transition]);
  }
}

/** The highest level among them. */
function count(tally: Tally, members: readonly AlertNotification[]): void {
  tally.alerts += members.length;
  for (const member of members) {
    tally.sensors.add(member.sensorKey);
    const level = logLevelOf(member);
    if (LEVELS.indexOf(level) > LEVELS.indexOf(tally.level)) tally.level = level;
  }
}
