import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import { silentLogger } from '../../../src/adapters/log/logger.ts';
import { createPool, readerOf } from '../../../src/adapters/timescale/connection/pool.ts';
import { actOnAlert } from '../../../src/app/operator/act-on-alert.ts';
import { LANGUAGES, type LanguageName } from '../../../src/core/notify/text/languages.ts';
import { type ActionClaim, signAction } from '../../../src/lib/action-token.ts';
import type { Db } from '../../../src/queries/db.ts';
import { type ApiServer, startApiServer } from '../../support/api-server.ts';
import { type TestDatabase, openTestDatabase } from '../../support/embedded-db.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const ALERT = '7b0e3c52-3c1e-5d52-9f5e-0b7c9a3f6a10';
const SECRET = 'a secret of sixteen characters';

let database: TestDatabase;
let pool: pg.Pool;
let db: Db;
let server: ApiServer;
let language: LanguageName = 'en';
let seq = 0;

const rows = async (table: 'alert_commands' | 'silences') =>
  (await pool.query<Record<string, unknown>>(`SELECT * FROM ${table} ORDER BY id`)).rows;

/** What a daemon does with a command. */
const executed = (outcome: string) =>
  pool.query('UPDATE alert_commands SET applied_at = now(), outcome = $1 WHERE applied_at IS NULL', [
    outcome,
  ]);

const act = (request: Parameters<typeof actOnAlert>[1]) =>
  actOnAlert(db, request, { clock: new FakeClock(), patienceMs: 0 });

const link = (more: Partial<ActionClaim> = {}, secret = SECRET): string =>
  `/act/${signAction({ alertId: ALERT, action: 'ack', sink: 'phone', seq: ++seq, expiresMs: Date.now() + 60_000, ...more }, secret)}`; // prettier-ignore

const get = async (path: string) => {
  const response = await server.fetch(path);
  return [response.status, await response.text()] as const;
};
const press = async (path: string, body?: string) => {
  const response = await server.fetch(path, {
    method: 'POST',
    ...(body === undefined
      ? {}
      : {
          body,
          headers: { 'content-type': 'application/x-www-form-urlencoded', origin: 'https://ntfy.sh' },
        }),
  });
  return [response.status, await response.text()] as const;
};

const start = async () => {
  server = await startApiServer(undefined, {
    db,
    links: {
      secret: () => SECRET,
      contextOf: () => ({ language: LANGUAGES[language], timezone: 'UTC', nowMs: Date.now() }),
      act,
    },
  });
};

beforeAll(async () => {
  database = await openTestDatabase({ migrated: true });
  pool = await createPool({ url: database.url, applicationName: 'test', max: 2 }, silentLogger);
  db = readerOf(pool);
  await pool.query(
    `INSERT INTO sensors (id, key, name, location) VALUES (1, 'freezer-01', 'Freezer <1>', 'cold room')`,
  );
  await pool.query(
    `INSERT INTO sensor_alerts (time, sensor_id, alert_type, message, value, threshold, alert_id, started_at, metric, kind, side)
     VALUES (now(), 1, 'temperature_high', 'm', 9.3, 8, $1, now(), 'temperature', 'threshold', 'high')`,
    [ALERT],
  );
});
beforeEach(async () => {
  await server?.stop();
  await start();
  language = 'en';
  await pool.query('TRUNCATE alert_commands, silences, alert_state');
  await pool.query(
    `INSERT INTO alert_state (sensor_id, alert_type, metric, kind, side, state, alert_id, severity, seq, last_event_at, last_value, rule_hash)
     VALUES (1, 'temperature_high', 'temperature', 'threshold', 'high', 'firing', $1, 'warning', 1, now(), 9.3, 'h')`,
    [ALERT],
  );
});
afterAll(async () => {
  await server.stop();
  await pool.end();
  await database.close();
});

