import { describe, expect, test } from '@jest/globals';
import { type SystemAlert, systemAlertChanges } from '../../../src/core/policy/episode.ts';
import type { Finding } from '../../../src/core/policy/finding.ts';
import { SystemAlerts } from '../../../src/services/policy/system-alerts.ts';

const finding = (check: string, subject: string, more: Partial<Finding> = {}): Finding => ({
  ...{ check, subject, verdict: 'lagging', severity: 'warning' },
  ...{ expected: 'none', actual: '3 chunks', remedy: 'repair' },
  ...more,
});

/** Stored alerts and sent notifications, over verifications and restarts. */
class Verifications {
  stored: SystemAlert[] = [];
  readonly sent: string[] = [];
  alerts = this.start();
  private nowMs = 1_000_000;

  start(): SystemAlerts {
    return new SystemAlerts({
      store: {
        open: async () => this.stored.filter(({ resolvedAtMs }) => resolvedAtMs === undefined),
        commit: async ({ alerts }) => {
          const changed = new Set(alerts.map(({ alertId }) => alertId));
          this.stored = [...this.stored.filter(({ alertId }) => !changed.has(alertId)), ...alerts];
        },
      },
      publish: (notifications) =>
        this.sent.push(
          ...notifications.map(
            ({ event, alertType, sensorKey, severity, seq }) =>
              `${event} ${alertType} ${sensorKey} ${severity} ${seq}`,
          ),
        ),
    });
  }

  async verified(
    findings: readonly Finding[],
    answered = ['retention', 'policies', 'server'],
  ): Promise<string[]> {
    this.nowMs += 60_000;
    await this.alerts.update({ findings, answered: new Set(answered), atMs: this.nowMs });
    return this.sent.splice(0);
  }
}

const late = finding('retention', 'sensor_readings retention');

describe('findings as alerts of the system', () => {
  test('each is notified once, and once when it ends, over restarts too', async () => {
    const system = new Verifications();
    expect(await system.verified([late])).toEqual([
      'firing policy_retention sensor_readings retention warning 1',
    ]);
    expect(await system.verified([{ ...late, actual: '4 chunks' }])).toEqual([]);
    system.alerts = system.start();
    expect(await system.verified([late])).toEqual([]);
    system.alerts = system.start();
    expect(await system.verified([])).toEqual([
      'resolved policy_retention sensor_readings retention warning 2',
    ]);
    expect(await system.verified([])).toEqual([]);
    expect(await system.verified([late])).toHaveLength(1);
    expect(system.stored.map(({ seq }) => seq)).toEqual([2, 1]);
    expect(new Set(system.stored.map(({ alertId }) => alertId)).size).toBe(2);
  });

  test('a higher severity is notified again; a lower one is not', async () => {
    const system = new Verifications();
    await system.verified([late]);
    const stalled = { ...late, verdict: 'stalled', severity: 'critical' } as const;
    expect(await system.verified([stalled])).toEqual([
      'escalated policy_retention sensor_readings retention critical 2',
    ]);
    expect(await system.verified([late])).toEqual([]);
    expect(await system.verified([])).toEqual([
      'resolved policy_retention sensor_readings retention critical 3',
    ]);
  });

  test('several findings of one check about one thing are one episode', async () => {
    const system = new Verifications();
    const paused = finding('policies', 'a', { verdict: 'paused', severity: 'critical' });
    const duplicate = finding('policies', 'a', { verdict: 'duplicate' });
    expect(await system.verified([duplicate, paused])).toEqual(['firing policy_policies a critical 1']);
    expect(await system.verified([duplicate])).toEqual([]);
  });

  test('a note is no alert', async () => {
    expect(await new Verifications().verified([{ ...late, severity: 'info' }])).toEqual([]);
  });

  test('a check that gave no answer ends nothing, and is an alert only when that lasts', async () => {
    const system = new Verifications();
    await system.verified([late]);
    const silent = (...checks: string[]) =>
      finding('unanswered', 'verification', { verdict: 'stalled', checks });
    const others = ['server'];
    expect(await system.verified([silent('retention')], others)).toEqual([]);
    // Another one each time: none of them waits for long.
    expect(await system.verified([silent('policies')], others)).toEqual([]);
    expect(await system.verified([silent('retention', 'policies')], others)).toEqual([]);
    expect(await system.verified([silent('policies')], others)).toEqual([
      'firing policy_unanswered verification warning 1',
    ]);
    system.alerts = system.start();
    expect(await system.verified([silent('policies')], others)).toEqual([]);
    expect(await system.verified([], ['retention', 'policies', 'server', 'unanswered'])).toEqual([
      'resolved policy_retention sensor_readings retention warning 2',
      'resolved policy_unanswered verification warning 2',
    ]);
    expect(await system.verified([silent('policies')], others)).toEqual([]);
  });

  test('a check that the server has no answer for is an alert of its own when that lasts', async () => {
    const system = new Verifications();
    const unsupported = finding('retention', 'retention', { verdict: 'unsupported' });
    const others = ['policies', 'server', 'unanswered'];
    expect(await system.verified([unsupported], others)).toEqual([]);
    expect(await system.verified([unsupported], others)).toEqual([]);
    expect(await system.verified([unsupported], others)).toEqual([
      'firing policy_retention retention warning 1',
    ]);
  });
});

test('the notification says what is wrong and what to do, and at the end for how long it was so', () => {
  const id = (type: string, subject: string, ms: number) => `${type}|${subject}|${ms}`;
  const at = (atMs: number) => ({ answered: new Set(['retention']), atMs });
  const raised = systemAlertChanges([], { findings: [late], ...at(5000) }, id);
  expect(raised.notifications).toMatchObject([
    {
      alertId: 'policy_retention|sensor_readings retention|5000',
      message: 'sensor_readings retention is lagging: 3 chunks; expected: none. Remedy: repair',
      ...{ sensorId: 0, value: null, threshold: null, eventTimeMs: 5000, durationS: null, reason: null },
    },
  ]);
  const ended = systemAlertChanges(raised.alerts, { findings: [], ...at(65_000) }, id);
  expect(ended.notifications).toMatchObject([
    { event: 'resolved', startedAtMs: 5000, durationS: 60, reason: 'value' },
  ]);
});

test('an open alert of a check that has another name now ends, and goes on under that name', async () => {
  const system = new Verifications();
  await system.verified([finding('danger', 'job')], ['danger']);
  expect(await system.verified([finding('data_loss_risk', 'job')], ['data_loss_risk'])).toEqual([
    'resolved policy_danger job warning 2',
    'firing policy_data_loss_risk job warning 1',
  ]);
});
