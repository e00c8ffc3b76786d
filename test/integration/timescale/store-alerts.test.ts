import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import { TimescaleAlertStore } from '../../../src/adapters/timescale/alert/alert-store.ts';
import {
  type DeadLetterKey,
  requeueDeadLetters,
} from '../../../src/adapters/timescale/ingest/dead-letters.ts';
import { createPool } from '../../../src/adapters/timescale/connection/pool.ts';
import { TimescaleSensorStore } from '../../../src/adapters/timescale/ingest/sensor-store.ts';
import { alertsSchema } from '../../../src/config/schema/alerts.ts';
import type { AlertNotification, AlertRow, AlertStateRow } from '../../../src/core/alert/model.ts';
import { RuleSet } from '../../../src/core/alert/rules/rule-set.ts';
import { type AlertManager, createAlertManager } from '../../../src/services/alert/alert-manager.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { RecordingMetrics } from '../../support/fakes.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';
import {
  START_US,
  type StoreFixture,
  batchOf,
  clear,
  openStore,
  reading,
} from '../../support/store-fixtures.ts';

let db: StoreFixture;
let pool: pg.Pool;
beforeAll(async () => {
  db = await openStore();
  pool = await createPool({ url: db.url, max: 2 }, new QuietLogger());
});
beforeEach(() => clear(db));
afterAll(async () => {
  await pool.end();
  await db.close();
});

const KEY = { metric: 'temperature', kind: 'threshold', side: 'high' } as const;
const ID = '5f7c1f5e-8a75-5f1d-9d2e-0c5f5b1c9a01';
const raised: AlertRow = {
  timeUs: START_US + 5, sensorId: 1, ...KEY, alertType: 'temperature_high', message: 'too\0 hot', value: 31, threshold: 30,
  alertId: ID, severity: 'warning', startedAtUs: START_US, ruleHash: 'h1',
}; // prettier-ignore
const firing: AlertStateRow = {
  sensorId: 1, ...KEY, alertType: 'temperature_high', state: 'firing', alertId: ID, severity: 'warning', sinceUs: null,
  startedAtUs: START_US, firedAtUs: START_US + 5, threshold: 30, peakValue: 31.5, seq: 1, lastEventUs: START_US + 123_456,
  lastValue: 31, ruleHash: 'h1', detail: { times: [1, 2] },
}; // prettier-ignore
const notification: AlertNotification = {
  alertId: ID, seq: 1, event: 'firing', sensorId: 1, sensorKey: 'kitchen\0', alertType: 'temperature_high',
  severity: 'warning', message: 'hot', value: 31, threshold: 30, eventTimeMs: 1_767_225_600_000,
  startedAtMs: 1_767_225_600_000, durationS: null, peakValue: null, runbook: null, reason: null, resolvedValue: null,
  backfilled: false,
}; // prettier-ignore
const resolution = {
  sensorId: 1, ...KEY, alertType: 'temperature_high', firedAtUs: START_US + 5, alertId: ID, resolvedAtUs: START_US + 9,
  resolvedValue: 20, peakValue: 33, reason: 'value', flapping: false, backfilled: true,
} as const; // prettier-ignore

const hot = [reading(1, 5, { temperature: 31 })];
const onset = { raised: [raised], states: [firing], notifications: [notification] };