describe('a link in a notification', () => {
  test('shows a page with a button, and changes nothing, however many scanners open it', async () => {
    const path = link();
    for (let scanner = 0; scanner < 3; scanner++) {
      const [status, page] = await get(path);
      expect(status).toBe(200);
      expect(page).toContain('Freezer &lt;1&gt;: temperature 9.3 °C, above 8 °C');
      expect(page).toMatch(/<form method="post">.*<button>Acknowledge<\/button>/);
    }
    const head = await server.fetch(path, { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(head.headers.get('cache-control')).toBe('no-store');
    expect(await rows('alert_commands')).toEqual([]);
  });

  test('acknowledges when its button is pressed, says who, and is used up', async () => {
    const path = link();
    expect(await press(path, 'by=Ann%0A%3Cb%3E')).toEqual([202, expect.stringContaining('Taken in')]);
    await executed('done');
    const [status, page] = await press(path, 'by=Bob');
    expect([status, page]).toEqual([
      200,
      expect.stringMatching(/used already \(Ann &lt;b&gt; \(link of phone\), \d\d:\d\d UTC\)/),
    ]);
    expect((await get(path))[1]).toMatch(/used already/);
    expect(await rows('alert_commands')).toMatchObject([
      { kind: 'ack', sensor_id: 1, alert_type: 'temperature_high', alert_id: ALERT, asked_by: 'Ann <b> (link of phone)' },
    ]); // prettier-ignore
    expect(await server.metrics()).toContain(
      'fieldwatch_notify_answers_total{way="link",outcome="queued"} 1',
    );
  });

  test('pressed twice at the same time is one command', async () => {
    const path = link();
    const answers = await Promise.all([press(path), press(path), press(path)]);
    expect(answers.map(([status]) => status)).toEqual([202, 202, 202]);
    expect(await rows('alert_commands')).toHaveLength(1);
  });

  test('of a daemon that was killed before it answered: the next attempt changes nothing, and answers', async () => {
    const request = { action: 'ack', alertId: ALERT, by: 'Ann', comment: '', requestId: 'link:x' } as const;
    expect(await act(request)).toMatchObject({ outcome: 'queued', repeated: false });
    await executed('done');
    expect(await act(request)).toMatchObject({ outcome: 'done', by: 'Ann', repeated: true });
    // The alert is over by now.
    await pool.query('TRUNCATE alert_state');
    expect(await act({ ...request, by: 'Bob' })).toMatchObject({
      outcome: 'done',
      by: 'Ann',
      repeated: true,
    });
    expect(await rows('alert_commands')).toHaveLength(1);
    const silence = { ...request, action: 'silence', requestId: 'link:y' } as const;
    expect(await act(silence)).toEqual({ outcome: 'over', action: 'silence', repeated: false });
  });

  test('silences that type of its sensor for two hours, once', async () => {
    const path = link({ action: 'silence' });
    expect((await get(path))[1]).toContain('<button>Silence for 2 h</button>');
    expect(await press(path)).toEqual([
      200,
      expect.stringMatching(/Silenced by link of phone until .*\d\d:\d\d UTC/),
    ]);
    await press(path);
    const [silence, ...more] = await rows('silences');
    expect(more).toEqual([]);
    expect(silence).toMatchObject({
      matchers: { sensor: 'freezer-01', alert_type: 'temperature_high' },
      created_by: 'link of phone',
    });
    expect(Number(silence?.['ends_at']) - Number(silence?.['starts_at'])).toBe(2 * 3_600_000);
    expect(await rows('alert_commands')).toEqual([]);
  });

  test('is in the language of its sink', async () => {
    language = 'de';
    expect((await get(link()))[1]).toMatch(/^<!doctype html><html lang="de">.*über 8 °C.*Quittieren/s);
  });

  test('after the end of the alert says that it is over', async () => {
    await pool.query('TRUNCATE alert_state');
    for (const [status, page] of [await get(link()), await press(link())]) {
      expect(status).toBe(410);
      expect(page).toContain('This alert is over');
    }
    expect(await rows('alert_commands')).toEqual([]);
  });

  test('that has expired, was changed or was signed with another secret does nothing', async () => {
    const forged = link().replace(/\/act\/(.)/, (_, first: string) => `/act/${first === 'W' ? 'X' : 'W'}`);
    for (const [path, wanted] of [
      [link({ expiresMs: Date.now() - 1000 }), 410],
      [forged, 404],
      [link({}, 'another secret of enough characters'), 404],
      ['/act/x', 404],
    ] as const) {
      expect((await get(path))[0]).toBe(wanted);
      expect((await press(path, 'by=Ann'))[0]).toBe(wanted);
    }
    expect(await rows('alert_commands')).toEqual([]);
  });

  test('is limited in how often it is tried', async () => {
    const codes = new Set<number>();
    for (let tries = 0; tries < 60; tries++) codes.add((await get('/act/x'))[0]);
    expect([...codes].sort()).toEqual([404, 429]);
  });
});

test('without links configured there are none', async () => {
  const bare = await startApiServer(undefined, { db });
  expect((await bare.fetch(link(), { method: 'POST' })).status).toBe(404);
  await bare.stop();
});

describe('a message', () => {
  const by = { by: 'ann (mqtt)', comment: 'defrosting' };
  const ended = async () => (await rows('silences')).map(({ expired_by: who }) => who);

  test('acknowledges for a time, silences for a time, each once for a request', async () => {
    const ack = { ...by, action: 'ack', alertId: ALERT, forMs: 14_400_000, requestId: 'mqtt:1' } as const;
    expect(await act(ack)).toMatchObject({ outcome: 'queued', action: 'ack', repeated: false });
    await executed('done');
    expect(await act(ack)).toMatchObject({
      outcome: 'done',
      repeated: true,
      untilMs: expect.any(Number) as unknown,
    });
    const silence = {
      ...by,
      action: 'silence',
      alertId: ALERT,
      forMs: 1_800_000,
      requestId: 'mqtt:2',
    } as const;
    const first = await act(silence);
    expect(await act(silence)).toEqual({ ...first, repeated: true });
    const [command] = await rows('alert_commands');
    const lasts = (row: Record<string, unknown>, from: string) => Number(row['ends_at']) - Number(row[from]);
    expect(lasts(command!, 'created_at')).toBe(14_400_000);
    expect((await rows('silences')).map((row) => lasts(row, 'starts_at'))).toEqual([1_800_000]);
  });

  test('ends the silences of an alert, also of one that is over, and those alone', async () => {
    await pool.query(
      `INSERT INTO silences (matchers, starts_at, ends_at, created_by) VALUES
       ('{"sensor":"freezer-01","alert_type":"temperature_high"}', now(), now() + interval '1 h', 'bob'),
       ('{"sensor":"freezer-01"}', now(), now() + interval '1 h', 'bob')`,
    );
    const end = { ...by, action: 'unsilence', alertId: ALERT, requestId: 'mqtt:3' } as const;
    expect(await act(end)).toMatchObject({ outcome: 'done', by: 'ann (mqtt)', repeated: false });
    expect(await act(end)).toMatchObject({ outcome: 'done', by: 'ann (mqtt)', repeated: true });
    expect(await act({ ...end, requestId: 'mqtt:4' })).toMatchObject({ outcome: 'already', repeated: false });
    expect(await ended()).toEqual(['ann (mqtt)', null]);
    await pool.query('TRUNCATE alert_state, silences');
    await pool.query(
      `INSERT INTO alert_outbox (alert_id, seq, event, payload) VALUES ($1, 1, 'firing', '{"sensorId":1,"alertType":"temperature_high"}')`,
      [ALERT],
    );
    await pool.query(
      `INSERT INTO silences (matchers, starts_at, ends_at, created_by)
       VALUES ('{"sensor":"freezer-01","alert_type":"temperature_high"}', now(), now() + interval '1 h', 'bob')`,
    );
    expect(await act({ ...end, requestId: 'mqtt:5' })).toMatchObject({ outcome: 'done' });
    expect(await ended()).toEqual(['ann (mqtt)']);
    const unknown = { ...end, alertId: '00000000-0000-5000-8000-000000000000', requestId: 'mqtt:6' };
    expect(await act(unknown)).toMatchObject({ outcome: 'over' });
  });
});
