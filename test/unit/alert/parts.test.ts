import { describe, expect, test } from '@jest/globals';
import { joinable, joined } from '../../../src/core/alert/engine/join.ts';
import { partsOf } from '../../../src/core/alert/engine/parts.ts';
import { waitingColumns } from '../../../src/core/alert/engine/waiting.ts';
import { type AlertBatch, EMPTY_ALERT_BATCH } from '../../../src/core/alert/model.ts';

const fence = { group: 'g', era: 'g 1', shards: [[1, 1]] as const };
const waiting = { group: 'g', writer: 'w', columns: waitingColumns([]) };
const rows = (count: number, fields: (n: number) => object) =>
  Array.from({ length: count }, (_, n) => ({
    sensorId: n,
    metric: 't',
    kind: 'threshold',
    side: 'high',
    ...fields(n),
  }));

const BATCH = {
  ...EMPTY_ALERT_BATCH,
  raised: rows(5, (n) => ({ timeUs: n })),
  flapping: rows(2, (n) => ({ firedAtUs: n })),
  resolved: rows(3, (n) => ({ firedAtUs: n })),
  states: rows(5, (seq) => ({ seq })),
  notifications: rows(6, (seq) => ({ seq })),
  ...{ fence, waiting },
} as unknown as AlertBatch;

describe('a large batch of alerts in parts', () => {
  test('is the same, written one after the other', () => {
    const parts = partsOf(BATCH, 2);
    expect(parts).toHaveLength(3 + 1 + 2 + 3 + 3);
    for (const part of parts)
      expect(
        part.raised.length +
          (part.flapping ?? []).length +
          part.resolved.length +
          part.states.length +
          part.notifications.length,
      ).toBeLessThanOrEqual(2);
    expect(joinable(parts)).toBe(parts.length);
    expect(joined(parts)).toMatchObject(BATCH);
  });

  test('raises rows before it closes them, and says last how far was evaluated', () => {
    const parts = partsOf(BATCH, 2);
    const lastRaised = parts.findLastIndex(({ raised }) => raised.length > 0);
    expect(parts.findIndex(({ resolved }) => resolved.length > 0)).toBeGreaterThan(lastRaised);
    expect(parts.map((part) => part.waiting !== undefined).indexOf(true)).toBe(parts.length - 1);
    expect(parts.every((part) => part.fence === fence)).toBe(true);
  });

  test('stays whole where it is small, or about operators and other daemons', () => {
    expect(partsOf(BATCH, 100)).toEqual([BATCH]);
    const special = { ...BATCH, commands: { by: 'x', outcomes: [] } };
    expect(partsOf(special, 2)).toEqual([special]);
  });
});
