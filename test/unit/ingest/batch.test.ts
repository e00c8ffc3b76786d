import { describe, expect, it } from '@jest/globals';
import { MOST_VALUES, decideFlush, isFull } from '../../../src/core/ingest/batch-limits.ts';
import { IngestBatch } from '../../../src/services/ingest/batch.ts';

const limits = { maxRows: 100, maxBytes: 10_000, lingerMs: 20 };
const fill = { rows: 5, values: 25, bytes: 500, messages: 5, openedAtMs: 1000 };
const window = { unacknowledged: 5, receiveMaximum: 1000 };

describe('decideFlush', () => {
  it.each([
    ['rows are full', { ...fill, rows: 100 }, window, 1000],
    ['bytes are full', { ...fill, bytes: 10_000 }, window, 1000],
    ['half of the window is in this batch', { ...fill, messages: 500 }, window, 1000],
    [
      'the window is used up by this and the previous batch',
      fill,
      { unacknowledged: 1000, receiveMaximum: 1000 },
      1000,
    ],
    [
      'a default MQTT 3.1.1 window of 20 is half full',
      { ...fill, messages: 10 },
      { unacknowledged: 10, receiveMaximum: 20 },
      1000,
    ],
    ['the linger time is over', fill, window, 1020],
  ])('writes now when %s', (_, batch, used, now) => {
    expect(decideFlush(batch, used, limits, now)).toEqual({ flush: 'now' });
  });

  it('waits for the rest of the linger time otherwise', () => {
    expect(decideFlush(fill, window, limits, 1005)).toEqual({ flush: 'later', afterMs: 15 });
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
