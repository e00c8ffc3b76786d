import { describe, expect, it } from '@jest/globals';
import type { AlertBatch } from '../../../src/core/alert/model.ts';
import type { AlertEvaluator } from '../../../src/services/ingest/batch-commit.ts';
import { noAlerting, settle, stored } from '../../support/fakes.ts';
import { decoder, setup, transient } from './ingest-setup.ts';

describe('Ingest', () => {
  it('acknowledges only after the commit of every row', async () => {
    const { source, store, clock, conserved } = await setup();
    const message = source.deliver('s1', '20,21');
    clock.advance(20);
    await store.commitArrived();
    expect(source.acknowledged).toEqual([]);
    expect(conserved()).toMatchObject({ received: 2, inFlight: 2, stored: 0 });
    store.answer();
    await settle();
    expect(source.acknowledged).toEqual([message]);
    expect(conserved()).toMatchObject({ received: 2, inFlight: 0, stored: 2 });
  });

  it('writes one batch at a time and commits the next one as soon as its time has come', async () => {
    const { source, store, clock } = await setup();
    source.deliver('s1', '1');
    clock.advance(20);
    await store.commitArrived();
    for (let i = 0; i < 5; i++) source.deliver('s1', String(i));
    clock.advance(20);
    await settle();
    expect(store.batches).toHaveLength(1);
    store.answer();
    await store.commitArrived();
    expect(store.batches[1]?.readings).toHaveLength(5);
    store.answer();
    await settle();
    expect(source.acknowledged).toHaveLength(6);
    expect(source.acknowledgeCalls).toBe(2);
  });

  it('waits less for further messages where commits are fast, and longer with others that share them', async () => {
    let members = 1;
    const { source, store, clock } = await setup({ members: () => members });
    const waitOf = async (text: string): Promise<number> => {
      const batches = store.batches.length;
      source.deliver('s1', text);
      for (let waited = 0; ; waited++, clock.advance(1)) {
        await settle();
        if (store.batches.length > batches) {
          clock.advance(3);
          store.answer();
          await settle();
          return waited;
        }
      }
    };
    expect(await waitOf('1')).toBe(20);
    expect(await waitOf('2')).toBe(6);
    members = 4;
    expect(await waitOf('3')).toBe(24);
  });

  /** Steps of `[afterMs, messages]` make one batch, whose commit takes 3 ms; gives how long its first message waited. */
  type Steps = readonly (readonly [number, number])[];
  async function waiting(qos: 0 | 1 = 1) {
    const own = await setup({ lingerMs: 50 });
    const { source, store, clock } = own;
    const waitOf = async (steps: Steps): Promise<number> => {
      const batches = store.batches.length;
      const startMs = clock.monotonicMs();
      for (const [afterMs, count] of steps) {
        clock.advance(afterMs);
        for (let n = 0; n < count; n++) source.deliver('s1', '1', { qos });
        await settle();
      }
      for (; store.batches.length === batches; await settle()) clock.advance(1);
      const waitedMs = clock.monotonicMs() - startMs;
      clock.advance(3);
      store.answer();
      await settle();
      return waitedMs;
    };
    return { ...own, waitOf };
  }

  it.each<[string, Steps, number]>([
    ['few messages wait for others as long as they may', [[0, 1]], 50],
    ['not after the fifth', [[0, 1], [10, 4]], 10],
    ['those that come together wait twice a commit, when there are five', [[0, 5]], 6],
    ['or as many as the broker has had unacknowledged: more may not come', [[0, 3]], 6],
    ['by and by, too', [[0, 1], [2, 1], [2, 1]], 6],
  ])('of a broker that has sent three at once, and with fast commits, %s', async (_, steps, waitedMs) => {
    const { waitOf } = await waiting();
    await waitOf([[0, 3]]);
    expect(await waitOf(steps)).toBe(waitedMs);
  }); // prettier-ignore

  it('waits for others of QoS 0 whatever the broker has sent', async () => {
    const { waitOf } = await waiting(0);
    expect([await waitOf([[0, 1]]), await waitOf([[0, 1]]), await waitOf([[0, 5]])]).toEqual([50, 50, 6]);
  });

  it('waits in vain once, and no longer for more than the broker sends by then', async () => {
    const { waitOf } = await waiting();
    await waitOf([[0, 4]]);
    expect([await waitOf([[0, 2]]), await waitOf([[0, 2]]), await waitOf([[0, 1]])]).toEqual([50, 6, 50]);
  });

  it('waits in vain once at most for messages of the connection before, which come again on the new one', async () => {
    const { source, store, clock, waitOf } = await waiting();
    await waitOf([[0, 1]]);
    source.deliver('s1', '1');
    clock.advance(6);
    await store.commitArrived();
    source.connectivity({ state: 'connected', sessionPresent: true, receiveMaximum: 20, protocolVersion: 4 });
    source.deliver('s1', '1');
    await settle();
    store.answer();
    await settle();
    clock.advance(50);
    await store.commitArrived();
    store.answer();
    await settle();
    expect(await waitOf([[0, 1]])).toBeLessThanOrEqual(6);
  });

  it('does not wait when the window of the broker fills', async () => {
    const { source, store } = await setup();
    source.connectivity({ state: 'connected', sessionPresent: true, receiveMaximum: 20, protocolVersion: 4 });
    for (let i = 0; i < 10; i++) source.deliver('s1', String(i));
    await store.commitArrived();
    expect(store.batches[0]?.readings).toHaveLength(10);
  });

  it('seals a full batch and lets the next one fill', async () => {
    const { source, store, clock } = await setup({ maxRows: 3 });
    for (let i = 0; i < 7; i++) source.deliver('s1', String(i));
    store.auto = stored;
    await settle();
    expect(store.batches.map((batch) => batch.readings.length)).toEqual([3, 3]);
    clock.advance(20);
    await settle();
    expect(store.batches.at(-1)?.readings).toHaveLength(1);
    expect(source.acknowledged).toHaveLength(7);
  });

  it('statement 7: tries a batch again, flagged, until the database is back; nothing is acknowledged meanwhile', async () => {
    const { source, store, clock, writer } = await setup();
    source.deliver('s1', '20');
    clock.advance(20);
    for (let attempt = 0; attempt < 3; attempt++) {
      await store.commitArrived();
      store.answer(transient);
      await settle();
      expect(writer.health).toMatchObject({ state: 'failing', code: 'DB_UNREACHABLE' });
      expect(source.acknowledged).toEqual([]);
      clock.advance(1000);
    }
    await store.commitArrived();
    store.answer();
    await settle();
    expect(store.batches.map((batch) => batch.retry)).toEqual([false, true, true, true]);
    expect(source.acknowledged).toHaveLength(1);
    expect(writer.health).toEqual({ state: 'ok' });
  });

  it('has messages decoded as of a clock that may be wrong until that is known', async () => {
    const seen: (boolean | undefined)[] = [];
    let unknown = true;
    const { source } = await setup({
      decoder: {
        decode: (message) => {
          seen.push(message.clockUnknown);
          return decoder.decode(message);
        },
      },
      clockUnknown: () => unknown,
    });
    source.deliver('s1', '20');
    unknown = false;
    source.deliver('s1', '21');
    expect(seen).toEqual([true, undefined]);
  });

  it('tries a batch again as soon as the database was seen to be back, however long the pause would be', async () => {
    const { source, store, clock, writer } = await setup();
    source.deliver('s1', '20');
    clock.advance(20);
    await store.commitArrived();
    store.answer(transient);
    await settle();
    writer.retryNow();
    await store.commitArrived();
    store.answer();
    await settle();
    expect(source.acknowledged).toHaveLength(1);
  });

  it('statement 6: messages of very many values do not share a batch, and the event loop runs between them', async () => {
    const { source, store, clock, conserved } = await setup({ maxRows: 20_000 });
    store.auto = stored;
    // 1,000 values each: 64 kB of the 1 MiB that a batch may have.
    for (let n = 0; n < 60; n++) source.deliver('s1', `wide ${1000}`);
    clock.advance(20);
    await settle();
    const values = store.batches.map(({ readings }) =>
      readings.reduce((sum, { metrics }) => sum + metrics.size, 0),
    );
    expect(values.length).toBeGreaterThanOrEqual(3);
    expect(Math.max(...values)).toBeLessThanOrEqual(18_000);
    expect(conserved()).toMatchObject({ received: 60, stored: 60 });
  });

  it('acknowledges a copy for another filter in order, and stores nothing of it', async () => {
    const { source, store, clock, metrics, conserved } = await setup();
    store.auto = stored;
    source.deliver('s1', '21');
    source.deliver('s1', '21', { isCopy: true });
    clock.advance(20);
    await settle();
    expect(source.acknowledged.map(({ isCopy }) => isCopy === true)).toEqual([false, true]);
    expect(conserved()).toMatchObject({ received: 2, stored: 1, filtered: 1, inFlight: 0 });
    expect(metrics.scrape().get('fieldwatch_ingest_filtered_items{code=overlapping_copy}')).toBe(1);
  });

  it('acknowledges messages that need no row even when nothing else arrives', async () => {
    const { source, store, clock } = await setup();
    source.deliver('s1', '-');
    clock.advance(20);
    await settle();
    expect(source.acknowledged).toHaveLength(1);
    expect(store.batches).toHaveLength(0);
  });

  it('registers unknown sensors once a batch; refused ones become dead letters', async () => {
    const { source, store, directory, clock, conserved } = await setup({ registry: { allow: ['n*'] } });
    store.auto = stored;
    for (const key of ['n1', 'n2', 'n1', 'x1']) source.deliver(key, '5');
    clock.advance(20);
    await settle();
    expect(directory.registerCalls).toBe(1);
    expect(store.batches[0]?.readings.map((row) => row.sensorId)).toEqual([2, 3, 2]);
    expect(store.batches[0]?.deadLetters).toMatchObject([{ topic: 'x1', reason: 'sensor_rejected' }]);
    expect(conserved()).toMatchObject({ stored: 3, deadLettered: 1 });
  });

  it('commits the alert state only once, after the transaction, and evaluates anew after a refused row', async () => {
    const log: string[] = [];
    const batch: AlertBatch = { states: [], raised: [], resolved: [], notifications: [] };
    const alertManager: AlertEvaluator = {
      prepare: async () => {},
      knows: () => true,
      publishUnpersisted: () => {},
      evaluate: (rows) => {
        log.push(`evaluate ${rows.length}`);
        return { batch, commit: () => log.push('state committed') };
      },
      publish: () => {},
    };
    const { source, store, clock } = await setup({ alertManager });
    source.deliver('s1', '1,2');
    clock.advance(20);
    await store.commitArrived();
    store.answer({ kind: 'row_refused', index: 0, sqlstate: '22003', message: '' });
    await store.commitArrived();
    store.answer(transient);
    await settle();
    clock.advance(1000);
    await store.commitArrived();
    expect(log).toEqual(['evaluate 2', 'evaluate 1', 'evaluate 1']);
    store.answer();
    await settle();
    expect(log.at(-1)).toBe('state committed');
  });

  it('pauses reading at the limit of the window and resumes when half of it is free', async () => {
    const { source, store, clock } = await setup({ windowRows: 4, maxRows: 2 });
    for (let i = 0; i < 4; i++) source.deliver('s1', String(i));
    expect(source.paused).toBe(true);
    await store.commitArrived();
    store.answer();
    await settle();
    expect(source.paused).toBe(false);
    clock.advance(20);
    await store.commitArrived();
    store.answer();
    await settle();
    expect(source.acknowledged).toHaveLength(4);
  });

  it('pauses reading where a broker sends more than the receive maximum, and resumes when a quarter of it is free', async () => {
    const { source, store } = await setup({ windowMessages: 4, maxRows: 1 });
    for (let i = 0; i < 4; i++) source.deliver('s1', String(i));
    expect(source.paused).toBe(false);
    source.deliver('s1', '4');
    expect(source.paused).toBe(true);
    await store.commitArrived();
    store.answer();
    await settle();
    expect(source.paused).toBe(true);
    await store.commitArrived();
    store.answer();
    await settle();
    expect(source.paused).toBe(false);
    store.auto = stored;
    store.answer();
    await settle();
    expect(source.acknowledged).toHaveLength(5);
  });

  it('drops QoS 0 and counts it, with the spool and half of the window full; QoS 1 is held', async () => {
    const { source, writer, conserved, metrics } = await setup({ windowRows: 10 });
    Object.defineProperty(writer, 'stuck', { get: () => true });
    for (let i = 0; i < 8; i++) source.deliver('s1', String(i), { qos: 0, packetId: 0 });
    expect(conserved()).toMatchObject({ received: 8, inFlight: 5, filtered: 3 });
    for (let i = 0; i < 3; i++) source.deliver('s1', String(i));
    expect(conserved()).toMatchObject({ received: 11, inFlight: 8, filtered: 3 });
    expect(metrics.scrape().get('fieldwatch_ingest_filtered_items{code=no_room}')).toBe(3);
    expect(source.paused).toBe(false);
  });

  it('statement 5: gives a redelivered message without a time of its own its first arrival time', async () => {
    const { source, store, clock } = await setup();
    store.auto = stored;
    const first = source.deliver('s1', '20');
    source.connectivity({ state: 'disconnected', reason: 'cut', retryInMs: 1 });
    source.connectivity({
      state: 'connected',
      sessionPresent: true,
      receiveMaximum: 1000,
      protocolVersion: 5,
    });
    source.deliver('s1', '20', {
      dup: true,
      epoch: 2,
      packetId: first.packetId,
      receivedAtMs: first.receivedAtMs + 5000,
    });
    clock.advance(20);
    await settle();
    const times = store.batches.flatMap((batch) => batch.readings.map((row) => row.timeUs));
    expect(times).toEqual([first.receivedAtMs * 1000, first.receivedAtMs * 1000]);
  });

  it('statement 5: gives messages without a time of their own one each, also within a millisecond', async () => {
    const { source, store, clock } = await setup();
    store.auto = stored;
    for (let i = 0; i < 400; i++) source.deliver('s1', String(i));
    clock.advance(20);
    await settle();
    const times = store.batches.flatMap((batch) => batch.readings.map((row) => row.timeUs));
    expect(new Set(times).size).toBe(400);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it('writes and acknowledges what is held before it stops', async () => {
    const { source, store, ingest } = await setup();
    store.auto = stored;
    source.deliver('s1', '1');
    source.deliver('s1', '-');
    await ingest.stop(1000);
    expect(source.acknowledged).toHaveLength(2);
  });

  it('stops at the deadline with the database away, and acknowledges nothing', async () => {
    const { source, store, clock, ingest } = await setup();
    store.auto = () => transient;
    source.deliver('s1', '1');
    const stopping = ingest.stop(500);
    await settle();
    clock.advance(500);
    await settle();
    await stopping;
    expect(source.acknowledged).toEqual([]);
  });

  it('evaluates the availability of a device and its parts in order, and stores no row of it', async () => {
    const evaluated: string[] = [];
    const evaluate: AlertEvaluator['evaluate'] = (rows) => {
      for (const { key, metrics, retained } of rows)
        evaluated.push(`${key} ${[...metrics].join()}${retained ? ' retained' : ''}`);
      return noAlerting().evaluate();
    };
    const alertManager = { ...noAlerting(), evaluate };
    const { source, store, clock, metrics, conserved } = await setup({ alertManager });
    store.auto = stored;
    const pass = async () => {
      clock.advance(20);
      await settle();
    };
    // In the batch that registers it as well.
    source.deliver('node/a', '1');
    source.deliver('node/a', 'down');
    source.deliver('node:b', '2', { retain: true });
    await pass();
    source.deliver('node', 'down');
    source.deliver('nodes', 'down');
    source.deliver('node', 'up', { retain: true });
    await pass();
    expect(evaluated).toEqual([
      'node/a temperature,1',
      'node/a ,0',
      'node:b temperature,2 retained',
      'node/a ,0',
      'node:b ,0',
      'node/a ,1 retained',
      'node:b ,1 retained',
    ]);
    expect(source.acknowledged).toHaveLength(6);
    expect(conserved()).toMatchObject({ received: 6, stored: 2, filtered: 4, inFlight: 0 });
    // `nodes`, and `node` itself twice.
    expect(metrics.scrape().get('fieldwatch_availability_unregistered_total')).toBe(3);
    expect(store.batches.flatMap(({ readings }) => readings)).toHaveLength(2);
  });

  it('an offline gateway takes the sensors that send through it offline', async () => {
    const evaluated: string[] = [];
    const evaluate: AlertEvaluator['evaluate'] = (rows) => {
      for (const { key, metrics } of rows) evaluated.push(`${key} ${[...metrics].join()}`);
      return noAlerting().evaluate();
    };
    const { source, store, directory, clock, conserved } = await setup({
      alertManager: { ...noAlerting(), evaluate },
    });
    store.auto = stored;
    for (const key of ['d1', 'd2', 'node/a']) directory.add(key, { gateway: 'node' });
    for (const key of ['d1', 'd2', 'd3', 'node/a', 'node']) source.deliver(key, '1');
    clock.advance(20);
    await settle();
    evaluated.length = 0;
    source.deliver('node', 'down');
    clock.advance(20);
    await settle();
    // Each of them once, the gateway first.
    expect(evaluated).toEqual(['node ,0', 'node/a ,0', 'd1 ,0', 'd2 ,0']);
    expect(conserved()).toMatchObject({ received: 6, stored: 5, filtered: 1, inFlight: 0 });
  });
});