describe('statement 22: alerts commit with the readings that caused them, once', () => {
  test('a first attempt and its retry leave one row, one state, one notification', async () => {
    await db.store.commit(batchOf(hot, { alerts: onset }));
    expect(await db.store.commit(batchOf(hot, { alerts: onset, retry: true }))).toMatchObject({
      duplicate: 1,
    });
    expect(await db.rows('SELECT sensor_id, alert_type, message, value, threshold, severity FROM sensor_alerts')).toEqual([
      { sensor_id: 1, alert_type: 'temperature_high', message: 'too\ufffd hot', value: 31, threshold: 30, severity: 'warning' },
    ]); // prettier-ignore
    expect(await db.rows('SELECT alert_id, seq, event, sent_at FROM alert_outbox')).toEqual([
      { alert_id: ID, seq: 1, event: 'firing', sent_at: null },
    ]);
    expect(await db.rows('SELECT state FROM alert_state')).toEqual([{ state: 'firing' }]);
  });

  test('what the encoding of the database cannot hold is written in ASCII, and costs no reading', async () => {
    // A database in UTF8 holds everything: the trigger refuses what one in SQL_ASCII would not convert.
    await db.rows(`
      CREATE FUNCTION untranslatable() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW::text ~ '[^\\x01-\\x7f]' THEN RAISE 'untranslatable' USING ERRCODE = '22P05'; END IF;
        RETURN NEW; END $$`);
    for (const table of ['alert_outbox', 'alert_state'])
      await db.rows(
        `CREATE TRIGGER untranslatable BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION untranslatable()`,
      );
    const alerts = {
      raised: [raised],
      states: [{ ...firing, metric: '温度', detail: { times: [1, 2] } }],
      notifications: [{ ...notification, message: 'zu heiß: "31"' }],
    };
    expect(await db.store.commit(batchOf(hot, { alerts }))).toMatchObject({ stored: 1 });
    expect(await db.rows("SELECT payload->>'message' AS message FROM alert_outbox")).toEqual([
      { message: 'zu hei\\u{df}: "31"' },
    ]);
    expect(await db.rows('SELECT metric, detail FROM alert_state')).toEqual([
      { metric: '\\u{6e29}\\u{5ea6}', detail: { times: [1, 2] } },
    ]);
    await db.rows('DROP FUNCTION untranslatable() CASCADE');
  });

  test('a refused reading takes its alert back with it', async () => {
    const batch = batchOf([...hot, reading(2, 5, { rssi: 1e12 })], { alerts: onset });
    expect(await db.store.commit(batch)).toMatchObject({ kind: 'row_refused', index: 1 });
    expect(await db.rows('SELECT 1 FROM sensor_alerts UNION ALL SELECT 1 FROM sensor_readings')).toEqual([]);
  });

  test('a resolution closes its row, once: a second one changes nothing', async () => {
    await db.store.commit(batchOf(hot, { alerts: onset }));
    await db.store.commit(batchOf([], { alerts: { resolved: [resolution] } }));
    await db.store.commit(
      batchOf([], { alerts: { resolved: [{ ...resolution, resolvedValue: 1, reason: 'manual' }] } }),
    );
    expect(await db.rows('SELECT resolved_value, resolve_reason, peak_value, backfilled, flapping FROM sensor_alerts')).toEqual(
      [{ resolved_value: 20, resolve_reason: 'value', peak_value: 33, backfilled: true, flapping: false }],
    ); // prettier-ignore
  });

  test('raised and resolved by one batch: the row is there and closed', async () => {
    await db.store.commit(batchOf(hot, { alerts: { ...onset, resolved: [resolution] } }));
    expect(
      await db.rows('SELECT count(*)::int AS n FROM sensor_alerts WHERE resolved_at IS NOT NULL'),
    ).toEqual([{ n: 1 }]);
  });

  test.each([1, 2])(
    'two crossings at one moment, in %d batches: the row shows the higher one',
    async (batches) => {
      const higher: AlertRow = {
        ...raised,
        message: 'hotter',
        value: 41,
        threshold: 40,
        severity: 'critical',
      };
      const pieces = batches === 1 ? [[raised, higher]] : [[raised], [higher]];
      // The last time is what a lost reply, or the spool, writes again.
      for (const rows of [...pieces, [raised]])
        await db.store.commit(batchOf([], { alerts: { raised: rows } }));
      expect(
        await db.rows('SELECT alert_id, message, value, threshold, severity FROM sensor_alerts'),
      ).toEqual([{ alert_id: ID, message: 'hotter', value: 41, threshold: 40, severity: 'critical' }]);
    },
  );

  test('a higher crossing takes back the acknowledgement of the lesser one, and no row of another episode', async () => {
    const acked = { sensorId: 1, ...KEY, alertType: 'temperature_high', firedAtUs: raised.timeUs, alertId: ID, ackedAtMs: 1, ackedBy: 'ann' }; // prettier-ignore
    await db.store.commit(batchOf([], { alerts: { raised: [raised], acked: [acked] } }));
    const other = '6a7c1f5e-8a75-5f1d-9d2e-0c5f5b1c9a01';
    const standing = () => db.rows('SELECT alert_id, severity, acked_by FROM sensor_alerts');
    for (const [alertId, expected] of [
      [other, { alert_id: ID, severity: 'warning', acked_by: 'ann' }],
      [ID, { alert_id: ID, severity: 'critical', acked_by: null }],
    ] as const) {
      await db.store.commit(
        batchOf([], { alerts: { raised: [{ ...raised, alertId, severity: 'critical' }] } }),
      );
      expect(await standing()).toEqual([expected]);
    }
  });
});

