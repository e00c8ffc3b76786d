import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import { TimescaleOperatorStore } from '../../../src/adapters/timescale/alert/operator-store.ts';
import { createPool } from '../../../src/adapters/timescale/connection/pool.ts';
import { alertsCommand } from '../../../src/cli/alerts/index.ts';
import type { AlertRow, AlertStateRow } from '../../../src/core/alert/model.ts';
import { runCli, startCli } from '../../support/cli.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';
import { START_US, type StoreFixture, batchOf, clear, openStore } from '../../support/store-fixtures.ts';

let db: StoreFixture;
let pool: pg.Pool;
let operators: TimescaleOperatorStore;
beforeAll(async () => {
  db = await openStore();
  pool = await createPool({ url: db.url, max: 2 }, new QuietLogger());
  operators = new TimescaleOperatorStore(pool);
});
beforeEach(async () => {
  await clear(db);
  await pool.query('DELETE FROM silences');
  await pool.query('DELETE FROM alert_commands');
  await pool.query(
    `INSERT INTO sensors (id, key, location) VALUES (1, 's1', 'lab') ON CONFLICT (id) DO UPDATE SET key = 's1'`,
  );
});
afterAll(async () => {
  await pool.end();
  await db.close();
});

const KEY = { metric: 'temperature', kind: 'threshold', side: 'high' } as const;
const ID = '5f7c1f5e-8a75-5f1d-9d2e-0c5f5b1c9a01';
const OTHER = '5f7c2f5e-8a75-5f1d-9d2e-0c5f5b1c9a02';
const raised: AlertRow = {
  timeUs: START_US + 5, sensorId: 1, ...KEY, alertType: 'temperature_high', message: 'hot', value: 31, threshold: 30,
  alertId: ID, severity: 'warning', startedAtUs: START_US, ruleHash: 'h1', suppressed: 'silence',
}; // prettier-ignore
const firing: AlertStateRow = {
  sensorId: 1, ...KEY, alertType: 'temperature_high', state: 'firing', alertId: ID, severity: 'warning', sinceUs: null,
  startedAtUs: START_US, firedAtUs: START_US + 5, threshold: 30, peakValue: 31.5, seq: 1, lastEventUs: START_US,
  lastValue: 31, ruleHash: 'h1', detail: { deferred: 'silence' },
}; // prettier-ignore
const onset = { raised: [raised], states: [firing] };
const ack = (ackedBy: string) => ({
  ...{ sensorId: 1, ...KEY, alertType: 'temperature_high', firedAtUs: raised.timeUs, alertId: ID },
  ...{ ackedAtMs: START_US / 1000 + 60_000, ackedBy },
});
const commit = (alerts: Parameters<typeof batchOf>[1] & object, store = db.store) =>
  store.commit(batchOf([], alerts));
const alerts = (...args: string[]) =>
  runCli(alertsCommand, args, { env: { FIELDWATCH_DATABASE_URL: db.url, USER: 'ann' } });

