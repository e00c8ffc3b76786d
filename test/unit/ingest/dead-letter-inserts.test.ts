import { expect, test } from '@jest/globals';
import { writeDeadLetters } from '../../../src/adapters/timescale/ingest/dead-letters.ts';
import type { Work } from '../../../src/adapters/timescale/connection/session.ts';

const KIB = 1024;

/** The payload bytes and the number of letters of each INSERT. */
async function inserts(count: number, payload: Uint8Array, maxBytes: number) {
  const made: { bytes: number; letters: number }[] = [];
  const work = {
    query: async (_text: string, values: unknown[]) => {
      const payloads = values[4] as readonly Uint8Array[];
      made.push({ bytes: payloads.reduce((sum, { length }) => sum + length, 0), letters: payloads.length });
      return { rowCount: payloads.length, rows: [] };
    },
    script: async () => [],
  };
  const letter = { receivedAtMs: 0, topic: 's/one', payload, reason: 'parse_error', detail: 'x' };
  await writeDeadLetters(
    work as unknown as Work,
    Array.from({ length: count }, () => ({ ...letter })),
    maxBytes,
  );
  return made;
}

test('many dead letters with much payload are written a megabyte at a time, each payload up to what is kept', async () => {
  const made = await inserts(200, Buffer.alloc(1024 * KIB), 64 * KIB);
  expect(made.reduce((sum, { letters }) => sum + letters, 0)).toBe(200);
  expect(made.length).toBeLessThanOrEqual(13);
  expect(Math.max(...made.map(({ bytes }) => bytes))).toBe(1024 * KIB);
});

test('many dead letters without much payload are written a thousand at a time', async () => {
  const made = await inserts(2500, Buffer.from('!'), 64 * KIB);
  expect(made.map(({ letters }) => letters)).toEqual([1000, 1000, 500]);
});

test('one that is larger than that goes alone', async () => {
  const made = await inserts(3, Buffer.alloc(2048 * KIB), 2048 * KIB);
  expect(made.map(({ letters }) => letters)).toEqual([1, 1, 1]);
});
