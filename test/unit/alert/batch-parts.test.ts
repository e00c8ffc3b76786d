import { describe, expect, test } from '@jest/globals';
import { joinable, joined, partsOf } from '../../../src/core/alert/engine/batch-parts.ts';
import { withoutCopies } from '../../../src/core/alert/engine/copied-numbers.ts';
import { eachWaiting, waitingColumns, type WaitingSeries } from '../../../src/core/alert/engine/waiting.ts';
import { type AlertBatch, EMPTY_ALERT_BATCH } from '../../../src/core/alert/model.ts';

const row = (sensorId: number, fields: object) => ({
  ...{ sensorId, metric: 'temperature', kind: 'threshold', side: 'high', alertType: 'temperature_high' },
  ...fields,
});
const raise = (sensorId: number, timeUs: number) =>
  ({ ...EMPTY_ALERT_BATCH, raised: [row(sensorId, { timeUs })] }) as unknown as AlertBatch;
const close = (sensorId: number, firedAtUs: number) =>
  ({ ...EMPTY_ALERT_BATCH, resolved: [row(sensorId, { firedAtUs })] }) as unknown as AlertBatch;
const state = (sensorId: number, seq: number) =>
  ({ ...EMPTY_ALERT_BATCH, states: [row(sensorId, { seq })] }) as unknown as AlertBatch;
const under = (epoch: number, group = 'g') => ({
  ...EMPTY_ALERT_BATCH,
  fence: { group, era: `${group} ${epoch}`, shards: [[1, epoch]] as const },
});

const series = (fields: Partial<WaitingSeries>): WaitingSeries => ({
  ...{ sensorId: 1, metric: 'temperature', lastUs: -Infinity, lastValue: NaN },
  ...{ fromUs: Infinity, untilUs: -Infinity, unstored: [], ...fields },
});
const waiting = (writer: string, replaces: string | undefined, ...all: WaitingSeries[]): AlertBatch => ({
  ...EMPTY_ALERT_BATCH,
  waiting: { group: '', writer, replaces, columns: waitingColumns(all) },
});

test('a batch that an earlier version spooled gives its copies of numbers that wait to the log', () => {
  const held = [5, 7].map((timeUs) => ({ timeUs, value: timeUs, receivedAtMs: 1 }));
  const states = [
    row(1, { state: 'ok', lastEventUs: 3, lastValue: 9, detail: { received: 1, held } }),
    row(1, { kind: 'rate', state: 'firing', lastEventUs: 3, lastValue: 9, detail: { fired: [2] } }),
    row(2, { state: 'ok', lastEventUs: 0, lastValue: 0, detail: {} }),
  ];
  const batch = { ...EMPTY_ALERT_BATCH, states } as unknown as AlertBatch;
  const found = withoutCopies(batch);
  expect(found.states.map(({ detail }) => detail)).toEqual([{}, { fired: [2] }, {}]);
  const unstored = [5, 7].map((timeUs) => ({ timeUs, value: timeUs }));
  expect(eachWaiting(found.waiting!.columns)).toEqual([
    series({ lastUs: 3, lastValue: 9, fromUs: 5, untilUs: 7, unstored }),
    series({ sensorId: 2, lastValue: 0 }),
  ]);
  expect(withoutCopies(found)).toBe(found);
});

describe('alert batches in one transaction', () => {
  test('of the log of what waits, one row says what all of them did; not of two processes', () => {
    const number = (timeUs: number) => ({ timeUs, value: timeUs });
    const all = [
      waiting('a', '7', series({ fromUs: 1, untilUs: 2, unstored: [number(1), number(2)] })),
      waiting('a', undefined, series({ sensorId: 2, fromUs: 4, untilUs: 4 })),
      waiting(
        'a',
        undefined,
        series({ lastUs: 1, lastValue: 1, fromUs: 2, untilUs: 3, unstored: [number(3)] }),
      ),
    ];
    expect(joinable([...all, waiting('b', undefined, series({}))])).toBe(3);
    const row = joined(all).waiting!;
    expect(row).toMatchObject({ writer: 'a', replaces: '7' });
    expect(eachWaiting(row.columns)).toEqual([
      series({ lastUs: 1, lastValue: 1, fromUs: 2, untilUs: 3, unstored: [number(2), number(3)] }),
      series({ sensorId: 2, fromUs: 4, untilUs: 4 }),
    ]);
  });

  test('the last state of an instance counts, rows and lines stay in order', () => {
    const one = joined([state(1, 1), raise(1, 10), state(2, 5), state(1, 2), raise(2, 20)]);
    expect(one.states).toMatchObject([
      { sensorId: 1, seq: 2 },
      { sensorId: 2, seq: 5 },
    ]);
    expect(one.raised).toMatchObject([{ timeUs: 10 }, { timeUs: 20 }]);
  });

  test('alerts that share a type keep their own states', () => {
    const rate = {
      ...EMPTY_ALERT_BATCH,
      states: [row(1, { kind: 'rate', seq: 7 })],
    } as unknown as AlertBatch;
    expect(joined([rate, state(1, 1)]).states).toMatchObject([
      { kind: 'rate', seq: 7 },
      { kind: 'threshold', seq: 1 },
    ]);
  });

  test.each([
    ['what is raised and closed, and raised anew', [raise(1, 1), close(1, 1), raise(1, 2)], 3],
    ['another sensor at the same time', [close(1, 1), raise(2, 1)], 2],
    ['not a row that is raised after it was closed', [raise(1, 1), close(1, 1), raise(1, 1)], 2],
    ['not a row that is closed twice', [close(1, 1), close(1, 1)], 1],
    ['not of two eras', [under(1), under(1), under(2)], 2],
    ['not of two groups', [under(1), under(1, 'h')], 1],
    ['not with and without a fence', [raise(1, 1), under(1)], 1],
    ['not a command', [raise(1, 1), { ...EMPTY_ALERT_BATCH, commands: { by: 'x', outcomes: [] } }], 1],
    ['a command alone', [{ ...EMPTY_ALERT_BATCH, commands: { by: 'x', outcomes: [] } }, raise(1, 1)], 1],
    ['nothing', [], 0],
  ] satisfies [string, AlertBatch[], number][])('joins %s', (_, batches, count) => {
    expect(joinable(batches)).toBe(count);
  });
});

const fence = { group: 'g', era: 'g 1', shards: [[1, 1]] as const };
const logRow = { group: 'g', writer: 'w', columns: waitingColumns([]) };
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
  ...{ fence, waiting: logRow },
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
