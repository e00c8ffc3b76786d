import { expect, test } from '@jest/globals';
import { createSpoolComponents } from '../../../src/app/wiring/spool.ts';
import { FieldwatchError } from '../../../src/core/errors.ts';
import { CleanupStack } from '../../../src/lib/cleanup-stack.ts';
import { OutageMonitor } from '../../../src/services/ingest/outage-monitor.ts';
import { DeferredStartup } from '../../../src/services/ingest/startup.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeSpool, FakeStore, RecordingMetrics } from '../../support/fakes.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

const gone = () => new FieldwatchError('connection ended', { code: 'DB_CLOSED', kind: 'transient' });

/** A start whose connection ends after `before` has run; the log of it. */
async function startedWith(before: (cleanup: CleanupStack) => Promise<void>): Promise<readonly string[]> {
  const [clock, metrics, logger] = [new FakeClock(0), new RecordingMetrics(), new QuietLogger()];
  const cleanup = new CleanupStack(logger);
  const config = { spool: { after: 5000 }, ingest: { retry: { min: 100, max: 1000 } } };
  const context = {
    ...{ config, clock, logger, metrics, cleanup, live: { config } },
    watch: new OutageMonitor({ clock, logger, metrics }),
  };
  const open = createSpoolComponents(
    context as unknown as Parameters<typeof createSpoolComponents>[0],
    new FakeSpool(),
    new FakeStore(),
  );
  const tryConnect = async () => {
    await before(cleanup);
    throw gone();
  };
  await open.start(new DeferredStartup({ tryConnect, run: async () => {} }));
  await cleanup.releaseAll();
  return logger.find('error').map(({ message }) => message);
}

test('a start without the database says so', async () => {
  expect(await startedWith(async () => {})).toEqual(['started without the database, spooling messages']);
});

test('a start that is interrupted, and so loses its connection, says nothing of the database', async () => {
  expect(await startedWith((cleanup) => cleanup.releaseAll())).toEqual([]);
});