describe('two alerts of one type and one moment', () => {
  const RATE = { metric: 'flow', kind: 'rate', side: 'high' } as const;
  const LIMIT = { metric: 'flow_rate', kind: 'threshold', side: 'high' } as const;
  const OTHER = '6a7c1f5e-8a75-5f1d-9d2e-0c5f5b1c9a01';
  const of = <T extends object>(row: T) => [
    { ...row, ...RATE, alertType: 'flow_rate_high' },
    { ...row, ...LIMIT, alertType: 'flow_rate_high', alertId: OTHER },
  ];

  test('are two rows and two states, acknowledged, resolved and forgotten each by itself', async () => {
    await db.store.commit(batchOf(hot, { alerts: { raised: of(raised), states: of(firing) } }));
    expect(await db.rows('SELECT metric, kind FROM alert_state ORDER BY 1')).toEqual([
      { metric: 'flow', kind: 'rate' },
      { metric: 'flow_rate', kind: 'threshold' },
    ]);
    const [ended] = of(resolution);
    const [, acked] = of({
      sensorId: 1,
      firedAtUs: raised.timeUs,
      alertId: ID,
      ackedAtMs: 1,
      ackedBy: 'ann',
    });
    const [over] = of({ ...firing, state: 'ok' as const, detail: {} });
    if (ended === undefined || acked === undefined || over === undefined) throw new Error('two of each');
    await db.store.commit(batchOf([], { alerts: { resolved: [ended], acked: [acked], states: [over] } }));
    expect(
      await db.rows('SELECT metric, acked_by, resolved_value FROM sensor_alerts ORDER BY metric'),
    ).toEqual([
      { metric: 'flow', acked_by: null, resolved_value: 20 },
      { metric: 'flow_rate', acked_by: 'ann', resolved_value: null },
    ]);
    expect(await db.rows('SELECT metric FROM alert_state')).toEqual([{ metric: 'flow_rate' }]);
  });

  test('an end before the beginning is the beginning', async () => {
    const early = { ...resolution, resolvedAtUs: raised.timeUs - 1 };
    await db.store.commit(batchOf(hot, { alerts: { ...onset, resolved: [early] } }));
    expect(await db.rows('SELECT resolved_at >= time AS fine FROM sensor_alerts')).toEqual([{ fine: true }]);
  });
});

