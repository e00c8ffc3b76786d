import { expect, test } from '@jest/globals';
import { HandoverReader, type HandoverReaderDeps } from '../../../src/services/alert/cluster/handover.ts';
import { ShardTable } from '../../../src/services/alert/cluster/shard-table.ts';
import { NOTHING } from '../../../src/services/alert/evaluation.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

/** A reader whose machine evaluates and commits so many readings in the time of one attempt; what it asked the store for. */
function readerOn(machine: { capacity: number }) {
  const table = new ShardTable('crew', 'one');
  table.gain(new Map([[0, 1]]));
  table.move([0], 'ready');
  const asked: number[] = [];
  const deps = {
    table,
    leases: { mayEvaluate: true, lateByMs: 0, attend() {}, holdIfBehind() {}, caughtUp() {} },
    store: {
      read: async (_group: string, _shards: readonly number[], most: number) => {
        asked.push(most);
        return { rows: [{ id: '1', shard: 0, readings: [] }], more: false };
      },
    },
    engine: { waitFor() {}, prepare: async () => {}, evaluate: () => NOTHING },
    registry: { forgotten: new Map() },
    commit: async (evaluate: () => Promise<{ commit(): void }>) => {
      const evaluation = await evaluate();
      if ((asked.at(-1) ?? 0) <= machine.capacity) evaluation.commit();
    },
    spoolWriter: () => false,
    ...{ clock: new FakeClock(), logger: new QuietLogger() },
  } as unknown as HandoverReaderDeps;
  return { reader: new HandoverReader(deps), asked };
}

test('an attempt that is given up is followed by half as much, until it passes, and by more again', async () => {
  const machine = { capacity: 1500 };
  const { reader, asked } = readerOn(machine);
  for (let n = 0; n < 6; n++) await reader.ready();
  expect(asked).toEqual([20_000, 10_000, 5000, 2500, 1250, 2500]);
  machine.capacity = Infinity;
  asked.length = 0;
  for (let n = 0; n < 6; n++) await reader.ready();
  expect(asked).toEqual([1250, 2500, 5000, 10_000, 20_000, 20_000]);
});

test('there is a least, so that an outage of the database does not make the transactions tiny', async () => {
  const { reader, asked } = readerOn({ capacity: 0 });
  for (let n = 0; n < 12; n++) await reader.ready();
  expect(asked.at(-1)).toBe(250);
});

test('where time decides nothing, the handover is not read for it: it was read to its end a moment ago', async () => {
  const { reader, asked } = readerOn({ capacity: Infinity });
  expect([await reader.ready(false), asked.length]).toEqual([false, 0]);
  expect([await reader.ready(true), asked.length]).toEqual([true, 1]);
  expect([await reader.ready(false), asked.length]).toEqual([true, 1]);
});
