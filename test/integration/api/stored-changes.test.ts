import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type pg from 'pg';
import { silentLogger } from '../../../src/adapters/log/logger.ts';
import { createSystemClock } from '../../../src/adapters/system/clock.ts';
import { createPool, readerOf } from '../../../src/adapters/timescale/connection/pool.ts';
import { eventSchemas } from '../../../src/api/contract/events.ts';
import type { NewEvent } from '../../../src/api/events/hub.ts';
import { DatabaseChanges } from '../../../src/api/events/stored-changes.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';

// Rows as any daemon of the database writes them: this process has written none of them.

let database: TestDatabase;
let pool: pg.Pool;
let changes: DatabaseChanges;

const run = (text: string, ...values: unknown[]) => pool.query(text, values);

beforeAll(async () => {
  database = await openTestDatabase({ migrated: true });
  pool = await createPool({ url: database.url, applicationName: 'test', max: 1 }, silentLogger);
  await run(
    `INSERT INTO sensors (id, key, name, location, type) VALUES (1, 'a1', 'Freezer', 'cellar', 'freezer'), (2, 'b1', NULL, NULL, NULL)`,
  );
});
afterAll(async () => {
  await pool.end();
  await database.close();
});
beforeEach(async () => {
  await run('DELETE FROM alert_state');
  await run('DELETE FROM alert_outbox');
  changes = new DatabaseChanges(readerOf(pool), createSystemClock());
  changes.begin();
  expect(await changes.poll()).toEqual([]);
});

async function look(): Promise<readonly NewEvent[] | undefined> {
  const events = await changes.poll();
  for (const { name, data } of events ?? [])
    expect(eventSchemas[name as 'alert'].safeParse(data).error?.message).toBeUndefined();
  return events;
}
const summary = (events: readonly NewEvent[] | undefined) =>
  events?.map(({ name, data }) => {
    const given = data as { event?: string; state?: string; key?: string; alert?: { sensor: string } };
    return [name, given.event ?? given.state, given.alert?.sensor ?? given.key].join(' ');
  });

const at = new Date(Date.now() - 60_000);
const state = (sensorId: number, name: string, alertId: string | null, detail = '{}') =>
  run(
    `INSERT INTO alert_state (sensor_id, alert_type, metric, kind, side, state, alert_id, severity, since, started_at, fired_at, threshold,
       peak_value, seq, last_event_at, last_value, rule_hash, detail)
     VALUES ($1, 'temperature_high', 'temperature', 'threshold', 'high', $2, $3, 'critical', $4, $4, $4, 8, 13, 1, $4, 13, 'x', $5)
     ON CONFLICT (sensor_id, metric, kind, side) DO UPDATE SET state = excluded.state, alert_id = excluded.alert_id,
       detail = excluded.detail, updated_at = clock_timestamp()`,
    sensorId,
    name,
    alertId,
    at,
    detail,
  );
const publish = (alertId: string, seq: number, event: string, sensorId = 1, sent = true) =>
  run(
    `INSERT INTO alert_outbox (alert_id, seq, event, payload, sent_at) VALUES ($1, $2, $3, $4, CASE WHEN $5 THEN now() END)`,
    alertId,
    seq,
    event,
    {
      ...{
        alertId,
        seq,
        event,
        sensorId,
        sensorKey: sensorId === 1 ? 'a1' : 'b1',
        alertType: 'temperature_high',
      },
      ...{
        metric: 'temperature',
        kind: 'threshold',
        severity: 'critical',
        message: 'too warm',
        value: 13,
        threshold: 8,
      },
      ...{ eventTimeMs: at.getTime(), startedAtMs: at.getTime(), firedAtMs: at.getTime(), durationS: null },
      ...{ peakValue: 13, runbook: null, reason: event === 'resolved' ? 'value' : null, resolvedValue: null },
      backfilled: false,
    },
    sent,
  );

test('an episode, from its first breach to its end, each step once', async () => {
  const alertId = randomUUID();
  await state(1, 'pending', null);
  expect(summary(await look())).toEqual(['alert pending a1']);
  expect(await look()).toEqual([]);
  await state(1, 'firing', alertId);
  await publish(alertId, 1, 'firing', 1, false);
  const fired = await look();
  expect(summary(fired)).toEqual(['alert firing a1', 'sensor alert a1']);
  expect(fired?.[0]?.data).toMatchObject({
    alert: { name: 'Freezer', location: 'cellar', type: 'freezer', unit: '°C', state: 'firing', value: 13 },
  });
  // Marked as published by its daemon: it is the same.
  await run('UPDATE alert_outbox SET sent_at = now()');
  expect(await look()).toEqual([]);
  await state(1, 'firing', alertId, JSON.stringify({ ack: { atMs: at.getTime(), by: 'anna' } }));
  const acked = await look();
  expect(summary(acked)).toEqual(['alert acked a1']);
  expect(acked?.[0]?.data).toMatchObject({ alert: { ackedBy: 'anna', ackedAt: at.toISOString() } });
  await run('DELETE FROM alert_state');
  await publish(alertId, 2, 'resolved');
  expect(summary(await look())).toEqual(['alert resolved a1', 'sensor ok a1']);
});

test('changes before the first listener are no events', async () => {
  const alertId = randomUUID();
  await state(2, 'firing', alertId);
  await publish(alertId, 1, 'firing', 2);
  changes.begin();
  expect(await look()).toEqual([]);
  expect(await look()).toEqual([]);
  await publish(alertId, 2, 'reminder', 2);
  expect(summary(await look())).toEqual(['alert reminder b1']);
});

test('a breach that ends before it fires', async () => {
  await state(2, 'pending', null);
  await look();
  await run('DELETE FROM alert_state');
  expect(summary(await look())).toEqual(['alert cleared b1']);
});

test('an alert of the system has no sensor', async () => {
  const alertId = randomUUID();
  await publish(alertId, 1, 'firing', 0);
  expect((await look())?.[0]?.data).toMatchObject({ alert: { system: true, metric: null, unit: null } });
});

test('more changes than are sent one by one', async () => {
  await run(
    `INSERT INTO alert_outbox (alert_id, seq, event, payload, sent_at)
     SELECT gen_random_uuid(), 1, 'firing', jsonb_build_object('sensorId', 1, 'sensorKey', 'a1', 'alertType', 'temperature_high', 'alertId', n::text, 'seq', 1, 'event', 'firing',
       'eventTimeMs', 0, 'startedAtMs', 0), now() FROM generate_series(1, 600) n`,
  );
  expect(await changes.poll()).toBeUndefined();
  expect(await changes.poll()).toEqual([]);
});

test('new values of the requested sensors', async () => {
  expect(await changes.values(['a1', 'none'])).toEqual([]);
  await run('INSERT INTO sensor_readings (time, sensor_id, temperature) VALUES ($1, 1, 21.5)', at);
  expect((await changes.values(['a1', 'b1'])).map(({ sensor, data }) => [sensor, data])).toEqual([
    [
      'a1',
      {
        ...{ key: 'a1', state: null, lastSeen: at.toISOString() },
        latest: [{ metric: 'temperature', value: 21.5, unit: '°C', time: at.toISOString() }],
      },
    ],
  ]);
  expect(await changes.values(['a1', 'b1'])).toEqual([]);
});
