import { expect, test } from '@jest/globals';
import { SparkplugState } from '../../../src/core/ingest/codec/sparkplug-state.ts';
import type { SparkplugMetric } from '../../../src/core/ingest/codec/sparkplug-wire.ts';

const metrics = (count: number, from = 0): SparkplugMetric[] =>
  Array.from(
    { length: count },
    (_, n) => ({ name: `m${from + n}`, alias: String(from + n), datatype: 10 }) as SparkplugMetric,
  );

test('births are remembered up to a bound in all; the nodes that have most are forgotten first', () => {
  const state = new SparkplugState();
  state.birth('G/honest', '', metrics(20));
  // Each birth is one message within the limits.
  for (let n = 0; n < 100; n++) state.birth(`G/flood${n}`, '', metrics(10_000));
  expect(state.size).toBeLessThanOrEqual(500_000);
  expect(state.node('G/honest')?.byAliasOf('3')?.name).toBe('m3');
});

test('devices without a metric count, and addresses and names that are too long are not kept', () => {
  const state = new SparkplugState();
  for (let n = 0; n < 60_000; n++) state.birth('G/node', `device${n}`, []);
  expect(state.size).toBe(50_000);
  state.birth('G/node2', 'd'.repeat(600), metrics(5));
  state.birth('g'.repeat(600), '', metrics(5));
  expect(state.size).toBe(50_000);
  const long = [{ name: 'n'.repeat(500_000), alias: '1' }] as unknown as SparkplugMetric[];
  expect(state.birth('G/node3', '', long).byAliasOf('1')?.name).toHaveLength(1);
});

test('a birth takes the place of the one before: of the device its own, of the node all', () => {
  const state = new SparkplugState();
  state.birth('G/n', '', metrics(3));
  state.birth('G/n', 'd', metrics(3, 10));
  const node = state.birth('G/n', 'd', metrics(1, 12));
  expect(['1', '10', '11', '12'].map((alias) => node.byAliasOf(alias)?.name)).toEqual([
    'm1',
    undefined,
    undefined,
    'm12',
  ]);
  expect(node.datatypeOf('d', 'm12')).toBe(10);
  expect(state.size).toBe(3 + 1 + 1 + 1);
  const born = state.birth('G/n', '', metrics(1));
  expect(born.byAliasOf('12')).toBeUndefined();
  expect(state.size).toBe(2);
});