describe('alert state', () => {
  const alerts = () => new TimescaleAlertStore(pool);

  test('comes back as it was written, to the microsecond', async () => {
    const pending: AlertStateRow = {
      ...firing, side: 'low', alertType: 'temperature_low', state: 'pending', alertId: null, sinceUs: START_US + 1, startedAtUs: null,
      firedAtUs: null, threshold: null, peakValue: null, seq: 0, detail: {},
    }; // prettier-ignore
    await db.store.commit(batchOf([], { alerts: { states: [pending, firing] } }));
    expect(await alerts().loadStates()).toEqual([firing, pending]);
  });

  test('is replaced; ok without anything to remember deletes it, ok with detail stays', async () => {
    const states = (...rows: AlertStateRow[]) => db.store.commit(batchOf([], { alerts: { states: rows } }));
    await states(firing);
    await states({ ...firing, state: 'recovering', seq: 2 });
    expect(await alerts().loadStates()).toMatchObject([{ state: 'recovering', seq: 2 }]);
    await states({ ...firing, state: 'ok', detail: { flaps: [1] } });
    expect(await alerts().loadStates()).toMatchObject([{ state: 'ok', detail: { flaps: [1] } }]);
    await states({ ...firing, state: 'ok', detail: {} });
    expect(await alerts().loadStates()).toEqual([]);
  });

  test('pending notifications come back in order until they are marked sent', async () => {
    const second = { ...notification, seq: 2, event: 'resolved' } as const;
    await db.store.commit(batchOf([], { alerts: { notifications: [notification, second] } }));
    const pending = await alerts().pendingNotifications();
    expect(pending).toEqual([
      { ...notification, sensorKey: 'kitchen\ufffd' },
      { ...second, sensorKey: 'kitchen\ufffd' },
    ]);
    await alerts().markSent([notification]);
    expect((await alerts().pendingNotifications()).map(({ seq }) => seq)).toEqual([2]);
    await alerts().markSent([second]);
    expect(await alerts().pruneSent(Date.now() + 60_000, 1)).toBe(true);
    expect(await alerts().pruneSent(Date.now() + 60_000, 10)).toBe(false);
    expect(await db.rows('SELECT 1 FROM alert_outbox')).toEqual([]);
  });

  test('the last reading of each metric within a span', async () => {
    await db.store.commit(
      batchOf([
        reading(1, 0, { temperature: 1, co2: 400 }), reading(1, 10, { temperature: 2, humidity: 5 }),
        reading(1, 20, { rssi: -70, co2: 500 }), reading(2, 15, { battery: 9 }), reading(2, 99, { battery: 8 }),
      ]), // prettier-ignore
    );
    const span = (sensorId: number, to: number) => ({ sensorId, fromUs: START_US, toUs: START_US + to });
    const last = await alerts().lastReadings([span(1, 30), span(2, 20), span(3, 30)]);
    expect(new Map(last.map((r) => [`${r.sensorId} ${r.metric}`, [r.timeUs - START_US, r.value]]))).toEqual(
      new Map([
        ['1 temperature', [10, 2]],
        ['1 humidity', [10, 5]],
        ['1 rssi', [20, -70]],
        ['1 co2', [20, 500]],
        ['2 battery', [15, 9]],
      ]),
    );
    const some = async (...metrics: string[]) =>
      (await alerts().lastReadings([span(1, 30)], new Set(metrics))).map(({ metric }) => metric).sort();
    expect(await some('temperature', 'battery')).toEqual(['temperature']);
    expect(await some('co2')).toEqual(['co2']);
    expect(await some()).toEqual([]);
    expect(await alerts().lastReadings([])).toEqual([]);
  });
});

