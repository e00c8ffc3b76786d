import { expect, test } from '@jest/globals';
import type { SinkFilter } from '../../../src/core/notify/filter.ts';
import { SinkError } from '../../../src/core/notify/sink-error.ts';
import { NotificationDispatcher, type SinkSetup } from '../../../src/services/notify/dispatcher.ts';
import { NotificationMetrics } from '../../../src/services/notify/metrics.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeDeliveries, FakeSink, placed } from '../../support/fake-deliveries.ts';
import { RecordingMetrics, settle } from '../../support/fakes.ts';
import { notificationOf } from '../../support/notifications.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

const ALL: SinkFilter = {
  minSeverity: 'info',
  alertTypes: [],
  locations: [],
  sendResolved: true,
};

function setUp() {
  const made: FakeSink[] = [];
  const stores = new Map<string, FakeDeliveries>();
  const clock = new FakeClock();
  const setup = (name: string, filter: Partial<SinkFilter> = {}, fingerprint = name): SinkSetup => ({
    fingerprint,
    make: () => {
      made.push(new FakeSink());
      return made.at(-1) as FakeSink;
    },
    settings: {
      name,
      filter: { ...ALL, ...filter },
      queueMax: 1000,
      maxAgeMs: 86_400_000,
      maxPerMinute: 1000,
      timeoutMs: 10_000,
      retry: { baseMs: 1000, capMs: 60_000 },
      grouping: { groupWaitMs: 0 },
    },
  });
  const storeOf = (sink: string) => {
    const found = stores.get(sink) ?? new FakeDeliveries(clock);
    stores.set(sink, found);
    return found;
  };
  const setupOf = (sinks: readonly SinkSetup[]) => ({ sinks, routes: undefined, times: {} });
  const create = (...setups: SinkSetup[]) =>
    new NotificationDispatcher(setupOf(setups), {
      store: Object.assign(new FakeDeliveries(), {
        queueOf: (sink: string) => storeOf(sink).queue,
        lease: ({ name }: { name: string }) => storeOf(name).lease(name, 'me'),
        release: (sink: string) => storeOf(sink).release(),
        enforceLimits: (sink: string, bounds: { max: number }) => storeOf(sink).enforceLimits(sink, bounds),
      }),
      owner: 'me',
      factsOf: (sensorId) => ({ name: null, location: sensorId === 1 ? 'lab' : null }),
      clock,
      logger: new QuietLogger(),
      metrics: new NotificationMetrics(new RecordingMetrics()),
      random: () => 0.5,
    });
  return { made, setup, setupOf, create, storeOf, clock };
}

test('each notification goes to the sinks that it matches', () => {
  const { setup, create } = setUp();
  const dispatcher = create(setup('all'), setup('bad', { minSeverity: 'critical' }), setup('lab', { locations: ['lab'] }));
  const notified = (more: Parameters<typeof notificationOf>[0]) =>
    dispatcher.route([notificationOf(more)]).map(({ sink, ifNotified }) => (ifNotified ? `${sink}?` : sink));
  expect(notified({})).toEqual(['all', 'lab']);
  expect(notified({ severity: 'critical', sensorId: 2 })).toEqual(['all', 'bad']);
  expect(notified({ event: 'resolved' })).toEqual(['all?', 'bad?', 'lab?']);
  expect(notified({ suppressed: 'silence' })).toEqual([]);
}); // prettier-ignore

test('while the database is away an end is sent only if its firing would be', async () => {
  const { setup, create, made } = setUp();
  const dispatcher = create(setup('all'), setup('bad', { minSeverity: 'critical' }));
  dispatcher.start();
  dispatcher.sendNow([notificationOf({ alertId: 'a' }), notificationOf({ alertId: 'a', seq: 2, event: 'resolved' })]);
  await settle();
  expect(made.map(({ got }) => got.length)).toEqual([2, 0]);
}); // prettier-ignore

test('a reload stops what is gone or changed, starts what is new, and leaves the rest alone', async () => {
  const { setup, setupOf, create, made, storeOf } = setUp();
  const dispatcher = create(setup('stays'), setup('changes'), setup('goes'));
  dispatcher.start();
  await settle();
  await dispatcher.reconfigure(setupOf([setup('stays'), setup('changes', {}, 'otherwise'), setup('comes')]));
  await settle();
  expect(made.map(({ closed }) => closed)).toEqual([false, true, true, false, false]);
  storeOf('stays').queue.push(placed([notificationOf()]));
  storeOf('changes').queue.push(placed([notificationOf()]));
  dispatcher.queued([]);
  await settle();
  expect(made.map(({ got }) => got.length)).toEqual([1, 0, 0, 1, 0]);
  await dispatcher.stop();
  expect(made.every(({ closed }) => closed)).toBe(true);
});

test('what is published while a sink is being replaced is queued for it', async () => {
  const { setup, setupOf, create, made, storeOf, clock } = setUp();
  const dispatcher = create(setup('changes'), setup('goes'));
  dispatcher.start();
  const [changes] = made;
  if (changes !== undefined) changes.fail = () => 'hang';
  storeOf('changes').queue.push(placed([notificationOf()]));
  dispatcher.queued([]);
  await settle();
  const reloaded = dispatcher.reconfigure(setupOf([setup('changes', {}, 'otherwise')]));
  await settle();
  expect(dispatcher.route([notificationOf()]).map(({ sink }) => sink)).toContain('changes');
  clock.advance(2000);
  await reloaded;
  await settle();
  expect(dispatcher.route([notificationOf()]).map(({ sink }) => sink)).toEqual(['changes']);
  expect(made.map(({ got }) => got.length)).toEqual([0, 0, 1]);
  await dispatcher.stop();
});

test('a failing sink is reported as a problem until it recovers', async () => {
  const { setup, create, made, storeOf, clock } = setUp();
  const dispatcher = create(setup('ops'), setup('other'));
  dispatcher.start();
  const [ops] = made;
  if (ops !== undefined) ops.fail = () => new SinkError('auth', 'HTTP 401');
  storeOf('ops').queue.push(placed([notificationOf()]));
  dispatcher.queued([]);
  await settle();
  expect(dispatcher.troubles()).toEqual([{ sink: 'ops', kind: 'fake', detail: 'HTTP 401' }]);
  if (ops !== undefined) ops.fail = undefined;
  for (let i = 0; i < 20; i++) {
    clock.advance(5000);
    await settle();
  }
  expect(dispatcher.troubles()).toEqual([]);
  expect(dispatcher.health()).toEqual(
    ['ops', 'other'].map((sink) => ({ sink, kind: 'fake', detail: undefined })),
  );
  expect(ops?.got).toHaveLength(1);
});
