import { describe, expect, test } from '@jest/globals';
import { SinkError } from '../../../src/core/notify/sink-error.ts';
import type { Placement } from '../../../src/core/notify/grouping.ts';
import { NotificationMetrics } from '../../../src/services/notify/metrics.ts';
import { type SinkSettings, SinkWorker } from '../../../src/services/notify/sink-worker.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeDeliveries, FakeSink, placed } from '../../support/fake-deliveries.ts';
import { RecordingMetrics, settle } from '../../support/fakes.ts';
import { notificationOf } from '../../support/notifications.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

const SETTINGS: SinkSettings = {
  name: 'ops',
  filter: { minSeverity: 'info', alertTypes: [], locations: [], sendResolved: true },
  queueMax: 1000,
  maxAgeMs: 86_400_000,
  maxPerMinute: 1000,
  timeoutMs: 10_000,
  retry: { baseMs: 1000, capMs: 60_000 },
  grouping: {},
};

function setUp(more: Partial<SinkSettings> = {}, placement: Partial<Placement> = {}) {
  const sink = new FakeSink();
  const clock = new FakeClock();
  const store = new FakeDeliveries(clock);
  const logger = new QuietLogger();
  const metrics = new RecordingMetrics();
  const worker = new SinkWorker(
    { ...SETTINGS, ...more },
    {
      sink,
      store,
      owner: 'me',
      factsOf: () => ({ name: null, location: null }),
      clock,
      logger,
      metrics: new NotificationMetrics(metrics),
      random: () => 0.999,
    },
  );
  const push = async (...all: Parameters<typeof notificationOf>[0][]) => {
    store.queue.push(placed(all.map(notificationOf), placement));
    worker.wake();
    await settle();
  };
  const pass = async (ms: number) => {
    clock.advance(ms);
    await settle();
  };
  const events = () => sink.got.flatMap(({ notifications }) => notifications.map(({ event }) => event));
  return { sink, clock, logger, metrics, worker, store, push, pass, events };
}

const away = () => new SinkError('away', 'HTTP 503');

