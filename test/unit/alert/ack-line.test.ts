import { expect, test } from '@jest/globals';
import { applyCommand } from '../../../src/core/alert/engine/commands.ts';
import { alertId } from '../../../src/services/alert/alert-id.ts';
import { Bench, rulesOf, T0_MS } from './support.ts';

test('the line and the row of an acknowledgement have its end', () => {
  const bench = new Bench(rulesOf({ metrics: { temperature: { max: 30 } } })).send({ at: 0, value: 31 });
  const untilMs = T0_MS + 3_600_000;
  const command = { kind: 'ack', sensorId: 1, alertType: 'temperature_high', alertId: undefined, by: 'ann', untilMs } as const; // prettier-ignore
  bench.engine.begin();
  expect(applyCommand(bench.engine, command, T0_MS + 60_000, alertId)).toBe('done');
  bench.finish();
  expect(bench.notifications.at(-1)).toMatchObject({
    event: 'acknowledged',
    ackedBy: 'ann',
    ackUntilMs: untilMs,
  });
  expect(bench.batches.at(-1)?.acked).toMatchObject([{ ackedBy: 'ann', ackedUntilMs: untilMs }]);
  bench.engine.begin();
  expect(applyCommand(bench.engine, command, T0_MS + 70_000, alertId)).toBe('already');
});
