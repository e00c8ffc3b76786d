import { describe, expect, it } from '@jest/globals';
import { followLocations } from '../../../src/app/wiring/alert.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { EMPTY_ALERT_BATCH } from '../../../src/core/alert/model.ts';
import type { Sensor } from '../../../src/ports/sensors.ts';
import type { StoreBatch } from '../../../src/ports/store.ts';
import { stored } from '../../support/fakes.ts';
import { away, conserved, fail, full, rights, setup, slowly, unknown } from './spooling-setup.ts';

describe('statement 18: the spool while the database is away', () => {
  it('does not keep requests of operators: they wait in their table until the spool is drained', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    void harness.writer.write(harness.batch(['s1 1']));
    await harness.pass(5200);
    let carriedOut = 0;
    const commands = { by: 'me', outcomes: [{ id: '7', outcome: 'done' as const }] };
    const obey = () => ({ batch: { ...EMPTY_ALERT_BATCH, commands }, commit: () => void carriedOut++ });
    const before = harness.spool.records.length;
    await harness.writer.commitCommands(obey);
    // The database is back, and what is on disk is not in it yet.
    harness.live.auto = stored;
    await harness.writer.commitCommands(obey);
    expect([carriedOut, harness.spool.records.length]).toEqual([0, before]);
    harness.drain.auto = stored;
    await harness.pass(3000);
    expect(harness.spoolWriter.active).toBe(false);
    // For a role of few connections: what drained needs its own no more.
    expect(harness.drain.disconnects).toBe(1);
    await harness.writer.commitCommands(obey);
    expect(carriedOut).toBe(1);
    expect(harness.live.batches.at(-1)?.alerts.commands).toEqual(commands);
  });

  it('is no reason to move the states of all sensors for one that gets its location', async () => {
    const { registry, writer, pass, live, drain, batch, alertManager } = await setup();
    const placed: string[] = [];
    const reloaded: string[] = [];
    const manager = Object.assign(alertManager, {
      place: (sensors: readonly Sensor[]) => placed.push(...sensors.map(({ key }) => key)) > 0,
      reload: () => {
        reloaded.push('all');
        return { batch: EMPTY_ALERT_BATCH, commit: () => {} };
      },
      follows: () => reloaded.length > 0,
    });
    const { config } = loadConfig({ text: '{}', file: 'none.yaml', env: {} });
    followLocations({
      ...{ registry, writer, live: { config }, alertManager: manager },
    } as unknown as Parameters<typeof followLocations>[0]);
    fail(away, live, drain);
    void writer.write(batch(['s1 1']));
    await pass(5200);
    registry.onPlaced?.([registry.find('s1')!]);
    await pass(200);
    expect([placed, reloaded]).toEqual([['s1'], []]);
  });

  it.each([
    ['unreachable', away],
    ['no rights', rights],
    ['an unknown code', unknown],
  ])('holds a batch for spool.after, then keeps it, and the next ones at once: %s', async (_, error) => {
    const harness = await setup();
    fail(error, harness.live, harness.drain);
    const first = harness.writer.write(harness.batch(['s1 1']));
    await harness.pass(4900);
    expect(harness.spool.records).toEqual([]);
    await harness.pass(200);
    expect(await first).toBe('spooled');
    expect(await harness.writer.write(harness.batch(['s1 2']))).toBe('spooled');
    expect(harness.spool.contents.lanes.readings.items + harness.spool.contents.parked.items).toBe(2);
    expect([...(await harness.spool.watermarks()).timesUs]).toEqual([harness.alertManager.committed.at(-1)]);
    expect(conserved(harness)).toMatchObject({ received: 2, inFlight: 2 });
  });

  it('keeps the readings of a sensor in order that sends under two keys', async () => {
    const harness = await setup();
    // Renamed or merged: both keys lead to it, and the engine does not know it yet.
    harness.directory.add('s3', { aliases: ['former'] });
    await harness.registry.load();
    harness.alertManager.prepare = () => Promise.reject(away);
    fail(away, harness.live, harness.drain);
    const first = harness.writer.write(harness.batch(['former 1']));
    await harness.pass(5100);
    await first;
    expect(harness.spool.contents.lanes.unresolved.items).toBe(1);
    // It is read while the first one drains: others wait there still.
    harness.alertManager.known.add(3);
    await harness.writer.write(harness.batch(['s3 2', 's1 3']));
    expect(harness.spool.contents.lanes.unresolved.items).toBe(2);
    expect(['former', 's3', 's1'].map((key) => harness.spoolWriter.holds(key))).toEqual([true, true, false]);
  });

  it('tries the database with a batch that was on its way into the spool', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    const append = harness.spool.append.bind(harness.spool);
    harness.spool.append = async (...given) => {
      await new Promise<void>((resolve) => void harness.clock.after(500, resolve));
      return append(...given);
    };
    const written = harness.writer.write(harness.batch(['s1 1']));
    await harness.pass(20_000);
    expect(await written).toBe('spooled');
    expect([harness.spoolWriter.active, harness.spool.contents.lanes.readings.items]).toEqual([true, 1]);
    harness.drain.auto = stored;
    await harness.pass(2000);
    expect([harness.spoolWriter.active, harness.writer.health.state]).toEqual([false, 'ok']);
  });

  it('gives up an answer that does not come', async () => {
    const harness = await setup();
    let aborted = false;
    harness.live.commit = (_: StoreBatch, signal?: AbortSignal) =>
      new Promise<never>((__, reject) => {
        signal?.addEventListener('abort', () => {
          aborted = true;
          reject(away);
        });
      });
    fail(away, harness.drain);
    const written = harness.writer.write(harness.batch(['s1 1']));
    await harness.pass(5100);
    expect(await written).toBe('spooled');
    expect(aborted).toBe(true);
  });

  it('waits for a large batch as long as the database answers each of its statements', async () => {
    const harness = await setup();
    harness.live.commit = slowly(harness, 10);
    fail(away, harness.drain);
    const written = harness.writer.write(harness.batch(['s1 1']));
    await harness.pass(40_000);
    expect(await written).toMatchObject({ kind: 'committed', stored: 1 });
    expect(harness.spoolWriter.active).toBe(false);
  });

  it('holds batches while it is full, and goes on by itself: there is room', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    harness.spool.failWith = full;
    let written: unknown;
    void harness.writer.write(harness.batch(['s1 99'])).then((outcome) => (written = outcome));
    await harness.pass(8000);
    expect(written).toBeUndefined();
    expect(harness.writer.stuck).toBe(true);
    expect(harness.alertManager.lines).toEqual([]);
    harness.spool.failWith = undefined;
    await harness.pass(3000);
    expect(written).toBe('spooled');
    expect(harness.alertManager.lines).toHaveLength(1);
    expect(harness.writer.stuck).toBe(false);
  });

  it('holds batches while it is full, and goes on by itself: the database is back', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    harness.spool.failWith = full;
    const written = harness.writer.write(harness.batch(['s1 1']));
    await harness.pass(8000);
    harness.live.auto = harness.drain.auto = stored;
    await harness.pass(3000);
    expect(await written).toMatchObject({ kind: 'committed', stored: 1 });
    expect(harness.writer.stuck).toBe(false);
    // It asked now and then, and not as fast as it could.
    expect(harness.live.batches.length).toBeLessThan(50);
  });

  it('keeps what is held at a stop instead of giving it up', async () => {
    const harness = await setup();
    fail(away, harness.live, harness.drain);
    const written = harness.writer.write(harness.batch(['s1 1']));
    await harness.pass(300);
    harness.writer.abandon();
    expect(await written).toBe('spooled');
    expect(harness.spool.contents.lanes.readings.items).toBe(1);
  });
});
