import { describe, expect, it } from '@jest/globals';
import { silentLogger } from '../../../src/adapters/log/logger.ts';
import { databaseError } from '../../../src/adapters/timescale/errors.ts';
import type { AlertBatch, AlertNotification, AlertRow } from '../../../src/core/alert/model.ts';
import { FieldwatchError } from '../../../src/core/errors.ts';
import type { StoreBatch } from '../../../src/ports/store.ts';
import { BatchSplitter, tooBig } from '../../../src/services/ingest/batch-commit.ts';
import { BatchWriter } from '../../../src/services/ingest/batch-writer.ts';
import { IngestBatch } from '../../../src/services/ingest/batch.ts';
import { SensorRegistry } from '../../../src/services/ingest/sensor-registry.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import {
  FakeDirectory,
  FakeSource,
  FakeStore,
  RecordingMetrics,
  settle,
  stored,
} from '../../support/fakes.ts';

const limitError = () =>
  databaseError(Object.assign(new Error('tuple decompression limit exceeded'), { code: '53400' }), 'storing');

describe('the size of a piece', () => {
  it('is everything, then half, down to one row; the next batch may have twice as much', () => {
    const splitter = new BatchSplitter();
    const rows = Array.from({ length: 10 }, (_, i) => i);
    splitter.begin();
    expect(splitter.piece(rows)).toBe(rows);
    expect(splitter.split(10)).toBe(true);
    expect(splitter.piece(rows)).toEqual([0, 1, 2, 3, 4]);
    expect(splitter.split(5)).toBe(true);
    expect(splitter.piece(rows)).toHaveLength(3);
    expect(splitter.split(3)).toBe(true);
    expect(splitter.split(2)).toBe(true);
    expect(splitter.piece(rows)).toHaveLength(1);
    expect(splitter.split(1)).toBe(false);
    splitter.begin();
    expect(splitter.piece(rows)).toHaveLength(2);
    for (let batch = 0; batch < 4; batch++) splitter.begin();
    expect(splitter.piece(rows)).toBe(rows);
  });

  it('shrinks for the code of a batch that is too big, and for no other', () => {
    expect(tooBig(limitError())).toBe('53400');
    expect(tooBig(new FieldwatchError('x', { code: 'DB_RESOURCES', kind: 'transient' }))).toBeUndefined();
    expect(tooBig(Object.assign(new Error('x'), { code: '53400' }))).toBeUndefined();
  });
});

/** A writer whose engine raises an alert for every reading; `device` is the topic. */
async function setup(refuses: (batch: StoreBatch) => boolean, evaluates?: boolean) {
  const [store, directory, clock, metrics] = [
    new FakeStore(),
    new FakeDirectory(),
    new FakeClock(),
    new RecordingMetrics(),
  ];
  for (let i = 1; i <= 4; i++) directory.add(`s${i}`);
  const published: AlertNotification[] = [];
  const alertManager = {
    evaluates,
    prepare: async () => {},
    knows: () => true,
    publishUnpersisted: () => {},
    evaluate: (rows: readonly { sensorId: number; timeUs: number }[]) => {
      const raised = rows.map(({ sensorId, timeUs }) => ({ sensorId, timeUs }) as AlertRow);
      const notifications = rows.map(({ sensorId }) => ({ sensorId }) as AlertNotification);
      const batch: AlertBatch = { states: [], raised, resolved: [], notifications };
      return { batch, commit: () => {} };
    },
    publish: (some: readonly AlertNotification[]) => void published.push(...some),
  };
  store.auto = (batch) => (refuses(batch) ? limitError() : stored(batch));
  const options = { registration: 'auto' as const, allow: ['*'], max: 100_000, maxNewPerMinute: 100 };
  const registry = new SensorRegistry(options, { directory, clock, logger: silentLogger, metrics });
  await registry.load();
  const writer = new BatchWriter(
    { baseMs: 100, capMs: 1000 },
    { registry, alertManager, store, clock, logger: silentLogger, metrics, random: () => 1 },
  );
  const batch = (rows: number, more: readonly (readonly [string, number])[] = []): IngestBatch => {
    const made = new IngestBatch(0);
    for (let i = 0; i < rows; i++) {
      const device = `s${1 + (i % 4)}`;
      const from = new FakeSource().deliver(device, String(i));
      made.addMessage(from);
      const reading = {
        device,
        timeUs: i,
        location: undefined,
        stamped: false,
        metrics: new Map([['x', i], ...more]),
      };
      made.addReading(reading, from, 0, registry.find(device));
    }
    return made;
  };
  return { store, clock, writer, batch, published, metrics };
}

