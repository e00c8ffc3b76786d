import { describe, expect, it, test } from '@jest/globals';
import { MOST_VALUES, decideFlush, isFull } from '../../../src/core/ingest/batch-limits.ts';
import { IngestBatch } from '../../../src/services/ingest/batch.ts';

const limits = { maxRows: 100, maxBytes: 10_000, lingerMs: 20 };
const fill = { rows: 5, values: 25, bytes: 500, messages: 5, openedAtMs: 1000 };
const window = { unacknowledged: 5, receiveMaximum: 1000, mostUnacknowledged: 100 };

describe('decideFlush', () => {
  it.each([
    ['rows are full', { ...fill, rows: 100 }, window, 1000],
    ['bytes are full', { ...fill, bytes: 10_000 }, window, 1000],
    ['half of the window is in this batch', { ...fill, messages: 500 }, window, 1000],
    [
      'the window is used up by this and the previous batch',
      fill,
      { unacknowledged: 1000, receiveMaximum: 1000, mostUnacknowledged: 1000 },
      1000,
    ],
    [
      'a default MQTT 3.1.1 window of 20 is half full',
      { ...fill, messages: 10 },
      { unacknowledged: 10, receiveMaximum: 20, mostUnacknowledged: 20 },
      1000,
    ],
    ['the linger time is over', fill, window, 1020],
  ])('writes now when %s', (_, batch, used, now) => {
    expect(decideFlush(batch, used, limits, now)).toEqual({ flush: 'now' });
  });

  it('waits for the rest of the linger time otherwise', () => {
    expect(decideFlush(fill, window, limits, 1005)).toEqual({
      ...{ flush: 'later', afterMs: 15, sparse: false },
    });
  });

  it.each([
    ['is sparse', { messages: 4 }, {}, 45],
    ['has a message for each 10 ms of the wait', { messages: 5 }, {}, 1],
    ['has all that the broker has had unacknowledged', { messages: 2 }, { mostUnacknowledged: 5 }, 1],
    ['has messages of QoS 0', { messages: 1 }, { unacknowledged: 0, mostUnacknowledged: 0 }, 45],
  ])('of a batch that %s', (_, part, used, afterMs) => {
    const both = { ...limits, lingerMs: 50, filledLingerMs: 6 };
    expect(decideFlush({ ...fill, ...part }, { ...window, ...used }, both, 1005)).toMatchObject({ afterMs });
  });

  it('never waits with a linger of zero', () => {
    expect(decideFlush(fill, window, { ...limits, lingerMs: 0 }, 1000)).toEqual({ flush: 'now' });
  });
});

describe('isFull', () => {
  it('is decided by rows, values or bytes', () => {
    expect(isFull(fill, limits)).toBe(false);
    expect(isFull({ ...fill, rows: 100 }, limits)).toBe(true);
    expect(isFull({ ...fill, values: MOST_VALUES - 1 }, limits)).toBe(false);
    expect(isFull({ ...fill, values: MOST_VALUES }, limits)).toBe(true);
    expect(isFull({ ...fill, bytes: 10_000 }, limits)).toBe(true);
  });

  it('counts every value of a batch: each may raise an alert, in one evaluation where it goes to the spool', () => {
    const batch = new IngestBatch(0);
    const message = { topic: 't', payload: Buffer.alloc(0), receivedAtMs: 0 };
    const metrics = new Map(Array.from({ length: 1000 }, (_, n) => [`m${n}`, n] as const));
    const large = { maxRows: 20_000, maxBytes: 64 * 1024 * 1024, lingerMs: 20 };
    let readings = 0;
    for (; readings < 100 && !isFull(batch, large); readings++)
      batch.addReading(
        { device: 'd', timeUs: readings, location: undefined, metrics },
        message,
        0,
        undefined,
      );
    expect(readings).toBe(MOST_VALUES / 1000);
  });
});

describe('a sensor that was retired until it is seen', () => {
  const facts = { id: 1, key: 'a', name: null, type: null, location: null, tags: [] };
  const message = { topic: 't', payload: new Uint8Array(), receivedAtMs: 0 };
  const reading = { device: 'a', timeUs: 1, location: undefined, metrics: new Map([['temperature', 1]]) };
  const sought = (batch: IngestBatch) => [...batch.unknown.keys()];

  it('is looked up with its next reading, also where that is found out only when the batch is written', () => {
    const retired = { ...facts, retired: 'until_seen' } as const;
    const batch = new IngestBatch(0);
    batch.addReading(reading, message, 0, { ...facts, retired: 'for_good' });
    expect(sought(batch)).toEqual([]);
    batch.resolveAgain(() => retired);
    expect(sought(batch)).toEqual(['a']);
    const next = new IngestBatch(0);
    next.addReading(reading, message, 0, retired);
    expect(sought(next)).toEqual(['a']);
  });

  it('is not by what the broker had retained, nor by a word that it is online', () => {
    const retired = { ...facts, retired: 'until_seen' } as const;
    const batch = new IngestBatch(0);
    batch.addReading(reading, { ...message, retain: true }, 0, retired);
    batch.addReading({ ...reading, metrics: new Map([['', 1]]) }, message, 0, retired);
    batch.resolveAgain(() => retired);
    expect(sought(batch)).toEqual([]);
  });
});

test('a sensor is looked up where its topic names another location than it has, if it follows its topic', () => {
  const facts = { id: 1, key: 'a', name: null, type: null, location: 'lab', tags: [] };
  const message = { topic: 't', payload: new Uint8Array(), receivedAtMs: 0 };
  const isSought = (sensor: object, location: string | undefined, retain = false) => {
    const batch = new IngestBatch(0);
    const reading = { device: 'a', timeUs: 1, location, metrics: new Map([['temperature', 1]]) };
    batch.addReading(reading, { ...message, retain }, 0, { ...facts, ...sensor });
    return batch.unknown.size > 0;
  };
  const follows = { followsTopic: true };
  expect(isSought(follows, 'lab')).toBe(false);
  expect(isSought(follows, 'roof')).toBe(true);
  expect(isSought(follows, undefined)).toBe(false);
  expect(isSought(follows, 'roof', true)).toBe(false);
  // Whether it has moved is seen by what comes from where it was.
  expect(isSought({ ...follows, isMoving: true }, 'lab')).toBe(true);
  expect(isSought({ followsTopic: false }, 'roof')).toBe(false);
  expect(isSought({}, 'roof')).toBe(false);
});
