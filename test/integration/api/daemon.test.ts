import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import mqtt, { type MqttClient } from 'mqtt';
import pg from 'pg';
import type { AlertDetail, AlertList, AlertOutcome } from '../../../src/api/contract/alerts.ts';
import type { ConfigInEffect } from '../../../src/api/contract/config.ts';
import type { DeadLetterList, Retried } from '../../../src/api/contract/dead-letters.ts';
import type { DecodedMessage } from '../../../src/api/contract/decode.ts';
import type { Learning } from '../../../src/api/contract/learn.ts';
import type { Policies } from '../../../src/api/contract/policies.ts';
import type { Problem } from '../../../src/api/contract/problem.ts';
import type { RouteList } from '../../../src/api/contract/routes.ts';
import type { Forgotten, Retired, Sensor, SensorList } from '../../../src/api/contract/sensors.ts';
import type { AddedSilence, SilenceList } from '../../../src/api/contract/silences.ts';
import type { Status } from '../../../src/api/contract/status.ts';
import { RESOURCES } from '../../../src/api/resource/index.ts';
import { Daemon } from '../../support/daemon.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { queryOnce } from '../../support/pg-client.ts';
import { describeReal } from '../../support/server-db.ts';

// The daemon as it runs, on either kind of database: what is changed by the API is seen in the database, with who did it.

const OPERATOR = 'operator-token-of-the-tests-0123456789';
const VIEWER = 'viewer-token-of-the-tests-0123456789';
const SECRET = 'broker-password-never-shown';

let database: TestDatabase;
let daemon: Daemon;
let client: MqttClient;
let base: string;

beforeAll(async () => {
  database = await openTestDatabase({ migrated: true });
  const mqttPort = await freePort();
  daemon = await Daemon.prepare(`
database: { url: "${database.url}" }
mqtt: { username: tests, password: ${SECRET} }
embedded: { mqtt_port: ${mqttPort} }
http: { port: 0, token_file: tokens }
log: { format: json }
alerts:
  metrics: { temperature: { max: 8 } }
routes:
  - { topic: "sensors/{location}/{device}/readings", codec: json }
`);
  await writeFile(join(daemon.dir, 'tokens'), `ann operator ${OPERATOR}\nbob viewer ${VIEWER}\n`, {
    mode: 0o600,
  });
  await daemon.launch();
  const port = String(daemon.log.findLast(({ msg }) => msg === 'ready')?.['http_port']);
  base = `http://127.0.0.1:${port}/api/v1`;
  client = await mqtt.connectAsync(`mqtt://127.0.0.1:${mqttPort}`);
});
afterAll(async () => {
  await client?.endAsync();
  await daemon?.remove();
  await database?.close();
});

interface Sent {
  readonly method?: string;
  readonly body?: unknown;
  readonly token?: string | null;
}

async function send(path: string, { method = 'GET', body, token = OPERATOR }: Sent = {}) {
  const response = await fetch(base + path, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? undefined : JSON.parse(text)) as unknown };
}

async function done<Body>(path: string, sent?: Sent, status = 200): Promise<Body> {
  const got = await send(path, sent);
  expect([path, got.status, got.status === status ? undefined : got.body]).toEqual([path, status, undefined]);
  return got.body as Body;
}

const post = (body: unknown = {}): Sent => ({ method: 'POST', body });

const run = <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
  queryOnce<Row>(database.url, text, values);

/** What is looked for, once it is there. */
async function found<Value>(what: string, look: () => Promise<Value | undefined>): Promise<Value> {
  let value: Value | undefined;
  await eventually(what, async () => (value = await look()) !== undefined);
  return value as Value;
}

const publish = (device: string, temperature: number) =>
  client.publishAsync(`sensors/lab/${device}/readings`, JSON.stringify({ temperature }), { qos: 1 });

async function openAlertOf(device: string): Promise<AlertList['items'][0]> {
  await publish(device, 9);
  return found(`an alert of ${device}`, async () => {
    const { items } = await done<AlertList>(`/alerts?sensor=${device}`);
    return items[0];
  });
}

test('every resource of the daemon answers as its schema says', async () => {
  await publish('first', 4);
  await eventually('the sensor is registered', async () => (await done<SensorList>('/sensors')).total > 0);
  for (const { path, method, answer } of RESOURCES) {
    if (
      method !== 'GET' ||
      /:|events|chunks|pattern|resample|outliers|use$/.test(path) ||
      answer === undefined
    )
      continue;
    const body = await done<unknown>(path);
    expect(answer.parse(body)).toEqual(body);
  }
  const sensor = await done<Sensor>('/sensors/first');
  expect([sensor.location, sensor.latest[0]?.value, sensor.latest[0]?.unit]).toEqual(['lab', 4, '°C']);
});

