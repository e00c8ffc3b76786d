import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../../src/adapters/log/logger.ts';
import type { AlertBatch } from '../../../src/core/alert/model.ts';
import { FieldwatchError } from '../../../src/core/errors.ts';
import type { Decoded } from '../../../src/core/reading.ts';
import type { LogFields, Logger } from '../../../src/ports/metrics.ts';
import type { AlertEvaluator } from '../../../src/services/ingest/batch-commit.ts';
import { BatchWriter } from '../../../src/services/ingest/batch-writer.ts';
import { DeadLetterBudget } from '../../../src/services/ingest/dead-letter-budget.ts';
import { type Decoder, Ingest } from '../../../src/services/ingest/ingest.ts';
import { type RegistryOptions, SensorRegistry } from '../../../src/services/ingest/sensor-registry.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import {
  FakeDirectory,
  FakeSource,
  FakeStore,
  RecordingMetrics,
  noAlerting,
  settle,
  stored,
} from '../../support/fakes.ts';

/** `up`, `down` availability, of `node` with its parts · `v` one reading · `v,w` two · `wide n` one of n metrics · `!` undecodable · `-` ignored. The topic is the device. */
const decoder: Decoder = {
  decode({ topic, payload, arrivalUs }): Decoded {
    const text = new TextDecoder().decode(payload);
    if (text === '!') return { kind: 'reject', code: 'parse_error', detail: 'not ours' };
    if (text === '-') return { kind: 'reject', code: 'ignored' };
    if (text === 'up' || text === 'down') {
      const availability = { device: topic, parts: topic === 'node', online: text === 'up' };
      return { kind: 'reject', code: 'ignored', availability };
    }
    const wide = /^wide (\d+)$/.exec(text);
    if (wide !== null) {
      const metrics = new Map(Array.from({ length: Number(wide[1]) }, (_, n) => [`m${n}`, n]));
      const reading = { device: topic, timeUs: arrivalUs, location: undefined, stamped: true, metrics };
      return { kind: 'readings', readings: [reading], dropped: 0 };
    }
    const readings = text.split(',').map((value, index) => ({
      device: topic,
      timeUs: arrivalUs + index,
      location: undefined,
      stamped: true,
      metrics: new Map([['temperature', Number(value)]]),
    }));
    return { kind: 'readings', readings, dropped: 0 };
  },
};

const transient = new FieldwatchError('away', { code: 'DB_UNREACHABLE', kind: 'transient' });

async function setup(
  extra: {
    alertManager?: AlertEvaluator;
    registry?: Partial<RegistryOptions>;
    maxRows?: number;
    maxDeadLetters?: number;
    windowRows?: number;
    windowMessages?: number;
    logger?: Logger;
    decoder?: Decoder;
    clockUnknown?: () => boolean;
    members?: () => number;
  } = {},
) {
  const [source, store, directory, clock, metrics] = [
    new FakeSource(),
    new FakeStore(),
    new FakeDirectory(),
    new FakeClock(),
    new RecordingMetrics(),
  ];
  directory.add('s1');
  const logger = extra.logger ?? silentLogger;
  const registryOptions = {
    registration: 'auto' as const,
    allow: ['*'],
    max: 100_000,
    maxNewPerMinute: 100,
    ...extra.registry,
  };
  const registry = new SensorRegistry(registryOptions, { directory, clock, logger, metrics });
  await registry.load();
  const { maxDeadLetters } = extra;
  const deadLetters =
    maxDeadLetters === undefined
      ? undefined
      : new DeadLetterBudget(maxDeadLetters, { clock, logger, metrics });
  const writer = new BatchWriter(
    { baseMs: 100, capMs: 1000 },
    {
      deadLetters,
      registry,
      alertManager: extra.alertManager ?? noAlerting(),
      store,
      clock,
      logger,
      metrics,
      random: () => 1,
    },
  );
  const ingest = new Ingest(
    {
      batch: { maxRows: extra.maxRows ?? 1000, maxBytes: 1 << 20, lingerMs: 20 },
      window: {
        maxRows: extra.windowRows ?? 10_000,
        maxBytes: 1 << 24,
        maxMessages: extra.windowMessages ?? 10_000,
      },
    },
    {
      ...{ source, registry, writer, clock, logger, metrics, deadLetters },
      decoder: extra.decoder ?? decoder,
      clockUnknown: extra.clockUnknown,
      members: extra.members,
    },
  );
  await ingest.start();
  const conserved = () => {
    const t = ingest.totals();
    expect(t.received).toBe(
      t.stored + t.duplicate + t.merged + t.conflict + t.deadLettered + t.filtered + t.inFlight,
    );
    return t;
  };
  return { source, store, directory, clock, metrics, ingest, writer, conserved };
}

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

  it('evaluates what says whether a device is there, and its parts, in order, and stores no row of it', async () => {
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

  it('a gateway that goes takes the sensors along that send through it', async () => {
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
