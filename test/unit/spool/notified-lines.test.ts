import { afterEach, expect, test } from '@jest/globals';
import { silentLogger } from '../../../src/adapters/log/logger.ts';
import { createSpoolComponents } from '../../../src/app/wiring/spool.ts';
import { type AlertNotification, EMPTY_ALERT_BATCH } from '../../../src/core/alert/model.ts';
import { OutageMonitor } from '../../../src/services/ingest/outage-monitor.ts';
import { SensorRegistry } from '../../../src/services/ingest/sensor-registry.ts';
import { DeferredStartup } from '../../../src/services/ingest/startup.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import {
  FakeDirectory,
  FakeSpool,
  FakeStore,
  RecordingMetrics,
  settle,
  stored,
} from '../../support/fakes.ts';

let release: () => Promise<void> = async () => {};
afterEach(() => release());

/**
 * The publisher remembers a bounded number of lines that left before their rows, and at a start a bounded end of the alert log is
 * read; the record in the spool stores its own mark, and so does its row, which another process may read.
 */
test('a line that left during an outage is stored as logged, however long ago that was, and whichever process stores it', async () => {
  const [clock, metrics, spool, store] = [
    new FakeClock(0),
    new RecordingMetrics(),
    new FakeSpool(),
    new FakeStore(),
  ];
  const logger = silentLogger;
  const named = (all: readonly AlertNotification[]) =>
    all.map(({ alertId, logged }) => `${alertId} ${logged === true ? 'logged' : 'new'}`);
  const published: string[] = [];
  const alertManager = {
    ...{ publish: (all: readonly AlertNotification[]) => void published.push(...named(all)) },
    ...{
      publishUnpersisted: () => {},
      prepare: async () => {},
      knows: () => true,
      evaluate: () => ({ batch: EMPTY_ALERT_BATCH, commit: () => {} }),
    },
  };
  const registry = new SensorRegistry(
    { registration: 'auto', allow: ['*'], max: 10, maxNewPerMinute: 10 },
    { directory: new FakeDirectory(), clock, logger, metrics },
  );
  const cleanup: (() => Promise<void>)[] = [];
  const config = { spool: { after: 5000 }, ingest: { retry: { min: 100, max: 1000 } } };
  const context = {
    ...{ config, clock, logger, metrics, registry, evaluator: alertManager, live: { config } },
    ...{ watch: new OutageMonitor({ clock, logger, metrics }), accounting: { committed: () => {} } },
    cleanup: { add: (_: string, close: () => Promise<void>) => void cleanup.push(close) },
  };
  release = async () => {
    for (const close of cleanup) await close();
  };
  const open = createSpoolComponents(
    context as unknown as Parameters<typeof createSpoolComponents>[0],
    spool,
    store,
  );
  store.auto = stored;
  const record = (alertId: string) => ({
    ...{ lane: 'alerts' as const, id: alertId, readings: [], deadLetters: [] },
    alerts: { ...EMPTY_ALERT_BATCH, notifications: [{ alertId } as AlertNotification] },
  });
  const leave = async (name: string) => {
    const [left] = await spool.append([record(`${name} a`), record(`${name} b`)]);
    await spool.markNotified(left!);
  };
  await leave('before');
  // Not published yet: the alert state comes first, and the outbox gives them then.
  await open.replayAlerts(new AbortController().signal);
  expect(published).toEqual([]);
  const start = new DeferredStartup({ tryConnect: async () => {}, run: async () => {} });
  await start.now();
  await open.start(start);
  open.forWriter.spoolWriter.begin();
  await leave('live');
  for (let round = 0; round < 20; round++) {
    clock.advance(100);
    await settle(4);
  }
  expect(spool.records).toEqual([]);
  expect(store.batches.flatMap(({ alerts }) => named(alerts.notifications))).toEqual([
    ...['before a logged', 'before b new'],
    ...['live a logged', 'live b new'],
  ]);
  expect(published).toEqual(['live a logged', 'live b new']);
});