test('status reports that all is well, and the messages received', async () => {
  const status = await found('what came in is stored', async () => {
    const found = await done<Status>('/status');
    return found.intake.stored > 0 && found.verdict.ok ? found : undefined;
  });
  expect(status.verdict.sentence).toMatch(/^All is well: \d sensors?, no alert is open\.$/);
  expect(status.broker).toMatchObject({ state: 'subscribed', embedded: true });
  expect(status.access).toEqual({ role: 'operator', name: 'ann', canWrite: true });
});

describe('alerts', () => {
  test('are acknowledged and resolved, and the rows have the name of the operator', async () => {
    const { alertId } = await openAlertOf('hot');
    const path = `/alerts/${alertId}`;
    expect(await done<AlertOutcome>(`${path}/ack`, post({ comment: 'door was open' }))).toEqual({
      ...{ alertId, sensor: 'hot', alertType: 'temperature_high', outcome: 'done', by: 'ann' },
    });
    expect((await done<AlertOutcome>(`${path}/ack`, post())).outcome).toBe('already');
    const rows = await run('SELECT acked_by FROM sensor_alerts WHERE alert_id = $1', [alertId]);
    expect(rows).toEqual([{ acked_by: 'ann' }]);
    expect(
      (await done<AlertOutcome>(`${path}/resolve`, post({ comment: 'sensor was replaced' }))).outcome,
    ).toBe('done');
    const { transitions, resolveReason } = await done<AlertDetail>(path);
    expect(resolveReason).toBe('manual');
    expect(transitions.map(({ event, by, comment }) => [event, by, comment])).toEqual([
      ['started', null, null],
      ['firing', null, null],
      ['acked', 'ann', 'door was open'],
      ['resolved', 'ann', 'sensor was replaced'],
    ]);
    expect(await done<Problem>(`${path}/resolve`, post(), 409)).toMatchObject({ code: 'ALERT_NOT_OPEN' });
  });

  test('that are not there are not found', async () => {
    const path = '/alerts/7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a10/ack';
    expect(await done<Problem>(path, post(), 404)).toMatchObject({ code: 'ALERT_UNKNOWN' });
  });
});

describe('silences', () => {
  test('are added, match what is open, and end', async () => {
    await openAlertOf('loud');
    const added = await done<AddedSilence>(
      '/silences',
      post({ matchers: { sensor: 'loud' }, forS: 3600, comment: 'defrosting' }),
      201,
    );
    expect(added).toMatchObject({ state: 'active', by: 'ann', comment: 'defrosting', matched: 1 });
    expect(Date.parse(added.endsAt) - Date.parse(added.startsAt)).toBe(3_600_000);
    expect((await done<SilenceList>('/silences')).items.map(({ id }) => id)).toEqual([added.id]);
    expect(await done(`/silences/${added.id}`, { method: 'DELETE' })).toMatchObject({
      state: 'over',
      expiredBy: 'ann',
    });
    expect(await done<Problem>(`/silences/${added.id}`, { method: 'DELETE' }, 404)).toMatchObject({
      code: 'SILENCE_UNKNOWN',
    });
  });

  test.each([
    ['no matcher', { matchers: {}, forS: 60 }],
    ['a misspelt label', { matchers: { sensr: 'a' }, forS: 60 }],
    ['no end', { matchers: { sensor: 'a' } }],
    ['two ends', { matchers: { sensor: 'a' }, forS: 60, until: '2100-01-01T00:00:00Z' }],
    ['an end that is past', { matchers: { sensor: 'a' }, until: '2020-01-01T00:00:00Z' }],
    ['an end that is too far', { matchers: { sensor: 'a' }, forS: 300_000_000 }],
  ])('with %s are refused', async (_name, body) => {
    expect(await done<Problem>('/silences', post(body), 422)).toMatchObject({ code: 'SILENCE_INVALID' });
  });
});

test('policies are verified at once', async () => {
  const { role, checkedAt, policies } = await done<Policies>('/policies/check', post());
  expect(role).toBe('leader');
  expect(checkedAt).not.toBeNull();
  expect(policies.map(({ relation, policy }) => `${relation} ${policy}`)).toContain(
    'sensor_readings retention',
  );
});

