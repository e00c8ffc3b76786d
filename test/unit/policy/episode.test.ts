import { describe, expect, test } from '@jest/globals';
import { type SystemAlert, systemAlertChanges } from '../../../src/core/policy/episode.ts';
import type { Finding } from '../../../src/core/policy/finding.ts';
import { SystemAlerts } from '../../../src/services/policy/system-alerts.ts';

const finding = (check: string, subject: string, more: Partial<Finding> = {}): Finding => ({
  ...{ check, subject, verdict: 'lagging', severity: 'warning' },
  ...{ expected: 'none', actual: '3 chunks', remedy: 'repair' },
  ...more,
});

/** What is kept, and what was told, over verifications and restarts. */
class House {
  kept: SystemAlert[] = [];
  readonly told: string[] = [];
  alerts = this.start();
  private nowMs = 1_000_000;

  start(): SystemAlerts {
    return new SystemAlerts({
      store: {
        open: async () => this.kept.filter(({ resolvedAtMs }) => resolvedAtMs === undefined),
        commit: async ({ alerts }) => {
          const changed = new Set(alerts.map(({ alertId }) => alertId));
          this.kept = [...this.kept.filter(({ alertId }) => !changed.has(alertId)), ...alerts];
        },
      },
      publish: (notifications) =>
        this.told.push(
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
    return this.told.splice(0);
  }
}

const late = finding('retention', 'sensor_readings retention');

describe('findings as alerts of the system', () => {
  test('each is told once, and once when it is gone, over restarts too', async () => {
    const house = new House();
    expect(await house.verified([late])).toEqual([
      'firing policy_retention sensor_readings retention warning 1',
    ]);
    expect(await house.verified([{ ...late, actual: '4 chunks' }])).toEqual([]);
    house.alerts = house.start();
    expect(await house.verified([late])).toEqual([]);
    house.alerts = house.start();
    expect(await house.verified([])).toEqual([
      'resolved policy_retention sensor_readings retention warning 2',
    ]);
    expect(await house.verified([])).toEqual([]);
    expect(await house.verified([late])).toHaveLength(1);
    expect(house.kept.map(({ seq }) => seq)).toEqual([2, 1]);
    expect(new Set(house.kept.map(({ alertId }) => alertId)).size).toBe(2);
  });

  test('what gets worse is told again; what gets better is not', async () => {
    const house = new House();
    await house.verified([late]);
    const stalled = { ...late, verdict: 'stalled', severity: 'critical' } as const;
    expect(await house.verified([stalled])).toEqual([
      'escalated policy_retention sensor_readings retention critical 2',
    ]);
    expect(await house.verified([late])).toEqual([]);
    expect(await house.verified([])).toEqual([
      'resolved policy_retention sensor_readings retention critical 3',
    ]);
  });

  test('several findings of one check about one thing are one episode', async () => {
    const house = new House();
    const paused = finding('policies', 'a', { verdict: 'paused', severity: 'critical' });
    const duplicate = finding('policies', 'a', { verdict: 'duplicate' });
    expect(await house.verified([duplicate, paused])).toEqual(['firing policy_policies a critical 1']);
    expect(await house.verified([duplicate])).toEqual([]);
  });

  test('a note is no alert', async () => {
    expect(await new House().verified([{ ...late, severity: 'info' }])).toEqual([]);
  });

  test('a check that gave no answer ends nothing, and is an alert only when that lasts', async () => {
    const house = new House();
    await house.verified([late]);
    const silent = (...checks: string[]) =>
      finding('unanswered', 'verification', { verdict: 'stalled', checks });
    const others = ['server'];
    expect(await house.verified([silent('retention')], others)).toEqual([]);
    // Another one each time: none of them waits for long.
    expect(await house.verified([silent('policies')], others)).toEqual([]);
    expect(await house.verified([silent('retention', 'policies')], others)).toEqual([]);
    expect(await house.verified([silent('policies')], others)).toEqual([
      'firing policy_unanswered verification warning 1',
    ]);
    house.alerts = house.start();
    expect(await house.verified([silent('policies')], others)).toEqual([]);
    expect(await house.verified([], ['retention', 'policies', 'server', 'unanswered'])).toEqual([
      'resolved policy_retention sensor_readings retention warning 2',
      'resolved policy_unanswered verification warning 2',
    ]);
    expect(await house.verified([silent('policies')], others)).toEqual([]);
  });

  test('a check that the server has no answer for is an alert of its own when that lasts', async () => {
    const house = new House();
    const unsupported = finding('retention', 'retention', { verdict: 'unsupported' });
    const others = ['policies', 'server', 'unanswered'];
    expect(await house.verified([unsupported], others)).toEqual([]);
    expect(await house.verified([unsupported], others)).toEqual([]);
    expect(await house.verified([unsupported], others)).toEqual([
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