describe('readings that wait for earlier ones', () => {
  const alerts = () => new TimescaleAlertStore(pool);
  const RULES = new RuleSet(
    alertsSchema.parse({
      allowed_lateness: '2s',
      metrics: { temperature: { max: 30 }, co2: { max: 1000 } },
    }),
  );
  const SENSORS = [1, 2].map((id) => ({
    id,
    key: `s${id}`,
    name: null,
    type: null,
    location: null,
    tags: [],
  }));
  const clock = new FakeClock(START_US / 1000);

  const begin = async () => {
    const alertManager = createAlertManager({
      ...{
        rules: RULES,
        store: alerts(),
        lastReadings: alerts().lastReadings,
        operators: { poll: async () => ({ silences: [], commands: [] }), announce: async () => [] },
      },
      ...{ logger: new QuietLogger(), metrics: new RecordingMetrics(), clock },
    });
    await alertManager.load(SENSORS);
    return alertManager;
  };

  const write = async (
    alertManager: AlertManager,
    sensorId: number,
    atS: number,
    of: Record<string, number>,
  ) => {
    clock.advance(START_US / 1000 + atS * 1000 - clock.nowMs());
    const sensor = SENSORS.find(({ id }) => id === sensorId)!;
    const { timeUs, metrics } = reading(sensorId, atS * 1e6, of);
    const readings = [{ sensor, timeUs, metrics, receivedAtMs: clock.nowMs() }];
    await alertManager.prepare(readings);
    const evaluation = await alertManager.evaluate(readings);
    await db.store.commit({ ...batchOf([{ sensorId, timeUs, metrics }]), alerts: evaluation.batch });
    evaluation.commit();
  };

  test('the alerts of processes killed between any two batches are those of a single one', async () => {
    const values = [20, 31, 35, 28, 33, 34, 29, 25, 36, 20, 20, 20, 20];
    // Every second pair comes in the wrong order.
    const seconds = values.map((_, second) =>
      second % 4 === 1 ? second + 1 : second % 4 === 2 ? second - 1 : second,
    );
    const send = async (alertManager: AlertManager, sensorId: number, second: number) => {
      const value = values[second]!;
      await write(alertManager, sensorId, second, second % 3 === 0 ? { temperature: value, co2: value * 30 } : { temperature: value }); // prettier-ignore
    };
    const alive = await begin();
    for (const second of seconds) await send(alive, 1, second);
    for (const [index, second] of seconds.entries()) {
      const life = await begin();
      await send(life, 2, second);
      // Nothing of a reading is copied, however many wait.
      expect(await db.rows(`SELECT FROM alert_state WHERE length(detail::text) > 200`)).toEqual([]);
      if (index % 4 === 3) await send(life, 2, second);
    }
    const rows = (sensorId: number) =>
      db.rows(
        `SELECT time, alert_type, value, resolved_at, resolved_value, peak_value FROM sensor_alerts WHERE sensor_id = $1
         ORDER BY time, alert_type`,
        [sensorId],
      );
    expect((await rows(1)).length).toBeGreaterThan(2);
    expect(await rows(2)).toEqual(await rows(1));
    // Each process has put one row in the place of its predecessors'.
    expect((await db.rows('SELECT FROM alert_watermarks')).length).toBeLessThan(30);
  });

  test('what an earlier version copied into its states waits on, and its writes are refused by now', async () => {
    const copied = { ...firing, state: 'ok', detail: { received: 1, held: [] } } as const;
    await expect(db.store.commit(batchOf([], { alerts: { states: [copied] } }))).rejects.toThrow(
      'alert_state_written_by_an_earlier_version',
    );
    const held = JSON.stringify([{ timeUs: START_US + 1e6, value: 31, receivedAtMs: START_US / 1000 }]);
    const CHECK = 'alert_state_written_by_an_earlier_version';
    await db.rows(`ALTER TABLE alert_state DROP CONSTRAINT ${CHECK}`);
    await db.rows(
      `INSERT INTO alert_state (sensor_id, metric, kind, side, alert_type, state, severity, seq, last_event_at, last_value,
         rule_hash, detail)
       VALUES (1, 'temperature', 'threshold', 'high', 'temperature_high', 'ok', 'warning', 0, '2026-01-01', 20, 'h',
         jsonb_build_object('held', $1::jsonb))`,
      [held],
    );
    await db.rows(`ALTER TABLE alert_state ADD CONSTRAINT ${CHECK} CHECK (NOT detail ? 'held') NOT VALID`);
    await write(await begin(), 2, 1, { temperature: 20 });
    expect(await db.rows('SELECT unstored_values FROM alert_watermarks')).toEqual([
      { unstored_values: [31] },
    ]);
    await write(await begin(), 1, 9, { temperature: 20 });
    expect(await db.rows('SELECT value FROM sensor_alerts')).toEqual([{ value: 31 }]);
    expect(await db.rows(`SELECT FROM alert_state WHERE detail ? 'held'`)).toEqual([]);
  });
});