test('a sensor is forgotten with its readings, after a preview of what that removes', async () => {
  await publish('gone', 5);
  await eventually('it is there', async () => (await send('/sensors/gone')).status === 200);
  const counted = await done<Forgotten>('/sensors/gone/forget', post({ dryRun: true }));
  expect(counted).toMatchObject({ key: 'gone', done: false, readings: 1 });
  expect(await done<Forgotten>('/sensors/gone/forget', post())).toMatchObject({ done: true, readings: 1 });
  expect((await send('/sensors/gone')).status).toBe(404);
  expect(await run(`SELECT kind, changed_by FROM sensor_changes WHERE key = 'gone'`)).toEqual([
    { kind: 'forget', changed_by: 'ann' },
  ]);
  expect(await done<Problem>('/sensors/gone/forget', post(), 404)).toMatchObject({ code: 'SENSOR_UNKNOWN' });
});

test('a sensor is retired while the daemon runs: its alert ends, nothing fires, and its next reading brings it back', async () => {
  const { key, alertId } = { key: 'spare', alertId: (await openAlertOf('spare')).alertId };
  const retire = (body: unknown) => done<Retired>(`/sensors/${key}/retire`, post(body));
  expect(await retire({})).toEqual({
    ...{ key, retired: true, untilSeen: false, closedAlerts: 1, changed: true },
  });
  expect(await done<AlertDetail>(`/alerts/${alertId}`)).toMatchObject({
    state: 'resolved',
    resolveReason: 'retired',
  });
  await eventually('its end is out', () =>
    daemon.log.some((line) => line['alert_id'] === alertId && line['event'] === 'resolved'),
  );
  expect(await done<Sensor>(`/sensors/${key}`)).toMatchObject({
    state: 'retired',
    retired: 'for_good',
    limits: [],
  });
  // Stored, and not evaluated.
  await publish(key, 30);
  const stored = async () =>
    (
      await run(`SELECT 1 FROM sensor_readings r JOIN sensors s ON s.id = r.sensor_id WHERE s.key = $1`, [
        key,
      ])
    ).length;
  await eventually('it is stored', async () => (await stored()) === 2);
  expect(
    await run(`SELECT 1 FROM alert_state a JOIN sensors s ON s.id = a.sensor_id WHERE s.key = $1`, [key]),
  ).toEqual([]);
  expect(await retire({ untilSeen: true })).toMatchObject({
    untilSeen: true,
    closedAlerts: 0,
    changed: true,
  });
  await publish(key, 31);
  const again = await found('it fires', async () => {
    const { items } = await done<AlertList>(`/alerts?sensor=${key}`);
    return items.find(({ state }) => state === 'firing');
  });
  expect(again).toMatchObject({ value: 31 });
  await eventually('it is in use', async () => (await done<Sensor>(`/sensors/${key}`)).retired === null);
  expect((await send(`/sensors/${key}/retire`, post({ untilSeen: true, undo: true }))).status).toBe(400);
  expect(await run(`SELECT fact, changed_by FROM sensor_changes WHERE key = $1 ORDER BY seq`, [key])).toEqual(
    [
      { fact: 'retired', changed_by: 'ann' },
      { fact: 'retired', changed_by: 'ann' },
      { fact: 'returned', changed_by: 'its reading' },
    ],
  );
});

test('a dead letter is published again, once', async () => {
  await client.publishAsync('sensors/lab/odd/readings', '{"temperature": ', { qos: 1 });
  const letter = await found('it is stored', async () => {
    const { items } = await done<DeadLetterList>('/dead-letters?reason=parse_error');
    return items[0];
  });
  const path = `/dead-letters/${letter.id}/retry`;
  expect(await done<Retried>(path, post())).toEqual({ id: letter.id, published: true, detail: null });
  expect(await done<Retried>(path, post())).toMatchObject({
    published: false,
    detail: 'it was published again before',
  });
});

