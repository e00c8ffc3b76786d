import { describe, expect, test } from '@jest/globals';
import { checkShareGroup } from '../../../src/cli/doctor/share-group.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { warningsOf } from '../../../src/config/warnings.ts';

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

  test('doctor says which members evaluate, and when none does, or too slowly', () => {
    const nowMs = Date.UTC(2026, 0, 1);
    const members = [
      { member: 'a on b', shards: 40, configuration: null },
      { member: 'c on d', shards: 24, configuration: null },
    ];
    const good = { members, away: [], unowned: 0, waiting: 0, oldestAt: null };
    expect(checkShareGroup('crew', good, nowMs)).toMatchObject({
      ...{ status: 'ok', subject: 'group crew' },
      detail: 'a on b evaluates 40 shards, c on d evaluates 24 shards; nothing is being handed over',
    });
    const slow = { ...good, waiting: 7, oldestAt: new Date(nowMs - 61_000) };
    expect(checkShareGroup('crew', slow, nowMs)).toMatchObject({ status: 'warning' });
    expect(checkShareGroup('crew', { ...slow, oldestAt: new Date(nowMs) }, nowMs).status).toBe('ok');
    expect(checkShareGroup('crew', { ...good, members: [] }, nowMs).status).toBe('warning');
    expect(checkShareGroup('crew', { ...good, unowned: 24 }, nowMs).status).toBe('warning');
    const away = [{ member: 'c on host (pid 3, z)', seconds: 75.4 }];
    expect(checkShareGroup('crew', { ...good, away }, nowMs)).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining('c on host (pid 3, z) has been away for 1m15s'),
    });
  });
});