describe('a sink worker', () => {
  test('sends queued notifications in order, at once; those of a group in one', async () => {
    const { worker, push, events, sink } = setUp();
    worker.start();
    await push({ alertId: 'a' }, { alertId: 'b' }, { alertId: 'a', seq: 2, event: 'resolved' });
    expect(events()).toEqual(['firing', 'firing', 'resolved']);
    expect(sink.got.map(({ total }) => total)).toEqual([2, 1]);
    expect(sink.got[0]?.group).toEqual({ alert_type: 'temperature_high' });
  });

  test('the first of a group waits for others; the next are sent when the interval is over', async () => {
    const { worker, push, pass, sink } = setUp({}, { waitMs: 5000, intervalMs: 30_000 });
    const totals = () => sink.got.map(({ total }) => total);
    worker.start();
    await push({});
    await pass(4000);
    await push({});
    expect(totals()).toEqual([]);
    await pass(1000);
    expect(totals()).toEqual([2]);
    await push({}, {});
    await push({ alertType: 'humidity_low' });
    for (let ms = 0; ms < 29_000; ms += 1000) await pass(1000);
    expect(totals()).toEqual([2, 1]);
    await pass(1000);
    expect(totals()).toEqual([2, 1, 2]);
    await pass(60_000);
    await push({});
    for (let ms = 0; ms < 5000; ms += 1000) await pass(1000);
    expect(totals()).toEqual([2, 1, 2, 1]);
  });

  test('the end waits behind a beginning that waits for its group', async () => {
    const { worker, push, pass, events } = setUp({}, { waitMs: 5000, intervalMs: 30_000 });
    worker.start();
    await push({});
    await pass(5000);
    await push({ alertId: 'late' });
    await pass(1000);
    await push({ alertId: 'late', seq: 2, event: 'resolved' });
    for (let ms = 0; ms < 28_000; ms += 1000) await pass(1000);
    expect(events()).toEqual(['firing']);
    for (let ms = 0; ms < 6000; ms += 1000) await pass(1000);
    expect(events()).toEqual(['firing', 'firing', 'resolved']);
  });

  test('held deliveries that are due are taken into the queue before it is looked at', async () => {
    const { worker, store, pass, events } = setUp();
    worker.start();
    await settle();
    store.held.push({ released: 1, cancelled: 0, postponed: 0, nextInMs: 2000 });
    store.queue.push(placed([notificationOf()]));
    await pass(5000);
    expect(events()).toEqual(['firing']);
    store.held.push({ released: 0, cancelled: 0, postponed: 0, nextInMs: 2000 });
    await pass(5000);
    store.queue.push(placed([notificationOf()]));
    await pass(2000);
    expect(events()).toEqual(['firing', 'firing']);
  });

  test('a sink that is down keeps its queue; the waits grow; then all arrives in order', async () => {
    const { worker, push, pass, sink, events, logger, metrics } = setUp();
    sink.fail = away;
    worker.start();
    await push({ alertId: 'a' }, { alertId: 'a', seq: 2, event: 'resolved' });
    for (let i = 0; i < 6; i++) await pass(500);
    expect(sink.attempts).toBe(3);
    expect(logger.find(/refuses notifications/)).toHaveLength(1);
    expect(worker.sender.failing?.message).toBe('HTTP 503');
    expect(metrics.scrape().get('fieldwatch_notify_failing{sink=ops}')).toBe(1);
    sink.fail = undefined;
    await pass(60_000);
    expect(events()).toEqual(['firing', 'resolved']);
    expect(worker.sender.failing).toBeUndefined();
    expect(logger.find(/accepts notifications again/)).toHaveLength(1);
  });

  test('a storm that starts between two reads of the queue is not sent one by one', async () => {
    const { worker, push, pass, sink, store } = setUp();
    const groups = store.queue.groups.bind(store.queue);
    const storm = Array.from({ length: 500 }, (_, i) => notificationOf({ alertId: `storm-${i}` }));
    let looks = 0;
    store.queue.groups = async (limit) => {
      const seen = await groups(limit);
      if (++looks === 1) store.queue.push(placed(storm));
      return seen;
    };
    worker.start();
    await push({ alertId: 'a' });
    await pass(30_000);
    expect(sink.got.map(({ total }) => total)).toEqual([501]);
  });

  test('what one sink refuses for good does not hold up the rest', async () => {
    const { worker, push, sink, metrics, logger } = setUp();
    sink.fail = ({ notifications: [first] }) =>
      first?.sensorKey === 'bad' ? new SinkError('refused', 'HTTP 422') : undefined;
    worker.start();
    await push({ sensorKey: 'bad' }, { sensorKey: 'good' });
    expect(sink.got.map(({ notifications }) => notifications[0]?.sensorKey)).toEqual(['good']);
    expect(metrics.scrape().get('fieldwatch_notify_lost_total{sink=ops,reason=refused}')).toBe(1);
    expect(logger.find('error')).toHaveLength(1);
  });

  test('the wait for an answer has a limit', async () => {
    const { worker, push, pass, sink } = setUp({ timeoutMs: 5000 });
    sink.fail = () => 'hang';
    worker.start();
    await push({});
    await pass(5000);
    expect(worker.sender.failing?.message).toBe('no answer within 5000 ms');
  });

  test('the sink’s own "later" is heeded', async () => {
    const { worker, push, pass, sink } = setUp();
    sink.fail = () => new SinkError('away', 'HTTP 429', { retryAfterMs: 30_000 });
    worker.start();
    await push({});
    for (let i = 0; i < 5; i++) await pass(5000);
    expect(sink.attempts).toBe(1);
    await pass(5000);
    expect(sink.attempts).toBe(2);
  });

  test('no more requests a minute than the sink allows; the backlog is sent as a group', async () => {
    const { worker, push, pass, sink } = setUp({ maxPerMinute: 2 });
    worker.start();
    await push({});
    await push({});
    await push({});
    expect(sink.got).toHaveLength(2);
    await push(...Array.from({ length: 50 }, () => ({})));
    await pass(30_000);
    await pass(30_000);
    await pass(30_000);
    expect(sink.got.map(({ total }) => total)).toEqual([1, 1, 1, 50]);
  });

  test('100,000 silent sensors are one notification with the first names', async () => {
    const { worker, push, sink } = setUp();
    worker.start();
    const silent = Array.from({ length: 100_000 }, (_, i) => ({
      alertId: String(i),
      sensorKey: `s${i}`,
      alertType: 'temperature_no_data',
    }));
    await push(...silent);
    expect(sink.got).toHaveLength(1);
    expect(sink.got[0]?.total).toBe(100_000);
    expect(sink.got[0]?.notifications).toHaveLength(10);
  });

  test('at the bound the oldest are given up: counted, logged, and the daemon is degraded', async () => {
    const { worker, push, sink, pass, metrics, logger, store } = setUp({ queueMax: 5 });
    sink.fail = away;
    worker.start();
    await push(...Array.from({ length: 8 }, () => ({})));
    await pass(5000);
    expect(store.queue.size).toBe(5);
    expect(metrics.scrape().get('fieldwatch_notify_lost_total{sink=ops,reason=dropped}')).toBe(3);
    expect(logger.find(/notifications dropped/)).toHaveLength(1);
    expect(worker.droppedAtMs).toBeDefined();
  });

  test('while another daemon has the sink nothing is sent; when it releases it, all is', async () => {
    const { worker, push, pass, store, sink } = setUp();
    store.leasedBy = 'other';
    worker.start();
    await push({});
    expect(sink.got).toEqual([]);
    store.leasedBy = undefined;
    await pass(5000);
    expect(sink.got).toHaveLength(1);
  });

  test('a daemon that stood still while another took the sink sends nothing more of its queue', async () => {
    const { worker, push, pass, clock, store, sink } = setUp();
    worker.start();
    await push({});
    expect(sink.got).toHaveLength(1);
    clock.sleepOver(60_000);
    store.leasedBy = 'other';
    await push({});
    await pass(5000);
    expect(sink.got).toHaveLength(1);
    store.leasedBy = undefined;
    await pass(5000);
    expect(sink.got).toHaveLength(2);
  });

  test('the database is away: notifications from memory are sent at once, recorded later, sent once', async () => {
    const { worker, pass, store, sink } = setUp();
    store.away = true;
    worker.start();
    const notification = notificationOf();
    worker.sendNow(placed([notification]));
    await settle();
    expect(sink.got).toHaveLength(1);
    store.away = false;
    await pass(5000);
    expect(store.recordedAs).toEqual([notification]);
    worker.stored(new Set([`${notification.alertId} 1`]));
    await settle();
    expect(sink.got).toHaveLength(1);
  });

  test('a notification committed while being sent from memory is sent once', async () => {
    const { worker, store, sink } = setUp();
    let arrive = () => {};
    sink.send = (delivery) => {
      sink.got.push(delivery);
      return new Promise((resolve) => (arrive = resolve));
    };
    const record = store.record.bind(store);
    // As the database has it: what is recorded as sent is not queued any more.
    store.record = async (name, sent) => {
      await record(name, sent);
      store.queue.forget(new Set(sent.map(({ notification: { alertId, seq } }) => `${alertId} ${seq}`)));
    };
    worker.start();
    const notification = notificationOf();
    worker.sendNow(placed([notification]));
    await settle();
    store.queue.push(placed([notification]));
    worker.stored(new Set([`${notification.alertId} 1`]));
    await settle();
    arrive();
    await settle();
    expect(sink.got).toHaveLength(1);
    expect(store.recordedAs).toEqual([notification]);
  });

  test('stop lets what is on its way arrive, and gives the sink to others', async () => {
    const { worker, push, sink, store } = setUp();
    worker.start();
    await push({});
    await worker.stop();
    await worker.stop();
    expect(sink.closed).toBe(true);
    expect(store.leasedBy).toBeUndefined();
    await push({});
    expect(sink.got).toHaveLength(1);
  });

  test('stop does not wait for a sink that never answers', async () => {
    const { worker, push, pass, sink, store } = setUp();
    sink.fail = () => 'hang';
    worker.start();
    await push({});
    const stopped = worker.stop();
    await pass(2000);
    await stopped;
    expect(store.queue.size).toBe(1);
  });
});