describe('decode', () => {
  const decode = (body: object, status = 200) =>
    done<DecodedMessage>('/decode', post({ topic: 'sensors/lab/n1/readings', ...body }), status);

  test('says what the configuration makes of a message', async () => {
    expect(await decode({ payload: '{"temperature": 21.5, "co2": 800}' })).toMatchObject({
      route: 'sensors/{location}/{device}/readings',
      reject: null,
      readings: [
        {
          device: 'n1',
          metrics: [
            { metric: 'temperature', value: 21.5, unit: '°C' },
            { metric: 'co2', unit: 'ppm' },
          ],
        },
      ],
    });
    expect(await decode({ payload: 'nonsense' })).toMatchObject({ reject: 'parse_error', readings: [] });
    expect(await decode({ topic: 'elsewhere', payload: '1' })).toMatchObject({
      route: null,
      reject: 'no_match',
    });
    expect((await done<RouteList>('/routes')).items[0]).toMatchObject({
      refused: expect.any(Number),
      codec: 'json',
    });
  });

  test('tries another route, which may not name a file', async () => {
    const route = { topic: 'elsewhere/{device}', codec: 'scalar', metric: 'level' };
    expect(await decode({ topic: 'elsewhere/a', payload: '7', route })).toMatchObject({
      readings: [{ device: 'a', metrics: [{ metric: 'level', value: 7 }] }],
    });
    const file = { topic: 'a/{device}', codec: 'protobuf', proto: '/etc/passwd', message: 'M' };
    expect(await decode({ payload: '', route: file }, 422)).toMatchObject({ code: 'ROUTE_INVALID' });
    expect(await decode({ payload: '', route: { topic: 'a/#/b' } }, 422)).toMatchObject({
      code: 'ROUTE_INVALID',
    });
  });
});

test('learn listens while the daemon runs, and proposes a configuration', async () => {
  const started = await done<Learning>('/learn', post({ seconds: 3600, filters: ['sensors/#'] }), 202);
  expect([started.state, started.yaml]).toEqual(['listening', null]);
  expect(await done<Problem>('/learn', post({ seconds: 1 }), 409)).toMatchObject({ code: 'LEARN_RUNNING' });
  await publish('learnt', 7);
  await eventually(
    'it has received',
    async () => (await done<Learning>(`/learn/${started.id}`)).messages > 0,
  );
  expect((await done<Learning>(`/learn/${started.id}`, { method: 'DELETE' })).state).toBe('done');
  const { yaml, routes, state } = await done<Learning>(`/learn/${started.id}`);
  expect([state, routes.length]).toEqual(['done', 1]);
  expect(yaml).toContain('sensors/');
  expect((await send('/learn/7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a10')).status).toBe(404);
});

test('the configuration is shown without its secrets', async () => {
  const { yaml, config, sources, file } = await done<ConfigInEffect>('/config');
  expect(JSON.stringify([yaml, config])).not.toContain(SECRET);
  expect(config).toMatchObject({ mqtt: { password: '***' } });
  expect(yaml).toContain('sensors/{location}/{device}/readings');
  expect([file, sources['alerts.metrics.temperature.max']]).toEqual([
    daemon.configFile,
    expect.stringContaining('fieldwatch.yaml'),
  ]);
});

describe('roles and their rights', () => {
  const writes = RESOURCES.filter(({ role }) => role === 'operator');
  const place = (path: string) =>
    path.replace(':alertId', '7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a10').replace(/:\w+/g, '1');

  test.each(writes.map(({ method, path }) => [method, path]))(
    '%s %s is for operators',
    async (method, path) => {
      const sent = { method, ...(method === 'POST' ? { body: {} } : {}) };
      expect((await send(place(path), { ...sent, token: VIEWER })).status).toBe(403);
      expect((await send(place(path), { ...sent, token: null })).status).toBe(401);
    },
  );
});

describeReal('during intake', () => {
  test('messages are stored while no query of the API is answered', async () => {
    const before = (await done<Status>('/status')).intake.stored;
    const session = new pg.Client({ connectionString: database.url });
    await session.connect();
    try {
      await session.query('BEGIN; LOCK TABLE silences IN ACCESS EXCLUSIVE MODE');
      // More than the API has connections.
      const waiting = Array.from({ length: 8 }, () => send('/silences'));
      for (let n = 0; n < 200; n++) await publish(`busy-${n % 10}`, 5);
      await eventually('all are stored', async () => {
        const { text } = await daemon.get('/metrics');
        return Number(/^fieldwatch_ingest_items\{outcome="stored"\} (\d+)$/m.exec(text)?.[1]) >= before + 200;
      });
      await session.query('ROLLBACK');
      expect((await Promise.all(waiting)).every(({ status }) => [200, 503].includes(status))).toBe(true);
    } finally {
      await session.end();
    }
    expect((await daemon.conserved())['in_flight']).toBe(0);
  });
});