describe('a batch of many values', () => {
  const more = Array.from({ length: 99 }, (_, n) => [`m${n}`, n] as const);

  it.each([
    ['is evaluated and stored in transactions of 20,000', undefined, [200, 200, 200]],
    ['is stored in transactions of 50,000 where nothing is evaluated', false, [500, 100]],
  ])('%s', async (_, evaluates, sizes) => {
    const { store, writer, batch } = await setup(() => false, evaluates);
    expect(await writer.write(batch(600, more))).toMatchObject({ stored: 600 });
    expect(store.batches.map(({ readings }) => readings.length)).toEqual(sizes);
  });
});

describe('statement 7: a batch beyond the limit of decompressed rows', () => {
  it('is written in pieces that pass, each with the alerts of its readings and of no other', async () => {
    const { store, writer, batch, published, metrics } = await setup((tried) => tried.readings.length > 3);
    const outcome = await writer.write(batch(10));
    expect(outcome).toMatchObject({ stored: 10, duplicate: 0 });
    const passed = store.batches.filter((tried) => tried.readings.length <= 3);
    expect(store.batches.map((tried) => tried.readings.length)).toEqual([10, 5, 3, 3, 3, 1]);
    for (const { alerts, readings, deadLetters } of passed) {
      expect(alerts.raised.map(({ sensorId, timeUs }) => [sensorId, timeUs])).toEqual(
        readings.map(({ sensorId, timeUs }) => [sensorId, timeUs]),
      );
      expect(deadLetters).toEqual([]);
    }
    // The rows of a sensor stay together and in their order: 0, 4, 8 are those of the first of four.
    expect(passed.flatMap(({ readings }) => readings.map(({ timeUs }) => timeUs))).toEqual([
      0, 4, 8, 1, 5, 9, 2, 6, 3, 7,
    ]);
    // The lines of the last piece leave after the acknowledgements.
    expect(published).toHaveLength(9);
    expect(typeof outcome === 'string' ? [] : outcome.notifications).toHaveLength(1);
    // The outcome of a refused attempt is known: none of them has to look for its own rows.
    expect(store.batches.every(({ retry }) => !retry)).toBe(true);
    expect(metrics.values.get('fieldwatch_store_failures_total{code=DB_BATCH_TOO_BIG}')).toBe(2);
    expect(writer.health).toEqual({ state: 'ok' });
  });

  it('that is one row becomes a dead letter with its SQLSTATE; its neighbours are stored', async () => {
    const { store, writer, batch } = await setup((tried) =>
      tried.readings.some(({ timeUs }) => timeUs === 6),
    );
    const written = batch(9);
    expect(await writer.write(written)).toMatchObject({ stored: 8 });
    expect(written.deadLetters).toMatchObject([{ topic: 's3', reason: '53400' }]);
    // With the last piece, and only there.
    expect(store.batches.map(({ deadLetters }) => deadLetters.length).filter((n) => n > 0)).toEqual([1]);
    expect(store.batches.at(-1)?.deadLetters).toHaveLength(1);
  });

  it('continues where it stopped when the database is lost between two pieces', async () => {
    const { store, clock, writer, batch } = await setup((tried) => tried.readings.length > 2);
    const { auto } = store;
    let away = false;
    store.auto = (tried) => {
      if (tried.readings.length <= 2 && tried.readings[0]?.timeUs === 2 && !away) {
        away = true;
        return new FieldwatchError('away', { code: 'DB_UNREACHABLE', kind: 'transient' });
      }
      return auto?.(tried) ?? stored(tried);
    };
    const writing = writer.write(batch(4));
    await settle();
    expect(away).toBe(true);
    clock.advance(1000);
    expect(await writing).toMatchObject({ stored: 4 });
    expect(store.batches.map(({ readings, retry }) => [readings.map(({ timeUs }) => timeUs), retry])).toEqual(
      [
        [[0, 1, 2, 3], false],
        [[0, 1], false],
        [[2, 3], false],
        [[2, 3], true],
      ],
    );
  });
});
