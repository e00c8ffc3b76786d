import { describe, expect, it } from '@jest/globals';
import { type RouteSource, StaleRoutes } from '../../../src/services/ingest/stale-routes.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { RecordingMetrics } from '../../support/fakes.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';
import { routerOf } from '../../support/routes.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

type Silence = number | 'auto' | undefined;

/** A source whose routes deliver when the test says so. */
function source(watchedRoutes: Record<string, Silence>) {
  const names = Object.keys(watchedRoutes);
  const delivered = new Float64Array(names.length);
  const deliver = (name: string) => void ((delivered[names.indexOf(name)] as number) += 1);
  const list = names.map((name) => ({ name, silentAfter: watchedRoutes[name] }));
  return { watchedRoutes: list, delivered, deliver } satisfies RouteSource & { deliver: unknown };
}

function setup(watchedRoutes: Record<string, Silence>) {
  const [clock, logger, metrics] = [new FakeClock(), new QuietLogger(), new RecordingMetrics()];
  const state = { receiving: true };
  const from = source(watchedRoutes);
  const watch = new StaleRoutes(from, { clock, logger, metrics, receiving: () => state.receiving });
  watch.start();
  const pass = (ms: number) => {
    for (let passed = 0; passed < ms; passed += SECOND) clock.advance(SECOND);
  };
  const silent = () => watch.silent().map(({ name }) => name);
  const gauge = (route: string) => metrics.scrape().get(`fieldwatch_route_silent{route=${route}}`);
  return { watch, state, clock, logger, metrics, pass, silent, gauge, deliver: from.deliver };
}

describe('statement 11: a connected but silent route', () => {
  it('that used to deliver raises a metric and a finding; the next message ends it; each is reported once', () => {
    const { pass, silent, gauge, deliver, logger, clock } = setup({ a: 10 * SECOND, b: 10 * SECOND });
    deliver('a');
    pass(5 * SECOND);
    expect([silent(), gauge('a')]).toEqual([[], 0]);
    pass(30 * SECOND);
    // The other one never delivered: it is not missed.
    expect([silent(), gauge('a'), gauge('b')]).toEqual([['a'], 1, 0]);
    expect(logger.find(/is stale/).map(({ level, fields }) => [level, fields['route']])).toEqual([
      ['warn', 'a'],
    ]);
    deliver('a');
    pass(SECOND);
    expect([silent(), gauge('a')]).toEqual([[], 0]);
    expect(logger.find(/receives messages again/)).toHaveLength(1);
    expect(logger.find(/receives messages again/)[0]?.fields['silent_ms']).toBeGreaterThan(30 * SECOND);
    expect(clock.nowMs()).toBeGreaterThan(0);
  });

  it('reports when it last received a message', () => {
    const { watch, pass, deliver, clock } = setup({ a: 10 * SECOND });
    pass(5 * SECOND);
    deliver('a');
    pass(SECOND);
    const heardMs = clock.nowMs();
    pass(MINUTE);
    expect(watch.silent()).toEqual([{ name: 'a', lastMessageMs: heardMs }]);
  });

  it('is suspended while nothing can arrive, and goes on from there', () => {
    const { pass, silent, deliver, state } = setup({ a: 10 * SECOND });
    deliver('a');
    pass(6 * SECOND);
    state.receiving = false;
    pass(10 * MINUTE);
    expect(silent()).toEqual([]);
    state.receiving = true;
    pass(4 * SECOND);
    expect(silent()).toEqual([]);
    pass(4 * SECOND);
    expect(silent()).toEqual(['a']);
    // A silent one stays so until its next message, whatever the state of the broker.
    state.receiving = false;
    pass(MINUTE);
    expect(silent()).toEqual(['a']);
  });

  it('auto: once a rhythm is known, ten times its longest pause; a silence is no part of the rhythm', () => {
    const { pass, silent, deliver } = setup({ a: 'auto' });
    for (let n = 0; n < 9; n++) {
      deliver('a');
      pass(20 * SECOND);
    }
    pass(60 * MINUTE);
    expect(silent()).toEqual([]); // nine messages are no rhythm
    const other = setup({ a: 'auto' });
    for (let n = 0; n < 20; n++) {
      other.deliver('a');
      other.pass((n % 2 === 0 ? 5 : 20) * SECOND);
    }
    other.pass(170 * SECOND);
    expect(other.silent()).toEqual([]);
    other.pass(30 * SECOND);
    expect(other.silent()).toEqual(['a']);
    other.pass(60 * MINUTE);
    other.deliver('a');
    other.pass(190 * SECOND);
    expect(other.silent()).toEqual([]);
    other.pass(30 * SECOND);
    expect(other.silent()).toEqual(['a']);
  });

  it('auto: never before a minute', () => {
    const { pass, silent, deliver } = setup({ a: 'auto' });
    for (let n = 0; n < 50; n++) {
      deliver('a');
      pass(SECOND);
    }
    pass(50 * SECOND);
    expect(silent()).toEqual([]);
    pass(20 * SECOND);
    expect(silent()).toEqual(['a']);
  });

  it('is not reported without a limit', () => {
    const { pass, silent, gauge, deliver, metrics } = setup({ a: undefined });
    deliver('a');
    pass(60 * MINUTE);
    expect([silent(), gauge('a')]).toEqual([[], undefined]);
    expect(metrics.values.get('fieldwatch_route_messages{route=a}')).toBe(1);
  });

  it('survives a reload: what stays keeps its state, what is gone is no longer silent', () => {
    const { watch, pass, silent, gauge, deliver } = setup({ gone: 10 * SECOND, stays: 10 * SECOND });
    deliver('gone');
    deliver('stays');
    pass(MINUTE);
    expect(silent()).toEqual(['gone', 'stays']);
    const next = source({ added: 10 * SECOND, stays: 10 * SECOND });
    watch.reroute(next);
    expect(silent()).toEqual(['stays']);
    next.deliver('stays');
    pass(SECOND);
    expect([silent(), gauge('gone'), gauge('stays')]).toEqual([[], 0, 0]);
  });

  it('stops, also twice', () => {
    const { watch, pass, silent, deliver } = setup({ a: 10 * SECOND });
    deliver('a');
    pass(2 * SECOND);
    watch.stop();
    watch.stop();
    pass(MINUTE);
    expect(silent()).toEqual([]);
  });
});

describe('what a router counts', () => {
  const router = routerOf([
    { topic: 'a/{device}', codec: 'json', silent_after: '10m' },
    { topic: ['b/{device}', 'c/{device}'], codec: 'json', silent_after: 'auto' },
    { topic: 'a/{device}', codec: 'scalar', metric: 'x' },
  ]);
  const send = (topic: string, payload: string, retain = false) =>
    router.decode({ topic, payload: new TextEncoder().encode(payload), retain, receivedAtMs: 1.7e12 });

  it('are live messages that gave readings, by route', () => {
    expect(router.watchedRoutes).toEqual([
      { name: 'a/{device}', silentAfter: 600_000 },
      { name: 'b/{device}', silentAfter: 'auto' },
      { name: 'a/{device} #2', silentAfter: undefined },
    ]);
    send('a/1', '{"temperature":1}');
    send('a/1', '{"temperature":1}');
    send('a/1', 'broken');
    send('c/1', '{"temperature":1}');
    send('c/1', '{"temperature":1,"ts":1700000000}', true);
    send('d/1', '{"temperature":1}');
    expect([...router.delivered]).toEqual([2, 1, 0]);
  });
});
