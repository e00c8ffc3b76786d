import type { ServerResponse } from 'node:http';
import { Writable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { EventFeed, type StoredChanges } from '../../../src/api/events/feed.ts';
import { EventHub, type NewEvent } from '../../../src/api/events/hub.ts';
import { stream } from '../../../src/api/events/stream.ts';
import type { Finding } from '../../../src/core/policy/finding.ts';
import { FieldwatchError } from '../../../src/core/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** What a client has received, as names and ids. */
class Reader {
  readonly sensors: ReadonlySet<string>;
  text = '';
  reads = true;

  constructor(...sensors: string[]) {
    this.sensors = new Set(sensors);
  }

  send(text: string): boolean {
    if (this.reads) this.text += text;
    return this.reads;
  }

  get events(): readonly string[] {
    return [...this.text.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name!);
  }

  get lastId(): string | undefined {
    return [...this.text.matchAll(/^id: (\S+)$/gm)].at(-1)?.[1];
  }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
const event = (n: number): NewEvent => ({ name: 'alert', data: { n } });

describe('the hub', () => {
  const setUp = () => {
    const hub = new EventHub(new FakeClock());
    const join = (lastId?: string) => {
      const reader = new Reader();
      hub.add(reader, {}, lastId);
      return reader;
    };
    return { hub, join };
  };

  test('sends hello, and an id to resume from before anything has happened', () => {
    const { hub, join } = setUp();
    const first = join();
    expect([first.events, hub.size]).toEqual([['hello'], 1]);
    hub.remove(first);
    hub.publish([event(1)]);
    expect(join(first.lastId).events).toEqual(['hello', 'alert']);
  });

  test('resumes from any id in its buffer, with a gap for none', () => {
    const { hub, join } = setUp();
    const all = join();
    for (let n = 1; n <= 5; n++) hub.publish([event(n)]);
    const ids = [...all.text.matchAll(/^id: (\S+)$/gm)].map(([, id]) => id!);
    ids.forEach((id, at) => {
      const missed = join(id).text.match(/"n":\d/g) ?? [];
      expect(missed).toEqual([1, 2, 3, 4, 5].slice(at).map((n) => `"n":${n}`));
    });
  });

  test.each(['x', '', '-', 'ffffffffffff-1', '0-0', 'a-b-c', `${'9'.repeat(400)}`])(
    'from "%s" it cannot, and says so',
    (id) => {
      const { hub, join } = setUp();
      hub.publish([event(1)]);
      expect(join(id).events).toEqual(['hello', 'reset']);
    },
  );

  test('nor from an id of the future, of another process, or of before the feed stood still', () => {
    const { hub, join } = setUp();
    const id = join().lastId!;
    expect(join(id.replace(/\d+$/, '999')).events).toEqual(['hello', 'reset']);
    expect(setUp().join(id).events).toEqual(['hello', 'reset']);
    hub.resume();
    expect(join(id).events).toEqual(['hello', 'reset']);
  });

  test('keeps a bounded number of events', () => {
    const { hub, join } = setUp();
    const before = join();
    for (let n = 0; n < 2500; n++) hub.publish([event(n)]);
    expect(join(before.text.match(/^id: (\S+)$/m)?.[1]).events).toEqual(['hello', 'reset']);
    const reader = join(before.lastId);
    expect(reader.events).toEqual(['hello']);
    const { lastId } = reader;
    const large = { name: 'alert', data: 'x'.repeat(100_000) };
    for (let n = 0; n < 100; n++) hub.publish([large]);
    expect(join(lastId).events).toEqual(['hello', 'reset']);
  });

  test('events of the moment have no id and are not kept', () => {
    const { hub, join } = setUp();
    const reader = join();
    const { lastId } = reader;
    hub.publish([], [{ name: 'intake', data: {} }]);
    expect([reader.events, reader.lastId]).toEqual([['hello', 'intake'], lastId]);
    expect(join(lastId).events).toEqual(['hello']);
  });

  test('values go to the streams that request them', () => {
    const { hub } = setUp();
    const [a, both, none] = [new Reader('a'), new Reader('a', 'b'), new Reader()];
    for (const reader of [a, both, none]) hub.add(reader, {}, undefined);
    expect([...hub.wanted(10)].sort()).toEqual(['a', 'b']);
    expect(hub.wanted(1)).toHaveLength(1);
    hub.publishTo(['a', 'b'].map((sensor) => ({ name: 'sensor', sensor, data: { sensor } })));
    expect([a, both, none].map(({ events }) => events.length)).toEqual([2, 3, 1]);
  });

  test('a disconnected reader is removed', () => {
    const { hub, join } = setUp();
    const reader = join();
    reader.reads = false;
    hub.publish([event(1)]);
    expect(hub.size).toBe(0);
  });

  test('text of a device stays within its line', () => {
    const { hub, join } = setUp();
    const reader = join();
    hub.publish([{ name: 'alert', data: { sensor: 'a\n\nevent: hello\ndata: {}\r\u2028' } }]);
    expect(reader.events).toEqual(['hello', 'alert']);
  });
});

describe('a stream', () => {
  test('ends when its client may not read any more, also where it does not read the end', async () => {
    const clock = new FakeClock();
    const hub = new EventHub(clock);
    const response = Object.assign(new Writable({ write: () => undefined }), { writeHead: () => undefined });
    let mayRead = true;
    let ended = 0;
    stream(response as unknown as ServerResponse, {
      ...{ hub, clock, sensors: new Set<string>(), ready: Promise.resolve(), lastId: undefined },
      ...{ hello: () => ({}), mayRead: () => mayRead, onCut: () => undefined, onEnd: () => void ended++ },
    });
    await settled();
    expect(hub.size).toBe(1);
    mayRead = false;
    hub.publish([{ name: 'alert', data: 1 }]);
    expect([hub.size, response.writableEnded, response.destroyed]).toEqual([0, true, false]);
    clock.advance(5000);
    await settled();
    expect([response.destroyed, ended]).toEqual([true, 1]);
  });
});

describe('the feed', () => {
  class Changes implements StoredChanges {
    looks = 0;
    hasBegun = false;
    next: () => readonly NewEvent[] | undefined = () => [];
    readonly asked: string[][] = [];
    begin() {
      this.hasBegun = false;
    }
    async poll() {
      this.looks += 1;
      const events = this.next();
      this.hasBegun = true;
      return events;
    }
    async values(keys: readonly string[]) {
      this.asked.push([...keys]);
      return keys.map((sensor) => ({ name: 'sensor', sensor, data: {} }));
    }
  }
  const finding = (subject: string) => ({ check: 'c', subject, verdict: 'missing' }) as unknown as Finding;
  const setUp = () => {
    const clock = new FakeClock();
    const hub = new EventHub(clock);
    const changes = new Changes();
    const errors: unknown[] = [];
    const state = { findings: [finding('old')] as readonly Finding[], changed: 0 };
    const feed = new EventFeed({
      ...{ hub, clock, changes, onError: (error: unknown) => errors.push(error) },
      intake: () => ({ received: 1 }) as never,
      findings: () => state.findings,
      onChange: () => (state.changed += 1),
    });
    const join = async (...sensors: string[]) => {
      const reader = new Reader(...sensors);
      await feed.start();
      hub.add(reader, {}, undefined);
      return reader;
    };
    const second = async () => {
      clock.advance(1000);
      for (let n = 0; n < 20; n++) await Promise.resolve();
    };
    return { clock, hub, changes, errors, state, feed, join, second };
  };

  test('reads nothing without a client, and stops a while after the last one', async () => {
    const { clock, hub, changes, feed, join, second } = setUp();
    await second();
    expect([changes.looks, clock.pending]).toEqual([0, 0]);
    const reader = await join();
    await second();
    await second();
    expect(reader.events).toEqual(['hello', 'intake', 'intake']);
    hub.remove(reader);
    feed.left();
    for (let n = 0; n < 16; n++) await second();
    const { looks } = changes;
    await second();
    expect([feed.isRunning, changes.looks - looks, clock.pending]).toEqual([false, 0, 0]);
  });

  test('a page that is loaded again misses nothing', async () => {
    const { hub, changes, feed, join, second } = setUp();
    const first = await join();
    await second();
    hub.remove(first);
    feed.left();
    changes.next = () => [event(7)];
    await second();
    changes.next = () => [];
    await feed.start();
    const again = new Reader();
    hub.add(again, {}, first.lastId);
    expect(again.events).toEqual(['hello', 'alert']);
  });

  test('findings as they appear and end; requested values; reset above the limit', async () => {
    const { state, changes, join, second } = setUp();
    const reader = await join('a');
    state.findings = [finding('new')];
    await second();
    expect(reader.events).toEqual(['hello', 'finding', 'finding', 'intake', 'sensor']);
    expect(reader.text).toMatch(/"raised".*"new"[\s\S]*"cleared".*"old"/);
    changes.next = () => undefined;
    await second();
    expect(reader.events.slice(-3)).toEqual(['intake', 'reset', 'sensor']);
    // Every client reads everything again: not every second.
    for (let n = 0; n < 9; n++) await second();
    expect(reader.events.filter((name) => name === 'reset')).toHaveLength(1);
    changes.next = () => [];
    for (let n = 0; n < 3; n++) await second();
    expect(reader.events.filter((name) => name === 'reset')).toHaveLength(2);
    expect(changes.asked.length).toBeGreaterThan(5);
    expect(new Set(changes.asked.flat())).toEqual(new Set(['a']));
  });

  test('reports an unknown past before the database answered for the first time', async () => {
    const { changes, join, second } = setUp();
    const away = changes.next;
    changes.next = () => {
      throw new FieldwatchError('away', { code: 'DB_UNREACHABLE', kind: 'transient' });
    };
    const reader = await join();
    await second();
    changes.next = away;
    await second();
    await second();
    expect(reader.events).toEqual(['hello', 'intake', 'intake', 'reset', 'intake']);
  });

  test('a database that does not answer at all keeps no page waiting', async () => {
    const { clock, hub, changes, feed } = setUp();
    let answer: () => void = () => undefined;
    const answered = new Promise<void>((resolve) => (answer = resolve));
    const look = changes.poll.bind(changes);
    changes.poll = () => answered.then(look);
    const ready = feed.start();
    const reader = new Reader();
    void ready.then(() => hub.add(reader, {}, undefined));
    for (let n = 0; n < 4; n++) {
      clock.advance(1000);
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    }
    expect(reader.events).toEqual(['hello', 'intake', 'intake']);
    answer();
    for (let turn = 0; turn < 40; turn++) await Promise.resolve();
    clock.advance(1000);
    for (let turn = 0; turn < 40; turn++) await Promise.resolve();
    expect(reader.events.filter((name) => name === 'reset')).toHaveLength(1);
  });

  test('goes on where the database is away, and reports what is a fault of its own', async () => {
    const { changes, errors, join, second } = setUp();
    const reader = await join();
    changes.next = () => {
      throw new FieldwatchError('away', { code: 'DB_UNREACHABLE', kind: 'transient' });
    };
    await second();
    await second();
    expect([reader.events, errors]).toEqual([['hello', 'intake', 'intake'], []]);
    changes.next = () => {
      throw new TypeError('a bug');
    };
    await second();
    expect(errors).toHaveLength(1);
  });
});
