import { describe, expect, it } from '@jest/globals';
import { watchTime } from '../../../src/app/wiring/alert.ts';
import { NO_WATERMARKS } from '../../../src/core/alert/engine/watermarks.ts';
import { type AlertNotification, EMPTY_ALERT_BATCH } from '../../../src/core/alert/model.ts';
import { AVAILABILITY } from '../../../src/core/reading.ts';
import type { AlertManager } from '../../../src/services/alert/alert-manager.ts';
import type { EvaluatedBatch } from '../../../src/services/alert/evaluation.ts';
import type { BatchWriter } from '../../../src/services/ingest/batch-writer.ts';
import { settle, stored } from '../../support/fakes.ts';
import {
  DAY_MS,
  NOW_MS,
  away,
  conserved,
  fail,
  full,
  setup,
  slowly,
  times,
  unknown,
} from './spooling-setup.ts';

describe('statement 18: the spool is drained', () => {
  it('drains as soon as the database was seen to be back, however long the pause would be', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    void harness.writer.write(harness.batch(['s1 1']));
    await harness.pass(20_000);
    const tried = harness.drain.batches.length;
    harness.drain.auto = harness.live.auto = stored;
    await settle(20);
    // It waits for its next try.
    expect(harness.drain.batches.length).toBe(tried);
    harness.drainer.retryNow();
    await settle(20);
    expect(harness.spoolWriter.active).toBe(false);
    expect(conserved(harness)).toMatchObject({ stored: 1 });
  });

  it('drains the alerts of a large batch, which take longer than one answer may', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    const written = harness.writer.write(harness.batch(['s1 99']));
    await harness.pass(5100);
    expect(await written).toBe('spooled');
    harness.drain.commit = slowly(harness, 10);
    harness.live.auto = stored;
    await harness.pass(120_000);
    expect([harness.spoolWriter.active, harness.spool.records.length]).toEqual([false, 0]);
  });

  it('publishes alerts at once, stores them first and in order, and the rest during new batches', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    const first = harness.writer.write(harness.batch(['s1 99', 's1 1']));
    await harness.pass(5100);
    await first;
    await harness.writer.write(harness.batch(['s1 99']));
    expect(harness.alertManager.lines.map(([, persisted]) => persisted)).toEqual([false, false]);
    expect(harness.alertManager.committed).toHaveLength(3);

    harness.drain.batches.length = 0;
    harness.live.auto = harness.drain.auto = stored;
    await harness.pass(2000);
    const [alerts, ...rest] = harness.drain.batches;
    expect(alerts?.alerts.notifications.map(({ alertId }) => [alertId, false])).toEqual(
      harness.alertManager.lines.slice(0, 2),
    );
    expect(times(rest).reduce((sum, rows) => sum + rows, 0)).toBe(3);
    expect(harness.spoolWriter.active).toBe(false);
    expect(harness.writer.health).toEqual({ state: 'ok' });
    expect(await harness.writer.write(harness.batch(['s1 3']))).toMatchObject({
      kind: 'committed',
      stored: 1,
    });
    expect(harness.spool.records).toEqual([]);
    expect(conserved(harness)).toMatchObject({ stored: 3, inFlight: 1 });
  });

  it('stores many alert records in few transactions, reads each once, and returns to live batches', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    const first = harness.writer.write(harness.batch(['s1 99']));
    await harness.pass(5100);
    await first;
    for (let n = 1; n < 1000; n++) await harness.writer.write(harness.batch(['s1 99']));
    expect(harness.spool.contents.lanes.alerts.records).toBe(1000);
    harness.spool.read = harness.drain.batches.length = 0;
    harness.live.auto = harness.drain.auto = stored;
    // The load goes on: each pass brings another record until the order allows it to go to the database.
    let passes = 0;
    for (; harness.spoolWriter.active && passes < 100; passes++) {
      void harness.writer.write(harness.batch(['s1 99']));
      await harness.pass(100);
    }
    expect(passes).toBeLessThan(30);
    await harness.pass(1000);
    const alerts = harness.drain.batches.filter(({ alerts: { notifications } }) => notifications.length > 0);
    expect(alerts.length).toBeLessThan(40);
    // Once as alerts, and once as readings.
    expect(harness.spool.read).toBeLessThanOrEqual(2 * (1000 + passes));
    const ids = harness.alertManager.lines.filter(([, persisted]) => persisted).map(([id]) => id);
    expect(ids).toHaveLength(1000 + passes);
    expect(ids).toEqual([...ids].sort());
    expect(harness.spool.records).toEqual([]);
  });

  it('evaluates devices that are unknown to the engine when the database is back, behind their own readings', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    harness.directory.failWith = away;
    const first = harness.writer.write(harness.batch(['s2 99', 'new 99', 's1 99']));
    await harness.pass(5100);
    await first;
    harness.alertManager.known.add(2);
    await harness.writer.write(harness.batch(['s2 99']));
    expect(harness.alertManager.lines).toHaveLength(1);
    expect(harness.spool.contents.lanes.unresolved).toMatchObject({ records: 2, items: 3 });

    harness.directory.failWith = undefined;
    harness.live.auto = harness.drain.auto = stored;
    await harness.pass(2000);
    expect(harness.spoolWriter.active).toBe(false);
    expect(
      harness.alertManager.lines.filter(([, persisted]) => persisted).map(([id]) => id.split('|')[0]),
    ).toEqual(['s1', 's2', 'new', 's2']);
    expect(conserved(harness)).toMatchObject({ stored: 4, inFlight: 0 });
  });

  it('keeps availability for the engine, and counts it as no item', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    harness.directory.failWith = away;
    const seen: [string, boolean, boolean][] = [];
    const evaluate = harness.alertManager.evaluate.bind(harness.alertManager);
    harness.alertManager.evaluate = (rows) => {
      for (const { key, metrics, retained } of rows) seen.push([key, metrics.has(AVAILABILITY), retained]);
      return evaluate(rows);
    };
    const batch = harness.batch(['s2 1']);
    for (const device of ['s2', 'nobody']) {
      const reading = {
        device,
        timeUs: NOW_MS * 1000,
        location: undefined,
        metrics: new Map([[AVAILABILITY, 0]]),
      };
      const message = { topic: 'lwt', payload: new Uint8Array(1), receivedAtMs: NOW_MS, retain: true };
      batch.addReading(reading, message, NOW_MS, undefined);
    }
    const first = harness.writer.write(batch);
    await harness.pass(5100);
    expect(await first).toBe('spooled');
    expect(harness.spool.contents.lanes.unresolved).toMatchObject({ records: 1, items: 1 });
    harness.directory.failWith = undefined;
    harness.live.auto = harness.drain.auto = stored;
    await harness.pass(2000);
    expect(seen).toEqual([
      ['s2', false, false],
      ['s2', true, true],
    ]);
    expect(conserved(harness)).toMatchObject({ stored: 1, inFlight: 0 });
    expect(harness.metrics.scrape().get('fieldwatch_availability_unregistered_total')).toBe(1);
    expect(times(harness.drain.batches)).toEqual([1]);
  });

  it('evaluates the readings of a sensor in order that was registered while its batch arrived', async () => {
    const harness = await setup();
    const early = harness.batch(['new 99', 'other 99']);
    harness.live.auto = stored;
    await harness.writer.write(harness.batch(['new 1']));
    early.rowList.push(...harness.batch(['new 99', 'new 1']).rowList);
    fail(away, harness.live, harness.drain);
    harness.directory.failWith = away;
    const written = harness.writer.write(early);
    await harness.pass(5100);
    expect(await written).toBe('spooled');
    harness.directory.failWith = undefined;
    harness.live.auto = harness.drain.auto = stored;
    await harness.pass(2000);

    const order = (device: string) =>
      early.rowList.filter(({ key }) => key === device).map(({ timeUs }) => timeUs);
    expect(harness.alertManager.committed.slice(1)).toEqual([...order('new'), ...order('other')]);
    expect(harness.alertManager.lines.map(([id, persisted]) => [id.split('|')[0], persisted])).toEqual([
      ['new', false],
      ['new', false],
      ['new', true],
      ['new', true],
      ['other', true],
    ]);
    expect(harness.spool.records).toEqual([]);
  });

  it('statement 8: sets a batch aside that fails for no known reason, and stores its neighbours', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    const first = harness.writer.write(harness.batch(['s1 1']));
    await harness.pass(5100);
    await first;
    await harness.writer.write(harness.batch(['s1 13']));
    await harness.writer.write(harness.batch(['s1 2']));
    harness.live.auto = stored;
    harness.drain.auto = (batch) =>
      batch.readings.some(({ metrics }) => metrics.get('temperature') === 13) ? unknown : stored(batch);
    await harness.pass(20_000);
    expect(harness.spool.parked).toHaveLength(1);
    expect(harness.spool.records).toEqual([]);
    expect(harness.spoolWriter.active).toBe(false);
    expect(harness.spoolWriter.health).toMatchObject({ parked: 1 });
    expect(conserved(harness)).toMatchObject({ received: 3, stored: 2, inFlight: 1 });
  });

  it('keeps a row that is refused while it drains as a dead letter, with the same id at every attempt', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    const first = harness.writer.write(harness.batch(['s1 1', 's1 2']));
    await harness.pass(5100);
    await first;
    const ids = new Set<string | undefined>();
    let refusals = 0;
    harness.live.auto = stored;
    harness.drain.auto = (batch) => {
      for (const { id } of batch.deadLetters) ids.add(id);
      if (batch.readings.length === 2)
        return { kind: 'row_refused', index: 0, sqlstate: '22003', message: 'too much' };
      return refusals++ === 0 ? away : stored(batch);
    };
    await harness.pass(5000);
    expect(ids.size).toBe(1);
    expect(conserved(harness)).toMatchObject({ stored: 1, deadLettered: 1, inFlight: 0 });
  });

  it('started without the database: evaluates nothing before the alert state is read, then all in order', async () => {
    let back = false;
    const harness = await setup({
      cold: async ({ registry, alertManager }) => {
        if (!back) throw away;
        await registry.load();
        alertManager.known.add(3);
      },
    });
    harness.directory.add('s3');
    fail(away, harness.live, harness.drain);
    harness.alertManager.known.add(1);
    expect(await harness.writer.write(harness.batch(['s1 99', 'new 99']))).toBe('spooled');
    await harness.pass(3000);
    expect(harness.writer.health).toMatchObject({ state: 'failing', code: 'DB_UNREACHABLE' });
    expect(harness.start.done).toBe(false);
    expect(await harness.writer.write(harness.batch(['s1 1', 's2 99']))).toBe('spooled');
    expect(harness.spool.contents.lanes.unresolved).toMatchObject({ records: 2, items: 4 });
    expect(harness.alertManager.committed).toEqual([]);

    back = true;
    await harness.pass(1500);
    // The state is read, and the database away again: it is unknown which readings the last process left unevaluated.
    expect(harness.start.done).toBe(true);
    expect(await harness.writer.write(harness.batch(['s3 1']))).toBe('spooled');
    expect(harness.spool.contents.lanes).toMatchObject({ unresolved: { items: 5 }, readings: { items: 0 } });
    expect(harness.writer.evaluationSuspended).toBe(true);
    harness.live.auto = harness.drain.auto = stored;
    await harness.pass(3000);
    expect(harness.writer.evaluationSuspended).toBe(false);
    expect(harness.writer.health).toEqual({ state: 'ok' });
    expect(harness.alertManager.committed).toEqual([...harness.alertManager.committed].sort((a, b) => a - b));
    expect(harness.alertManager.lines.map(([id, persisted]) => [id.split('|')[0], persisted])).toEqual([
      ['s1', true],
      ['new', true],
      ['s2', true],
    ]);
    expect(conserved(harness)).toMatchObject({ received: 5, stored: 5, inFlight: 0 });
    expect(await harness.writer.write(harness.batch(['s1 2']))).toMatchObject({ kind: 'committed' });
  });

  it.each([
    [true, 0],
    [false, 1],
  ])('lets time decide nothing while evaluation is suspended: %s', async (evaluationSuspended, commits) => {
    const asked: unknown[] = [];
    let tick: ((evaluate: () => EvaluatedBatch) => Promise<void>) | undefined;
    watchTime(
      { start: (commit) => (tick = commit) } as Pick<AlertManager, 'start'> as AlertManager,
      {
        evaluationSuspended,
        commitAlerts: async (evaluate: unknown) => void asked.push(evaluate),
      } as unknown as BatchWriter,
    );
    await tick?.(() => ({ batch: EMPTY_ALERT_BATCH, commit: () => {} }));
    expect(asked).toHaveLength(commits);
  });

  it('lets more new sensors than may register in a minute wait for the next, and refuses none', async () => {
    const harness = await setup({ maxNewPerMinute: 2 });
    fail(away, harness.live, harness.drain);
    harness.directory.failWith = away;
    const first = harness.writer.write(harness.batch(['n1 1', 'n2 1', 'n3 99', 'n4 1', 'n5 1']));
    await harness.pass(5100);
    expect(await first).toBe('spooled');
    harness.directory.failWith = undefined;
    harness.live.auto = harness.drain.auto = stored;
    await harness.pass(5000);
    expect(harness.directory.sensors.size).toBe(2 + 2);
    // What is known goes on meanwhile, its alerts at once.
    expect(await harness.writer.write(harness.batch(['s1 99']))).toBe('spooled');
    await harness.pass(2000);
    expect(conserved(harness)).toMatchObject({ stored: 1, deadLettered: 0, inFlight: 5 });
    expect(harness.alertManager.lines.map(([, persisted]) => persisted)).toEqual([false, true]);
    expect(harness.writer.health).toEqual({ state: 'ok' });
    await harness.pass(130_000);
    expect(conserved(harness)).toMatchObject({ stored: 6, deadLettered: 0, inFlight: 0 });
    expect(harness.spoolWriter.active).toBe(false);
  });

  it.each([
    ['none may register', 0, 5000],
    ['a flood of new names does not end', 1, 3_700_000],
  ])('refuses new sensors as ever where %s', async (_, maxNewPerMinute, afterMs) => {
    const harness = await setup({ maxNewPerMinute });
    fail(away, harness.live, harness.drain);
    harness.directory.failWith = away;
    const names = Array.from({ length: 200 }, (__, i) => `n${i} 1`);
    const first = harness.writer.write(harness.batch(names));
    await harness.pass(5100);
    await first;
    harness.directory.failWith = undefined;
    harness.live.auto = harness.drain.auto = stored;
    for (let passedMs = 0; passedMs < afterMs; passedMs += 1000) {
      harness.clock.advance(1000);
      await settle(4);
    }
    expect(harness.spoolWriter.active).toBe(false);
    const { stored: kept, deadLettered } = conserved(harness);
    expect(kept + deadLettered).toBe(200);
    expect(deadLettered).toBeGreaterThan(100);
  });

  it('takes what time decides for the alerts, too', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    const notifications = [{ alertId: 'silent', seq: 1 } as AlertNotification];
    let committed = false;
    const batch = { states: [], raised: [], resolved: [], notifications };
    const done = harness.writer.commitAlerts(() => ({ batch, commit: () => void (committed = true) }));
    await harness.pass(5100);
    await done;
    expect(committed).toBe(true);
    expect(harness.alertManager.lines).toEqual([['silent', false]]);
    expect(harness.spool.contents.lanes.alerts.records).toBe(1);
  });
});

