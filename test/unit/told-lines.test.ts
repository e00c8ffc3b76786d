import { afterEach, expect, test } from '@jest/globals';
import { silentLogger } from '../../src/adapters/logger.ts';
import { OpenSpool, type SpoolEnds } from '../../src/app/spooling.ts';
import type { Parts } from '../../src/app/parts.ts';
import { EMPTY_ALERT_BATCH, type AlertNotification } from '../../src/core/alert/model.ts';
import { DatabaseStart } from '../../src/services/database-start.ts';
import { SensorRegistry } from '../../src/services/sensor-registry.ts';
import { StoreWatch } from '../../src/services/store-health.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeDirectory, FakeSpool, FakeStore, RecordingMetrics, settle, stored } from '../support/fakes.ts';

let release: () => Promise<void> = async () => {};
afterEach(() => release());

/** The announcer remembers a bounded number of lines that left before their rows; the record in the spool knows of its own. */
test('lines that left during an outage are known to have left when their rows are stored, however long ago that was', async () => {
  const [clock, metrics, spool, store] = [
    new FakeClock(0),
    new RecordingMetrics(),
    new FakeSpool(),
    new FakeStore(),
  ];
  const logger = silentLogger;
  const events: string[] = [];
  const say =
    (what: string) =>
    (all: readonly AlertNotification[]): void =>
      void events.push(...all.map(({ alertId }) => `${what} ${alertId}`));
  const alerting = {
    ...{ wereTold: say('told'), announce: say('announced'), announceUnpersisted: say('unpersisted') },
    ...{
      prepare: async () => {},
      knows: () => true,
      evaluate: () => ({ batch: EMPTY_ALERT_BATCH, adopt: () => {} }),
    },
  };
  const registry = new SensorRegistry(
    { registration: 'auto', allow: ['*'], max: 10, maxNewPerMinute: 10 },
    { directory: new FakeDirectory(), clock, logger, metrics },
  );
  const releasers: (() => Promise<void>)[] = [];
  const config = { spool: { after: 5000 }, ingest: { retry: { min: 100, max: 1000 } } };
  const parts = {
    ...{ config, clock, logger, metrics },
    releasers: { add: (_: string, close: () => Promise<void>) => void releasers.push(close) },
  };
  release = async () => {
    for (const close of releasers) await close();
  };
  const ends = {
    ...{ registry, alerting, telling: alerting, live: { config } },
    ...{ watch: new StoreWatch({ clock, logger, metrics }), ledger: { committed: () => {} } },
  };
  const open = new OpenSpool(parts as unknown as Parts, ends as unknown as SpoolEnds, spool, store);
  const start = new DatabaseStart({ greet: async () => {}, run: async () => {} });
  await start.now();
  await open.start(start);
  open.forWriter.spooling.begin();
  store.auto = stored;
  const record = (alertId: string) => ({
    ...{ lane: 'alerts' as const, id: alertId, readings: [], deadLetters: [] },
    alerts: { ...EMPTY_ALERT_BATCH, notifications: [{ alertId } as AlertNotification] },
  });
  const [left] = await spool.append([record('left'), record('new')]);
  await spool.markTold(left!);
  for (let round = 0; round < 20; round++) {
    clock.advance(100);
    await settle(4);
  }
  expect(spool.records).toEqual([]);
  expect(events).toEqual(['told left', 'announced left', 'announced new']);
});
