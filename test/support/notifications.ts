import { randomUUID } from 'node:crypto';
import type { AlertNotification } from '../../src/core/alert/model.ts';
import type { Delivery, OutgoingNotification } from '../../src/core/notify/delivery.ts';
import { LANGUAGES } from '../../src/core/notify/text/languages.ts';
import type { TextContext } from '../../src/core/notify/text/sentence.ts';
import type { NotificationSink } from '../../src/ports/notification.ts';

/** Right after the notifications below. */
export const ENGLISH: TextContext = {
  language: LANGUAGES.en,
  timezone: 'UTC',
  nowMs: Date.UTC(2026, 0, 1, 0, 4, 30),
};

export const T0_MS = Date.UTC(2026, 0, 1);

/** A notification as the engine makes it: a temperature that is too high. */
export function notificationOf(more: Partial<AlertNotification> = {}): AlertNotification {
  const over = more.event === 'resolved';
  return {
    alertId: randomUUID(),
    seq: 1,
    event: 'firing',
    sensorId: 1,
    sensorKey: 'kitchen',
    alertType: 'temperature_high',
    severity: 'warning',
    message: 'kitchen: temperature 31 is above 30',
    value: over ? 29 : 31,
    threshold: 30,
    eventTimeMs: T0_MS + (over ? 240_000 : 60_000),
    startedAtMs: T0_MS + 60_000,
    firedAtMs: T0_MS + 60_000,
    durationS: over ? 180 : null,
    peakValue: over ? 33 : null,
    runbook: 'https://wiki.example/heat',
    reason: over ? 'value' : null,
    resolvedValue: over ? 29 : null,
    backfilled: false,
    suppressed: null,
    ...more,
  };
}

export const outgoing = (more: Partial<AlertNotification> = {}): OutgoingNotification => ({
  ...notificationOf(more),
  facts: { name: 'Kitchen, left', location: 'ground floor' },
});

export const dispatchOf = (...all: readonly Partial<AlertNotification>[]): Delivery => ({
  notifications: all.map(outgoing),
  total: all.length,
});

/** What keeps a far side from forgetting. */
export async function renotify({ resend }: NotificationSink, signal: AbortSignal): Promise<void> {
  for (const call of resend?.calls() ?? []) await call(signal);
}
