import { expect, test } from '@jest/globals';
import { createMetrics } from '../../../src/adapters/http/metrics.ts';

test('only counters end in _total, as promtool requires', async () => {
  const metrics = createMetrics();
  metrics.counter('fieldwatch_probe_total', 'A counter.').inc();
  const types = [...(await metrics.scrape()).matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  expect(types.length).toBeGreaterThan(10);
  expect(types.filter(([, name, type]) => name?.endsWith('_total') && type !== 'counter')).toEqual([]);
});
