import { type AlertNotification, OF_NO_END } from '../../alert/model.ts';
import type { Millis } from '../../reading.ts';
import type { OutgoingNotification, RecentValues } from '../delivery.ts';

const MINUTE_MS = 60_000;

/** A notification of each kind, as of a freezer: what texts look like where there are no alerts yet. */
export function sampleNotifications(nowMs: Millis): readonly OutgoingNotification[] {
  const ago = (minutes: number): Millis => nowMs - minutes * MINUTE_MS;
  const since15 = { startedAtMs: ago(15), firedAtMs: ago(10) };
  const high = {
    alertType: 'temperature_high',
    metric: 'temperature',
    kind: 'threshold',
    side: 'high',
  } as const;
  const noData = {
    alertType: 'temperature_no_data',
    metric: 'temperature',
    kind: 'no_data',
    side: 'high',
  } as const;
  const offline = { alertType: 'offline', metric: '', kind: 'offline', side: 'high' } as const;
  const rising: RecentValues = { trend: 'rising' };
  const limit = { threshold: -15, clear: -17 };
  const ended = { event: 'resolved', durationS: 2100, startedAtMs: ago(35), firedAtMs: ago(30) } as const;
  const given: readonly (Partial<OutgoingNotification> & Pick<AlertNotification, 'alertType'>)[] = [
    { ...high, ...limit, ...since15, value: -9.3, recent: rising },
    {
      ...high,
      ...since15,
      event: 'escalated',
      severity: 'critical',
      value: -4.2,
      threshold: -5,
      recent: rising,
    },
    {
      ...{
        ...high,
        ...limit,
        ...since15,
        value: -8.7,
        recent: { ...rising, newest: { timeMs: nowMs, value: -8.7 } },
      },
      ...{ origin: 'escalation', escalatedAfterS: 600, notified: ['phone'] },
    },
    { ...high, ...limit, ...since15, event: 'deescalated', value: -6.1, recent: { trend: 'falling' } },
    { ...high, ...limit, ...since15, event: 'reminder', value: -9.8, recent: { trend: 'steady' } },
    { ...high, ...limit, ...since15, event: 'reminder', value: -16.2, recent: { trend: 'falling' } },
    { ...high, ...limit, ...ended, value: -18.1, resolvedValue: -18.1, peakValue: -4.2, reason: 'value' },
    { ...high, ...limit, ...ended, value: null, peakValue: -4.2, reason: 'manual' },
    { ...high, ...limit, ...since15, event: 'flapping_start', value: -15.2 },
    { ...noData, value: 900, threshold: 900, startedAtMs: nowMs, firedAtMs: nowMs },
    { ...noData, ...ended, value: -18, threshold: 900, peakValue: 900, reason: 'data_resumed' },
    { ...offline, severity: 'critical', value: 900, threshold: 900, startedAtMs: nowMs, firedAtMs: nowMs },
    { ...offline, ...ended, value: -18, threshold: 900, peakValue: 900, reason: 'data_resumed' },
  ];
  return given.map((each, index) => ({
    alertId: `00000000-0000-5000-8000-${String(index + 1).padStart(12, '0')}`,
    ...{ seq: 1, event: 'firing', sensorId: 1, sensorKey: 'freezer-01', severity: 'warning' },
    ...{
      message: '',
      value: null,
      threshold: null,
      eventTimeMs: nowMs,
      startedAtMs: nowMs,
      firedAtMs: nowMs,
    },
    ...OF_NO_END,
    ...{ runbook: 'https://wiki.example/freezer', facts: { name: 'Freezer 1', location: 'cold room' } },
    ...each,
  }));
}
