import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../../src/adapters/log/logger.ts';
import type { LogFields } from '../../../src/ports/metrics.ts';
import type { AlertEvaluator } from '../../../src/services/ingest/batch-commit.ts';
import { noAlerting, settle, stored } from '../../support/fakes.ts';
import { setup } from './ingest-setup.ts';

describe('dead letters of the ingest', () => {
  it('says once a minute and reason that messages become dead letters, and how many', async () => {
    const warnings: LogFields[] = [];
    const warn = (fields: LogFields) => void warnings.push(fields);
    const { source, clock } = await setup({ logger: { ...silentLogger, warn } });
    const bad = (count: number) => {
      for (let n = 0; n < count; n++) source.deliver('s1', '!');
    };
    bad(100);
    source.deliver('s1', '-');
    expect(warnings).toEqual([{ topic: 's1', reason: 'parse_error', detail: 'not ours', messages: 1 }]);
    clock.advance(60_000);
    bad(2);
    expect(warnings.slice(1)).toMatchObject([{ reason: 'parse_error', messages: 100 }]);
  });

  it('sets a refused row aside and stores its neighbours', async () => {
    const { source, store, clock, conserved } = await setup();
    for (const value of ['1', '2', '3']) source.deliver('s1', value, { receivedAtMs: 1000 * Number(value) });
    clock.advance(20);
    await store.commitArrived();
    store.answer({ kind: 'row_refused', index: 1, sqlstate: '22003', message: 'out of range' });
    await store.commitArrived();
    expect(store.batches[1]?.readings.map((row) => row.metrics.get('temperature'))).toEqual([1, 3]);
    expect(store.batches[1]?.deadLetters).toMatchObject([
      { topic: 's1', reason: '22003', detail: 'out of range' },
    ]);
    store.answer();
    await settle();
    expect(source.acknowledged).toHaveLength(3);
    expect(conserved()).toMatchObject({ stored: 2, deadLettered: 1, inFlight: 0 });
  });

  it('statement 6: a message of many bad readings costs one dead letter, two passes and one line', async () => {
    const passes: number[] = [];
    const alertManager: AlertEvaluator = {
      ...noAlerting(),
      evaluate: (rows) => {
        passes.push(rows.length);
        return noAlerting().evaluate();
      },
    };
    const { source, store, clock, conserved } = await setup({ alertManager, maxRows: 20_000 });
    source.deliver('s1', '1,2');
    const bad = source.deliver('s1', Array.from({ length: 9000 }, (_, n) => n).join(','));
    clock.advance(20);
    await store.commitArrived();
    const found = Array.from({ length: 9000 }, (_, index) => ({
      index: index + 2,
      sqlstate: '22003',
      message: `value ${index} is out of range`,
    }));
    const [first, ...others] = found;
    if (first === undefined) throw new Error('no row');
    store.answer({ kind: 'row_refused', ...first, others });
    await store.commitArrived();
    store.answer();
    await settle();
    expect(passes).toEqual([9002, 2]);
    const last = store.batches.at(-1);
    expect(last?.readings).toHaveLength(2);
    const named = [0, 1, 2, 3, 4].map((n) => `value ${n} is out of range`).join('; ');
    expect(last?.deadLetters).toMatchObject([
      { payload: bad.payload, reason: '22003', items: 9000, detail: `${named}; 9000 readings in all` },
    ]);
    expect(conserved()).toMatchObject({ received: 9002, stored: 2, deadLettered: 9000, inFlight: 0 });
  });

  it('refuses all readings of devices that may not register as one dead letter', async () => {
    const { source, store, clock, conserved } = await setup({ registry: { allow: ['none'] } });
    store.auto = stored;
    source.deliver('x1', Array.from({ length: 500 }, String).join(','));
    clock.advance(20);
    await settle();
    expect(store.batches[0]?.deadLetters).toMatchObject([
      { reason: 'sensor_rejected', items: 500, detail: 'device x1; 500 readings in all' },
    ]);
    expect(conserved()).toMatchObject({ received: 500, deadLettered: 500, inFlight: 0 });
  });

  it('statement 6: beyond a number of dead letters a minute one a second is kept, all are counted and acknowledged', async () => {
    const { source, store, clock, metrics, conserved } = await setup({ maxDeadLetters: 10 });
    store.auto = stored;
    const deliver = async () => {
      for (let n = 0; n < 50; n++) source.deliver('s1', '!');
      source.deliver('s1', '20');
      clock.advance(20);
      await settle();
      return store.batches.at(-1)?.deadLetters.length;
    };
    expect(await deliver()).toBe(11);
    expect(await deliver()).toBe(0);
    clock.advance(1000);
    expect(await deliver()).toBe(1);
    clock.advance(60_000);
    expect(await deliver()).toBe(11);
    expect(source.acknowledged).toHaveLength(204);
    expect(metrics.values.get('fieldwatch_dead_letters_dropped_total{reason=parse_error}')).toBe(177);
    expect(conserved()).toMatchObject({ received: 204, stored: 4, deadLettered: 200, inFlight: 0 });
  });

  it('statement 6: of a message without a place among them every refused reading is counted', async () => {
    const { source, store, clock, conserved } = await setup({ maxDeadLetters: 1 });
    source.deliver('s1', '!');
    source.deliver('s1', '!');
    source.deliver('s1', '1,2,3');
    clock.advance(20);
    await store.commitArrived();
    const refusal = { sqlstate: '23514', message: 'no' };
    store.answer({ kind: 'row_refused', index: 0, ...refusal, others: [{ index: 2, ...refusal }] });
    await store.commitArrived();
    store.answer();
    await settle();
    expect(store.batches.at(-1)?.deadLetters).toHaveLength(2);
    expect(conserved()).toMatchObject({ received: 5, stored: 1, deadLettered: 4, inFlight: 0 });
  });

  it('statement 14: keeps what cannot be decoded as a dead letter, and counts what is filtered', async () => {
    const { source, store, clock, conserved } = await setup();
    store.auto = stored;
    source.deliver('s1', '!');
    source.deliver('s1', '-');
    clock.advance(20);
    await settle();
    expect(store.batches[0]?.deadLetters).toMatchObject([{ reason: 'parse_error', detail: 'not ours' }]);
    expect(source.acknowledged).toHaveLength(2);
    expect(conserved()).toMatchObject({ received: 2, deadLettered: 1, filtered: 1 });
  });

  it('names a dead letter after its message: one that comes again after a reconnect has the same id', async () => {
    const { source, store, clock } = await setup();
    store.auto = stored;
    const first = source.deliver('s1', '!');
    source.deliver('s1', '!');
    clock.advance(20);
    await settle();
    source.connectivity({ state: 'disconnected', reason: 'cut', retryInMs: 1 });
    const { packetId } = first;
    source.deliver('s1', '!', { dup: true, epoch: 2, packetId, receivedAtMs: first.receivedAtMs + 5000 });
    clock.advance(20);
    await settle();
    const letters = store.batches.flatMap(({ deadLetters }) => deadLetters);
    const [one, other, again] = letters.map(({ id, receivedAtMs }) => `${id} ${receivedAtMs}`);
    expect(again).toBe(one);
    expect(other).not.toBe(one);
  });

  it('statement 6: names a dead letter after its message alone: another process, to which it is delivered again, makes the same', async () => {
    const letters = async (dup: boolean) => {
      const { source, store, clock } = await setup();
      store.auto = stored;
      source.deliver('s1', '!', { dup, receivedAtMs: dup ? 2e12 : 1e12 });
      clock.advance(20);
      await settle();
      return store.batches.flatMap(({ deadLetters }) => deadLetters);
    };
    const [[first], [again]] = [await letters(false), await letters(true)];
    expect([again?.id, again?.redelivered]).toEqual([first?.id, true]);
    expect(first?.redelivered).toBeUndefined();
  });

  it('keeps readings that conflict as one dead letter of their message, with both values', async () => {
    const { source, store, clock, conserved } = await setup();
    source.deliver('s1', '1,2');
    source.deliver('s1', '3');
    clock.advance(20);
    await store.commitArrived();
    const values = [{ metric: 'temperature', stored: 5, sent: 1 }];
    const letters = store.batches[0]?.keepConflicts?.([
      { index: 0, values },
      { index: 1, values: [{ metric: 'temperature', stored: 5, sent: 2 }] },
    ]);
    const at = '2023-11-14T22:13:20.000';
    expect(letters).toMatchObject([
      {
        topic: 's1',
        reason: 'conflict',
        detail: `s1 at ${at}Z: temperature is stored as 5, sent as 1; s1 at ${at}001Z: temperature is stored as 5, sent as 2`,
      },
    ]);
    store.answer({ stored: 1, conflict: 2 });
    await settle();
    expect(conserved()).toMatchObject({ received: 3, stored: 1, conflict: 2, deadLettered: 0 });
  });
});