describe('statement 17: late readings', () => {
  it('go through the spool in small transactions, evaluated with their batch; their span is reported', async () => {
    const harness = await setup();
    harness.live.auto = harness.drain.auto = stored;
    const batch = harness.batch(
      ['s1 99', ...Array.from({ length: 1199 }, () => 's1 1')],
      NOW_MS - 8 * DAY_MS,
    );
    const fresh = harness.batch(['s1 5']);
    batch.rowList.push(...fresh.rowList);
    const outcome = await harness.writer.write(batch);
    expect(outcome).toMatchObject({ kind: 'committed', stored: 1 });
    // On disk before they are evaluated: a process that dies here evaluates them when they come again.
    expect(await harness.spool.watermarks()).toEqual(NO_WATERMARKS);
    expect(
      harness.live.batches.map(({ readings, alerts }) => [readings.length, alerts.notifications.length]),
    ).toEqual([[1, 1]]);
    await harness.pass(1000);
    expect(times(harness.drain.batches).filter((rows) => rows > 0)).toEqual([500, 500, 200]);
    expect(harness.spool.records).toEqual([]);
  });

  it('go with their batch where the spool has no room', async () => {
    const harness = await setup();
    harness.live.auto = stored;
    harness.spool.failWith = full;
    const batch = harness.batch(['s1 1'], NOW_MS - 8 * DAY_MS);
    expect(await harness.writer.write(batch)).toMatchObject({ kind: 'committed', stored: 1 });
  });
});