describe('dead letters', () => {
  const letter = {
    receivedAtMs: 1_767_225_600_123, topic: 'a\0b/\ud800', payload: new Uint8Array([0, 255, 10, 92, 34]),
    reason: 'parse_error', detail: undefined,
  }; // prettier-ignore

  test('are stored as received, with what text cannot hold replaced, and once', async () => {
    const letters = [letter, { ...letter, detail: 'line\0 1', payload: new Uint8Array() }];
    await db.store.commit(batchOf([], { deadLetters: letters }));
    await db.store.commit(batchOf([], { deadLetters: letters, retry: true }));
    const rows = await db.rows(
      'SELECT topic, payload, reason, detail, received_at FROM dead_letters ORDER BY detail',
    );
    expect(rows).toEqual([
      { topic: 'a\ufffdb/\ufffd', payload: Buffer.alloc(0), reason: 'parse_error', detail: 'line\ufffd 1',
        received_at: new Date(letter.receivedAtMs) },
      { topic: 'a\ufffdb/\ufffd', payload: Buffer.from([0, 255, 10, 92, 34]), reason: 'parse_error', detail: null,
        received_at: new Date(letter.receivedAtMs) },
    ]); // prettier-ignore
  });

  test('statement 6: what the broker delivers again, to whichever process, is stored once', async () => {
    const letter = { id: randomUUID(), receivedAtMs: 1.7e12, topic: 't', payload: Buffer.from('x'), reason: 'parse_error', detail: undefined }; // prettier-ignore
    const again = { ...letter, receivedAtMs: 1.7e12 + 86_400_000, redelivered: true };
    // Published anew: another one.
    const anew = { ...letter, receivedAtMs: 1.7e12 + 0.001 };
    for (const deadLetters of [[letter], [letter], [again, anew], [again]])
      await db.store.commit(batchOf([], { deadLetters }));
    const rows = await db.rows(
      `SELECT extract(epoch FROM received_at) * 1000 AS at FROM dead_letters ORDER BY 1`,
    );
    expect(rows.map(({ at }) => Number(at))).toEqual([letter.receivedAtMs, anew.receivedAtMs]);
    const first = { ...again, id: randomUUID() };
    await db.store.commit(batchOf([], { deadLetters: [first] }));
    expect(await db.rows('SELECT FROM dead_letters')).toHaveLength(3);
  });

  test('two messages that are the same are two dead letters', async () => {
    await db.store.commit(batchOf([], { deadLetters: [{ ...letter }, { ...letter }] }));
    expect(await db.rows('SELECT count(*)::int AS n FROM dead_letters')).toEqual([{ n: 2 }]);
  });

  test('statement 6: of a large payload the beginning is kept, with its length and hash; it is not requeued', async () => {
    const store = db.another({ deadLetterMaxBytes: 1000 });
    const payload = Buffer.alloc(300_000, 'x');
    // Beyond what one INSERT takes, in letters as in bytes.
    const whole = Array.from({ length: 1500 }, (_, i) => ({
      ...letter,
      topic: `t/${i}`,
      payload: payload.subarray(0, 1000),
    }));
    await store.commit(batchOf([], { deadLetters: [{ ...letter, payload }, ...whole] }));
    expect(await db.rows('SELECT count(*)::int AS n FROM dead_letters WHERE payload_bytes IS NULL')).toEqual([
      { n: 1500 },
    ]);
    const cut = await db.rows<DeadLetterKey>(
      `SELECT id, received_at::text AS "receivedAt", payload, payload_bytes, encode(payload_sha256, 'hex') AS sha256 FROM dead_letters WHERE payload_bytes IS NOT NULL`,
    );
    const sha256 = createHash('sha256').update(payload).digest('hex');
    expect(cut).toMatchObject([{ payload: payload.subarray(0, 1000), payload_bytes: 300_000, sha256 }]);
    const sent: unknown[] = [];
    const requeued = requeueDeadLetters(pool, cut, async (each) => sent.push(each) > 0);
    await expect(requeued).rejects.toMatchObject({ code: 'DEAD_LETTER_TRUNCATED' });
    expect(sent).toEqual([]);
  });

  const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000';
  const keysOf = () =>
    db.rows<DeadLetterKey>(
      'SELECT id, received_at::text AS "receivedAt" FROM dead_letters ORDER BY received_at',
    );

  test('equal messages have one id: each is requeued for itself, and one that fails again meanwhile is not noted', async () => {
    const equal = (n: number) => ({ ...letter, id: UNKNOWN_ID, receivedAtMs: letter.receivedAtMs + n });
    await db.store.commit(batchOf([], { deadLetters: [1, 2, 3].map(equal) }));
    const keys = await keysOf();
    let sent = 0;
    const count = await requeueDeadLetters(pool, keys.slice(0, 2), async () => {
      await db.store.commit(batchOf([], { deadLetters: [equal(10 + ++sent)] }));
      return true;
    });
    expect([count, sent]).toEqual([2, 2]);
    const open = await db.rows('SELECT requeued_at IS NULL AS open FROM dead_letters ORDER BY received_at');
    expect(open.map((row) => row['open'])).toEqual([false, false, true, true, true]);
  });

  test('are requeued and noted, and not twice', async () => {
    await db.store.commit(batchOf([], { deadLetters: [letter] }));
    const keys = await keysOf();
    const sent: Buffer[] = [];
    const unknown = { id: UNKNOWN_ID, receivedAt: keys[0]?.receivedAt ?? '' };
    const count = await requeueDeadLetters(
      pool,
      [...keys, unknown],
      async ({ payload }) => sent.push(payload) > 0,
    );
    expect([count, sent]).toEqual([1, [Buffer.from(letter.payload)]]);
    expect(await db.rows('SELECT 1 FROM dead_letters WHERE requeued_at IS NULL')).toEqual([]);
    const yes = async () => true;
    expect(await requeueDeadLetters(pool, keys, yes)).toBe(0);
    expect(await requeueDeadLetters(pool, keys, yes, true)).toBe(1);
    expect(await requeueDeadLetters(pool, keys, async () => false, true)).toBe(0);
    // While one does it, no other does.
    const other = createPool({ url: db.url }, new QuietLogger());
    const meanwhile = async () => {
      await expect(requeueDeadLetters(await other, keys, yes, true)).rejects.toMatchObject({
        code: 'RETRY_RUNNING',
      });
      return true;
    };
    expect(await requeueDeadLetters(pool, keys, meanwhile, true)).toBe(1);
    await (await other).end();
  });
});