describe('commands', () => {
  const ask = async () => (await alerts('ack', ID, '--no-wait')).code;
  const waiting = async () => (await operators.poll(0)).commands;
  const applied = (by: string, ids: readonly string[]) => ({
    acked: [ack(by)],
    commands: { by, outcomes: ids.map((id) => ({ id, outcome: 'done' as const })) },
  });

  test('are left for the daemon, and marked in the transaction that carries them out', async () => {
    await commit({ alerts: onset });
    expect(await ask()).toBe(0);
    const [command] = await waiting();
    expect(command).toMatchObject({
      kind: 'ack',
      sensorId: 1,
      alertType: 'temperature_high',
      alertId: ID,
      by: 'ann',
    });
    expect(command?.ageMs).toBeGreaterThanOrEqual(0);
    await commit({ alerts: applied('one', [command?.id ?? '']) });
    expect(await waiting()).toEqual([]);
    expect(await db.rows('SELECT acked_by, suppressed FROM sensor_alerts')).toEqual([
      { acked_by: 'one', suppressed: 'silence' },
    ]);
    expect(await db.rows('SELECT outcome, applied_by FROM alert_commands')).toEqual([
      { outcome: 'done', applied_by: 'one' },
    ]);
  });

  test('one that another daemon has taken undoes the transaction; one of our own does not', async () => {
    await commit({ alerts: onset });
    await ask();
    await ask();
    const ids = (await waiting()).map(({ id }) => id);
    expect(ids).toHaveLength(2);
    await commit({ alerts: applied('one', ids.slice(0, 1)) });
    // Its reply was lost, so it is written again.
    await commit({ alerts: applied('one', ids.slice(0, 1)) });
    await expect(commit({ alerts: applied('two', ids) }, db.another())).rejects.toMatchObject({
      code: 'COMMAND_TAKEN',
    });
    expect((await waiting()).map(({ id }) => id)).toEqual(ids.slice(1));
    await commit({ alerts: applied('two', ids.slice(1)) }, db.another());
    // The first acknowledgement of a row stands.
    expect(await db.rows('SELECT acked_by FROM sensor_alerts')).toEqual([{ acked_by: 'one' }]);
  });

  test('two daemons at once: one of them does it', async () => {
    await commit({ alerts: onset });
    await ask();
    const ids = (await waiting()).map(({ id }) => id);
    const results = await Promise.allSettled([
      commit({ alerts: applied('one', ids) }),
      commit({ alerts: applied('two', ids) }, db.another()),
    ]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  test('about what is not open are refused; the CLI says how to find what is', async () => {
    await expect(alerts('ack', ID)).rejects.toMatchObject({ code: 'ALERT_NOT_OPEN', kind: 'data' });
    await expect(alerts('resolve', 's1', 'temperature_high')).rejects.toMatchObject({
      code: 'ALERT_NOT_OPEN',
    });
    await expect(alerts('ack', 's1')).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('without a daemon the CLI says so, and the request stays queued', async () => {
    await commit({ alerts: onset });
    const { code, out, err } = await alerts('resolve', 's1', 'temperature_high', '--wait', '1s');
    expect([code, out]).toEqual([0, 'left for the daemon: resolve s1 temperature_high\n']);
    expect(err).toContain('no daemon has executed it yet');
    expect(await waiting()).toMatchObject([{ kind: 'resolve' }]);
  });

  test('alerts list shows the state, who acknowledged it, and what defers it', async () => {
    await commit({ alerts: { ...onset, acked: [ack('bob')] } });
    expect((await alerts('list', '--open')).out).toContain('firing, acked by bob, silence');
    expect(JSON.parse((await alerts('list', '--open', '--json')).out)).toMatchObject({
      ...{ state: 'firing', acked_by: 'bob', suppressed: 'silence', deferred_by: 'silence' },
    });
  });
});

describe('an episode that escalated, was acknowledged and is silenced', () => {
  const US = 1_000_000;
  const critical: AlertRow = {
    ...raised,
    timeUs: raised.timeUs + 60 * US,
    severity: 'critical',
    value: 41,
    threshold: 40,
  };
  const rose = {
    ...firing,
    severity: 'critical' as const,
    threshold: 40,
    seq: 2,
    lastValue: 41,
    peakValue: 41,
  };
  const list = async (...args: string[]) =>
    (await alerts('list', '--since', '2020-01-01', '--json', ...args)).out.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>); // prettier-ignore

  beforeEach(async () => {
    await commit({ alerts: { raised: [raised, critical], states: [rose] } });
    await commit({ alerts: { raised: [{ ...raised, sensorId: 2, alertId: OTHER }], states: [{ ...firing, sensorId: 2, alertId: OTHER }] } });
    await pool.query(`INSERT INTO sensors (id, key, location, type) VALUES (2, 's2', 'hall', 'probe') ON CONFLICT (id) DO NOTHING`);
  }); // prettier-ignore

  const acked = {
    acked: [ack('bob'), { ...ack('bob'), firedAtUs: critical.timeUs }],
    states: [rose],
  };

  test('is one line, with its present severity and limit', async () => {
    expect(await list('--sensor', 's1')).toMatchObject([
      { alert_id: ID, sensor: 's1', severity: 'critical', threshold: 40, value: 41, peak_value: 41, kind: 'threshold' },
    ]); // prettier-ignore
    await commit({ alerts: { states: [{ ...firing, seq: 3 }] } });
    expect(await list('--open', '--sensor', 's1')).toMatchObject([{ severity: 'warning', threshold: 30 }]);
    expect(await list('--open', '--severity', 'critical')).toEqual([]);
    expect((await alerts('list', '--open', '--sensor', 's1')).out.split('\n')[1]).toContain('5f7c1f5e');
  });

  test.each([
    [['--severity', 'critical'], ['s1']],
    [
      ['--severity', 'critical', '--severity', 'warning'],
      ['s1', 's2'],
    ],
    [['--location', 'hall'], ['s2']],
    [['--type', 'probe'], ['s2']],
    [['--alert-type', 'temperature_low'], []],
    [
      ['--alert-type', 'temperature_high', '--sensor', 's1', '--sensor', 's2'],
      ['s1', 's2'],
    ],
    [['--state', 'resolved'], []],
    [['--state', 'pending'], []],
    [['--unacknowledged'], ['s1', 's2']],
  ])('%j', async (args, keys) => {
    expect((await list(...args)).map(({ sensor }) => sensor).sort()).toEqual(keys);
  });

  test('one that rose again after the range is listed as it was in it', async () => {
    const until = new Date(raised.timeUs / 1000 + 30_000).toISOString();
    expect(await list('--sensor', 's1', '--until', until)).toMatchObject([{ alert_id: ID, value: 31 }]);
  });

  test('acknowledged ones are left out on request', async () => {
    await commit({ alerts: acked });
    expect((await list('--unacknowledged')).map(({ sensor }) => sensor)).toEqual(['s2']);
  });

  test('is shown whole, by the first digits of its id or by sensor and type', async () => {
    await commit({ alerts: acked });
    await pool.query(
      `INSERT INTO alert_commands (kind, sensor_id, alert_type, alert_id, asked_by, comment, ends_at, applied_at, outcome)
       VALUES ('ack', 1, 'temperature_high', $1, 'bob', 'on my way', '2036-01-01', now(), 'done')`,
      [ID],
    );
    await pool.query(
      `INSERT INTO alert_deliveries (alert_id, seq, sink, event, alert_type, done_at, outcome, step, origin)
       VALUES ($1, 1, 'phone', 'firing', 'temperature_high', now(), 'sent', 0, NULL),
         ($1, 1, 'boss', 'firing', 'temperature_high', now(), 'refused', 900, 'escalation')`,
      [ID],
    );
    await pool.query(
      `INSERT INTO sensor_readings (time, sensor_id, temperature)
       SELECT '2026-01-01'::timestamptz + n * INTERVAL '10 s', 1, 30 + n FROM generate_series(0, 9) n`,
    );
    for (const name of [['5f7c1'], ['s1', 'temperature_high']]) {
      const { out } = await alerts('show', ...name, '--timezone', 'UTC');
      expect(out).toContain('acknowledged          by bob  until 2036-01-01 00:00:00Z  "on my way"');
      expect(out).toMatch(/boss +not acknowledged for 15m .*refused by the sink/);
      expect(out).toMatch(/▲ .*escalated, critical/);
      expect(out).toMatch(/^ *40 │.*╌$/m);
      expect(out).toMatch(/[\u2801-\u28ff]/);
    }
    const document = JSON.parse((await alerts('show', ID, '--json')).out) as Record<string, unknown>;
    expect(document).toMatchObject({ alert_id: ID, severity: 'critical', notifications: [{ sink: 'phone' }, { sink: 'boss' }] });
  }); // prettier-ignore

  test('what names no alert, and what names several, is an error', async () => {
    await expect(alerts('show', 'ffff')).rejects.toMatchObject({ code: 'ALERT_UNKNOWN' });
    await expect(alerts('show', '5f7c')).rejects.toMatchObject({ code: 'USAGE', message: expect.stringContaining(OTHER) }); // prettier-ignore
    await expect(alerts('show', 's1')).rejects.toMatchObject({ code: 'USAGE' });
    await expect(alerts('show', 's1', 'humidity_high')).rejects.toMatchObject({ code: 'ALERT_UNKNOWN' });
    await expect(alerts('ack', '5f7c', '--no-wait')).rejects.toMatchObject({ code: 'USAGE' });
    expect((await alerts('ack', '5f7c1', '--no-wait')).code).toBe(0);
  });

  test('watched in a pipe, each change is a line; on a terminal the list is drawn anew', async () => {
    const env = { FIELDWATCH_DATABASE_URL: db.url };
    const watch = startCli(alertsCommand, ['list', '--open', '--watch'], { env });
    await watch.printed('"sensor":"s2"');
    await commit({ alerts: acked });
    await watch.printed('"acked_by":"bob"');
    watch.interrupt();
    const { out, code } = await watch.done;
    expect([out.trim().split('\n').length, code]).toEqual([3, 0]);
    const drawn = startCli(alertsCommand, ['list', '--open', '--watch'], { env, isTTY: true });
    await drawn.printed('acked, silence');
    drawn.interrupt();
    expect((await drawn.done).out).toContain('\u001b[H');
  }); // prettier-ignore
});

describe('silences', () => {
  const add = (...args: string[]) => alerts('silence', 'add', '--json', ...args);
  const list = async (...args: string[]) =>
    (await alerts('silence', 'list', '--json', ...args)).out.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>); // prettier-ignore

  test('are added, listed, and taken back; the daemon sees each', async () => {
    await commit({ alerts: onset });
    const { out, err } = await add('--match', 'location=l*,alert_type=temperature_*', '--match', 'severity=warning', '--for', '2h', '--comment', 'x'); // prettier-ignore
    expect(err).toContain('it matches 1 of 1 open alerts now');
    const made = JSON.parse(out) as { id: string; starts_at: string; ends_at: string };
    expect(Date.parse(made.ends_at) - Date.parse(made.starts_at)).toBe(7_200_000);
    expect(await list()).toMatchObject([
      {
        id: made.id,
        state: 'active',
        by: 'ann',
        comment: 'x',
        matchers: { location: 'l*', severity: 'warning' },
      },
    ]);
    expect((await operators.poll(Date.now())).silences).toMatchObject([
      {
        id: made.id,
        matchers: { location: 'l*', alert_type: 'temperature_*', severity: 'warning' },
        endsMs: Date.parse(made.ends_at),
        startsMs: Date.parse(made.starts_at),
      },
    ]);
    expect((await alerts('silence', 'expire', made.id, '--by', 'bob')).out).toContain(
      `silence ${made.id} is over`,
    );
    expect(await list()).toEqual([]);
    expect(await list('--all')).toMatchObject([{ id: made.id, state: 'over', expired_by: 'bob' }]);
    await expect(alerts('silence', 'expire', made.id)).rejects.toMatchObject({ code: 'SILENCE_UNKNOWN' });
    expect((await operators.poll(Date.now() + 60_000)).silences).toEqual([]);
  });

  test('one for later waits, and can be taken back before it begins', async () => {
    const from = new Date(Date.now() + 3_600_000).toISOString().slice(0, 19) + 'Z';
    const until = new Date(Date.now() + 7_200_000).toISOString().slice(0, 19) + 'Z';
    const { out } = await add('--match', 'sensor=s1', '--from', from, '--until', until);
    expect(await list()).toMatchObject([{ state: 'waiting' }]);
    await alerts('silence', 'expire', (JSON.parse(out) as { id: string }).id);
    expect(await list()).toEqual([]);
  });

  test.each([
    [['--match', 'sensor=s1'], 'needs an end'],
    [['--match', 'sensor=s1', '--for', '1h', '--until', '2026-01-01'], 'needs an end'],
    [['--match', 'sensor=s1', '--for', '400d'], 'longer than alerts.max_silence'],
    [['--match', 'sensor=s1', '--until', '2020-01-01'], 'end before it begins'],
  ])('%j: %s', async (args, message) => {
    await expect(add(...args)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(message) as unknown,
    });
  });

  test.each([
    [['--match', 'sensor', '--for', '1h'], 'is no matcher'],
    [['--match', 'locaton=lab', '--for', '1h'], 'did you mean'],
    [['--match', 'sensor=s1,sensor=s2', '--for', '1h'], 'given twice'],
    [['--for', '1h'], 'required option'],
  ])('%j: usage', async (args, message) => {
    const { code, err } = await add(...args);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });

  test('what is over for long is pruned', async () => {
    await add('--match', 'sensor=s1', '--for', '1h');
    await pool.query(
      `UPDATE silences SET starts_at = now() - INTERVAL '100 days', ends_at = now() - INTERVAL '99 days'`,
    );
    expect(await operators.prune(Date.now() - 90 * 86_400_000)).toBe(false);
    expect(await list('--all')).toEqual([]);
  });
});
