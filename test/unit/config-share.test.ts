import { describe, expect, test } from '@jest/globals';
import { loadConfig, warningsOf } from '../../src/config/index.ts';
import { judgeDuty } from '../../src/cli/doctor/duty.ts';

const load = (text: string) =>
  loadConfig({ text: `routes: [{ topic: "a/{device}", codec: json }]\n${text}`, env: {} });
const latenessOf = (text: string) => load(text).config.alerts.allowed_lateness;

describe('a share group', () => {
  test('lets readings be two seconds late, unless the configuration says otherwise', () => {
    expect(latenessOf('')).toBe(0);
    expect(latenessOf('mqtt: { share_group: crew }')).toBe(2000);
    expect(latenessOf('mqtt: { share_group: crew }\nalerts: { allowed_lateness: 0s }')).toBe(0);
    expect(latenessOf('mqtt: { share_group: crew }\nalerts: { allowed_lateness: 1m }')).toBe(60_000);
    const env = { FIELDWATCH_MQTT_SHARE_GROUP: 'crew' };
    expect(loadConfig({ text: '', env }).config.alerts.allowed_lateness).toBe(2000);
  });

  test('warns of less', () => {
    const warnings = (text: string) => warningsOf(load(text).config);
    expect(warnings('mqtt: { share_group: crew }')).toEqual([]);
    expect(warnings('alerts: { allowed_lateness: 0s }')).toEqual([]);
    expect(warnings('mqtt: { share_group: crew }\nalerts: { allowed_lateness: 1s }')).toEqual([
      expect.stringContaining('alerts.allowed_lateness'),
    ]);
  });

  test('doctor says who evaluates, and when nobody does, or too slowly', () => {
    const nowMs = Date.UTC(2026, 0, 1);
    const held = { holder: 'a on b', epoch: 3, takenAt: new Date(nowMs), waiting: 0, oldestAt: null };
    expect(judgeDuty('crew', held, nowMs)).toMatchObject({
      ...{ status: 'ok', subject: 'duty crew' },
      detail: 'a on b evaluates alerts since 2026-01-01T00:00:00.000Z; nothing waits for it',
    });
    const slow = { ...held, waiting: 7, oldestAt: new Date(nowMs - 61_000) };
    expect(judgeDuty('crew', slow, nowMs)).toMatchObject({ status: 'warning' });
    expect(judgeDuty('crew', { ...held, waiting: 7, oldestAt: new Date(nowMs) }, nowMs).status).toBe('ok');
    expect(judgeDuty('crew', { ...held, holder: null }, nowMs).status).toBe('warning');
  });
});