describe('sensors', () => {
  test('locate: fills in an unset location, and only that', async () => {
    const directory = new TimescaleSensorStore(pool);
    await directory.declare([{ key: 'placed', location: 'lab' }, { key: 'loose' }]);
    const found = await directory.locate([
      { key: 'placed', location: 'attic' },
      { key: 'loose', location: 'coldroom' },
      { key: 'nobody', location: 'x' },
    ]);
    expect(Object.fromEntries(found.map(({ key, location }) => [key, location]))).toEqual({
      placed: 'lab',
      loose: 'coldroom',
    });
  });

  test('register: unknown ones get ids, known ones keep theirs, in any order of registration', async () => {
    const directory = new TimescaleSensorStore(pool);
    const [a] = await directory.register([{ key: 'a' }]);
    const rounds = await Promise.all([
      directory.register([{ key: 'b' }, { key: 'a' }, { key: 'c' }]),
      directory.register([{ key: 'c' }, { key: 'b' }, { key: 'd' }]),
    ]);
    const all = await directory.loadAll();
    expect(all.map(({ key }) => key).sort()).toEqual(['a', 'b', 'c', 'd']);
    expect(all.find(({ key }) => key === 'a')).toEqual({
      ...a,
      name: null,
      type: null,
      location: null,
      tags: [],
    });
    for (const sensor of rounds.flat()) expect(all).toContainEqual(sensor);
    expect(await directory.find(['d', 'nobody'])).toMatchObject([{ key: 'd' }]);
    const highest = Math.max(...all.map(({ id }) => id));
    await directory.register([{ key: 'a' }, { key: 'b' }, { key: 'c' }, { key: 'd' }]);
    await directory.register([{ key: 'e' }]);
    expect(Math.max(...(await directory.loadAll()).map(({ id }) => id))).toBeLessThanOrEqual(highest + 3);
  });

  test('declare: what the configuration states is set, what it leaves open stays', async () => {
    const directory = new TimescaleSensorStore(pool);
    await directory.register([{ key: 'a' }]);
    await directory.declare([
      { key: 'a', name: 'Oven', tags: ['x', 'y'] },
      { key: 'b', location: 'lab' },
    ]);
    await directory.declare([{ key: 'a', type: 'probe' }]);
    expect(await directory.loadAll()).toMatchObject([
      { key: 'a', name: 'Oven', type: 'probe', tags: ['x', 'y'] },
      { key: 'b', location: 'lab', tags: [] },
    ]);
    expect(await db.rows('SELECT key, declared FROM sensors ORDER BY key')).toEqual([
      { key: 'a', declared: true },
      { key: 'b', declared: false },
    ]);
  });
});
