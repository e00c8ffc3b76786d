import { describe, expect, test } from '@jest/globals';
import type { Program } from '../../../src/app/program.ts';
import { loadConfig } from '../../../src/config/load.ts';
import type { ReadingInput } from '../../../src/library/monitor-types.ts';
import { Recorder } from '../../../src/library/recorder.ts';
import type { IngestBatch } from '../../../src/services/ingest/batch.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const LINGER_MS = 100;

/** A recorder whose writer keeps what it is given. */
function recording({
  rows = 10,
  write = () => Promise.resolve(),
  evaluates = true,
}: { rows?: number; write?: () => Promise<void>; evaluates?: boolean } = {}) {
  const clock = new FakeClock();
  const { config } = loadConfig({
    text: JSON.stringify({ ingest: { batch: { max_rows: rows, linger: `${LINGER_MS}ms` } } }),
    env: {},
  });
  const batches: number[][] = [];
  const letters: { reason: string; payload: string }[] = [];
  const program = {
    ...{ config, clock, deadLetters: undefined, registry: { find: () => undefined } },
    evaluator: { evaluates },
    writer: {
      write: async (batch: IngestBatch) => {
        await write();
        batches.push(batch.rowList.map(({ metrics }) => metrics.get('n') ?? NaN));
        for (const { reason, payload } of batch.deadLetters)
          letters.push({ reason, payload: new TextDecoder().decode(payload) });
        return { stored: batch.rowList.length, duplicate: 0, merged: 0, conflict: 0 };
      },
      publish: () => undefined,
    },
  } as unknown as Program;
  return { recorder: new Recorder(program, 'test'), clock, batches, letters };
}

