import type { AlertDutyStatus } from '../../queries/alert-duty.ts';
import { areaOf, type Diagnosis } from './report.ts';

const alerts = areaOf('alerts');

/** What is handed on is evaluated within a second; after so long nobody does. */
const LATE_MS = 60_000;

/** Of a share group: who evaluates its alerts, and whether what the others hand on is taken. */
export function judgeDuty(group: string, duty: AlertDutyStatus, nowMs: number): Diagnosis {
  const { holder, takenAt, waiting, oldestAt } = duty;
  const subject = `duty ${group}`;
  const queue = waiting === 0 ? 'nothing waits for it' : `${waiting} readings wait for it`;
  if (holder === null)
    return alerts.warning({
      subject,
      detail: `no daemon of the share group evaluates alerts; ${queue}`,
      remedy: 'start a daemon of the group; after a crash another one takes over within seconds',
    });
  const detail = `${holder} evaluates alerts since ${takenAt?.toISOString()}; ${queue}`;
  if (oldestAt === null || nowMs - oldestAt.getTime() < LATE_MS) return alerts.ok(subject, detail);
  return alerts.warning({
    subject,
    detail: `${detail}, the oldest since ${oldestAt.toISOString()}`,
    remedy: 'look at the log of that daemon: it cannot keep up, or cannot write',
  });
}
