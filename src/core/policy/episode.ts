import { type AlertNotification, OF_NO_END, SEVERITIES, type Severity } from '../alert/model.ts';
import type { Millis } from '../reading.ts';
import { type Finding, isNote } from './finding.ts';

/** A system alert: a fault of one subject, from the verification that found it to the first that did not. */
export interface SystemAlert {
  readonly alertId: string;
  /** `policy_<check>`. */
  readonly alertType: string;
  readonly subject: string;
  readonly severity: Severity;
  readonly message: string;
  readonly startedAtMs: Millis;
  /** Undefined: ongoing. */
  readonly resolvedAtMs: Millis | undefined;
  /** Number of its last notification. */
  readonly seq: number;
}

export interface SystemAlertChanges {
  /** Current episodes: those that began, got worse or ended. */
  readonly alerts: readonly SystemAlert[];
  readonly notifications: readonly AlertNotification[];
}

/** The result of a verification, as far as episodes need it. */
export interface Verified {
  readonly findings: readonly Finding[];
  /** Checks that were run and answered: the state of the others is unknown. */
  readonly answered: ReadonlySet<string>;
  readonly atMs: Millis;
}

export type AlertIdOf = (alertType: string, subject: string, startedAtMs: Millis) => string;

const PREFIX = 'policy_';
/** Names of checks in earlier versions: open alerts under them end, and last under the new name. */
const FORMER_CHECKS: readonly string[] = ['danger'];
const rank = (severity: Severity): number => SEVERITIES.indexOf(severity);

/**
 * The changes since the open episodes were written. Several findings of one check about one subject are one episode:
 * it has the highest severity, and is notified again only when that rises. An episode of a check without an answer
 * goes on.
 */
export function systemAlertChanges(
  open: readonly SystemAlert[],
  { findings, answered, atMs }: Verified,
  idOf: AlertIdOf,
): SystemAlertChanges {
  const faults = worstOf(findings);
  const alerts: SystemAlert[] = [];
  const notifications: AlertNotification[] = [];
  const notify = (alert: SystemAlert, event: 'firing' | 'escalated' | 'resolved'): void => {
    alerts.push(alert);
    notifications.push(notificationOf(alert, event, atMs));
  };
  for (const before of open) {
    const fault = faults.get(keyOf(before));
    faults.delete(keyOf(before));
    const seq = before.seq + 1;
    if (fault === undefined) {
      const check = before.alertType.slice(PREFIX.length);
      if (answered.has(check) || FORMER_CHECKS.includes(check))
        notify({ ...before, seq, resolvedAtMs: atMs }, 'resolved');
    } else if (rank(fault.severity) > rank(before.severity)) {
      notify({ ...before, seq, severity: fault.severity, message: messageOf(fault) }, 'escalated');
    }
  }
  for (const fault of faults.values()) {
    const [alertType, { subject, severity }] = [PREFIX + fault.check, fault];
    const alertId = idOf(alertType, subject, atMs);
    const message = messageOf(fault);
    notify(
      { alertId, alertType, subject, severity, message, startedAtMs: atMs, resolvedAtMs: undefined, seq: 1 },
      'firing',
    );
  }
  return { alerts, notifications };
}

const keyOf = ({ alertType, subject }: Pick<SystemAlert, 'alertType' | 'subject'>): string =>
  `${alertType}/${subject}`;

function worstOf(findings: readonly Finding[]): Map<string, Finding> {
  const worst = new Map<string, Finding>();
  for (const finding of findings.filter((each) => !isNote(each))) {
    const key = keyOf({ alertType: PREFIX + finding.check, subject: finding.subject });
    const before = worst.get(key);
    if (before === undefined || rank(finding.severity) > rank(before.severity)) worst.set(key, finding);
  }
  return worst;
}

const messageOf = ({ subject, verdict, actual, expected, remedy }: Finding): string =>
  `${subject} is ${verdict}: ${actual}; expected: ${expected}. Remedy: ${remedy}`;

/** In the shape of every other notification: `sensor` is the subject, and there is no value. */
function notificationOf(
  alert: SystemAlert,
  event: AlertNotification['event'],
  atMs: Millis,
): AlertNotification {
  const { alertId, alertType, subject, severity, startedAtMs, seq } = alert;
  const over = event === 'resolved';
  return {
    ...{ alertId, seq, event, alertType, severity, startedAtMs },
    ...{ sensorId: NO_SENSOR, sensorKey: subject, eventTimeMs: atMs },
    message: over ? `${subject} is as it should be again` : alert.message,
    ...{ value: null, threshold: null },
    ...OF_NO_END,
    ...(over ? { durationS: (atMs - startedAtMs) / 1000, reason: 'value' } : {}),
  };
}

/** Sensors are numbered from 1. */
export const NO_SENSOR = 0;
