import { describe, expect, test } from '@jest/globals';
import { joinable, joined } from '../../../src/core/alert/join.ts';
import { EMPTY_ALERT_BATCH, type AlertBatch } from '../../../src/core/alert/model.ts';

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
const under = (epoch: number, group = 'g') => ({ ...EMPTY_ALERT_BATCH, duty: { group, epoch } });

describe('alert batches in one transaction', () => {
  test('the last state of a cell counts, rows and lines stay in order', () => {
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
    ['not of two epochs', [under(1), under(1), under(2)], 2],
    ['not of two groups', [under(1), under(1, 'h')], 1],
    ['not with and without an epoch', [raise(1, 1), under(1)], 1],
    ['not a command', [raise(1, 1), { ...EMPTY_ALERT_BATCH, commands: { by: 'x', outcomes: [] } }], 1],
    ['a command alone', [{ ...EMPTY_ALERT_BATCH, commands: { by: 'x', outcomes: [] } }, raise(1, 1)], 1],
    ['nothing', [], 0],
  ] satisfies [string, AlertBatch[], number][])('joins %s', (_, batches, count) => {
    expect(joinable(batches)).toBe(count);
  });
});