const reading = (n: number): ReadingInput => ({
  sensor: 'a',
  time: Date.UTC(2026, 0, 1) + n,
  metrics: { n },
});
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A source that gives the items that are pushed to it, and waits meanwhile. */
function pausing() {
  const ready: ReadingInput[] = [];
  let wake = () => undefined as void;
  let ended = false;
  const give = async (...readings: ReadingInput[]) => {
    ready.push(...readings);
    wake();
    await settled();
  };
  const end = () => {
    ended = true;
    wake();
  };
  async function* source() {
    for (;;) {
      const next = ready.shift();
      if (next !== undefined) yield next;
      else if (ended) return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  }
  return { source, give, end };
}

describe('an async source that pauses', () => {
  test('what it gave is written after the linger time, and the progress is reported', async () => {
    const { recorder, clock, batches } = recording();
    const { source, give, end } = pausing();
    const progress: number[] = [];
    const done = recorder.many(source(), { onProgress: ({ stored }) => progress.push(stored) });
    await give(reading(1), reading(2));
    expect(batches).toEqual([]);
    clock.advance(LINGER_MS);
    await settled();
    expect([batches, progress]).toEqual([[[1, 2]], [2]]);
    await give(reading(3));
    clock.advance(LINGER_MS);
    await settled();
    expect(batches).toEqual([[1, 2], [3]]);
    end();
    expect(await done).toMatchObject({ stored: 3 });
  });

  test('an abort does not wait for its next reading, and stores what was taken', async () => {
    const { recorder, batches } = recording();
    const { source, give } = pausing();
    const ending = new AbortController();
    const done = recorder.many(source(), { signal: ending.signal });
    await give(reading(1), reading(2));
    ending.abort(new Error('enough'));
    await expect(done).rejects.toThrow('enough');
    expect(batches).toEqual([[1, 2]]);
    await expect(recorder.many(source(), { signal: ending.signal })).rejects.toThrow('enough');
  });

  test('neither does a database that fails', async () => {
    const { recorder, clock } = recording({ write: () => Promise.reject(new Error('away')) });
    const { source, give } = pausing();
    const done = recorder.many(source());
    await give(reading(1));
    clock.advance(LINGER_MS);
    await expect(done).rejects.toThrow('away');
  });

  test('a source that throws: the readings before it are stored', async () => {
    const { recorder, batches } = recording({ rows: 2 });
    async function* failing() {
      yield reading(1);
      yield reading(2);
      yield reading(3);
      throw new Error('the file ends here');
    }
    await expect(recorder.many(failing())).rejects.toThrow('the file ends here');
    expect(batches).toEqual([[1, 2], [3]]);
  });

  test('while a batch is written no more than one further is gathered', async () => {
    let release = () => undefined as void;
    const held = new Promise<void>((resolve) => (release = resolve));
    const { recorder, batches, clock } = recording({ rows: 2, write: () => held });
    const { source, give, end } = pausing();
    let taken = 0;
    const counted = async function* () {
      for await (const each of source()) {
        taken += 1;
        yield each;
      }
    };
    const done = recorder.many(counted());
    await give(...Array.from({ length: 9 }, (_, n) => reading(n)));
    clock.advance(LINGER_MS);
    await settled();
    expect([taken, batches]).toEqual([4, []]);
    release();
    end();
    expect(await done).toMatchObject({ stored: 9 });
    expect(batches.flat()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });
});

describe('the size of a batch', () => {
  const wide = Array.from({ length: 600 }, (_, n) => ({
    ...reading(n),
    metrics: Object.fromEntries(Array.from({ length: 100 }, (__, metric) => [`m${metric}`, metric])),
  }));

  test.each([
    ['that is evaluated: 20,000 values', true, [200, 200, 200]],
    ['that is only stored: 50,000 values', false, [500, 100]],
  ])('%s', async (_, evaluates, sizes) => {
    const { recorder, batches } = recording({ rows: 10_000, evaluates });
    expect(await recorder.many(wide)).toMatchObject({ stored: 600 });
    expect(batches.map(({ length }) => length)).toEqual(sizes);
  });
});

describe('one bad reading costs one reading', () => {
  const circle: Record<string, unknown> = { sensor: 'a', metrics: { n: 'x' } };
  circle['self'] = circle;
  const cases: [string, unknown, string][] = [
    ['no object', 5, 'parse_error'],
    ['a time that is an object', { sensor: 'a', time: {}, metrics: { n: 1 } }, 'bad_time'],
    ['a time that is a symbol', { sensor: 'a', time: Symbol('t'), metrics: { n: 1 } }, 'bad_time'],
    ['a time that is a bigint', { sensor: 'a', time: 5n, metrics: { n: 1 } }, 'bad_time'],
    ['a key that is a bigint', { sensor: 5n, metrics: { n: 1 } }, 'bad_device'],
    ['a location that is a number', { sensor: 'a', location: 5, metrics: { n: 1 } }, 'parse_error'],
    ['metrics in a list', { sensor: 'a', metrics: [1, 2] }, 'no_metrics'],
    ['a circle', circle, 'no_metrics'],
    [
      'a getter that throws',
      {
        get sensor() {
          throw new Error('gone');
        },
        metrics: { n: 1 },
      },
      'parse_error',
    ],
    [
      'a toJSON that throws',
      {
        sensor: 'a',
        metrics: {},
        toJSON() {
          throw new Error('gone');
        },
      },
      'no_metrics',
    ],
  ];

  test.each(cases)('%s', async (_, bad, reason) => {
    const { recorder, batches, letters } = recording();
    const given = [reading(1), bad, reading(2)] as ReadingInput[];
    expect(await recorder.many(given)).toMatchObject({ stored: 2, deadLettered: 1 });
    expect([batches, letters]).toEqual([[[1, 2]], [{ reason, payload: expect.stringMatching(/./) }]]);
    await expect(recorder.one(bad as ReadingInput)).rejects.toMatchObject({ code: 'READING_REFUSED' });
  });

  test('a location that is null is no location', async () => {
    const { recorder } = recording();
    const given = [{ ...reading(1), location: null }] as unknown as ReadingInput[];
    expect(await recorder.many(given)).toMatchObject({ stored: 1 });
  });
});

test.each([null, 5, 'abc', {}])('%p is no source of readings', async (given) => {
  const { recorder } = recording();
  await expect(recorder.many(given as unknown as ReadingInput[])).rejects.toMatchObject({
    code: 'READINGS_NOT_ITERABLE',
  });
});

test('after its end every call is refused', async () => {
  const { recorder } = recording();
  recorder.close();
  await expect(recorder.many([])).rejects.toMatchObject({ code: 'MONITOR_CLOSED' });
});
