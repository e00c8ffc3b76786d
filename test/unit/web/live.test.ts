import fc from '../../support/fast-check.ts';
import { describe, expect, test } from '@jest/globals';
import {
  EventStream,
  retryDelayMs,
  SILENT_MS,
  type StreamAnswer,
} from '../../../src/web/live/event-stream.ts';
import type { Link } from '../../../src/web/live/link.ts';
import { type ServerEvent, SseParser } from '../../../src/web/live/sse-parser.ts';
import { Store } from '../../../src/web/live/store.ts';

describe('the format of the stream', () => {
  const text =
    ': hi\r\nid: 7\r\nevent: alert\r\ndata: {"a":\rdata:1}\n\ndata: x\nid: 8\n\nevent: none\n\ndata: cut';
  const events = [
    { type: 'alert', data: '{"a":\n1}', id: '7' },
    { type: 'message', data: 'x', id: '8' },
  ];

  test('is read however it is cut into chunks', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: text.length - 1 }), { maxLength: 12 }), (cuts) => {
        const parser = new SseParser();
        const at = [0, ...[...cuts].sort((a, b) => a - b), text.length];
        const found = at.slice(1).flatMap((end, index) => parser.push(text.slice(at[index], end)));
        expect(found).toEqual(events);
      }),
    );
  });
});

test('waits grow to ten seconds, and are spread', () => {
  expect([1, 2, 3, 4, 5, 6, 9].map((attempt) => retryDelayMs(attempt, () => 0.5))).toEqual([
    500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000,
  ]);
  expect([retryDelayMs(1, () => 0), retryDelayMs(1, () => 1)]).toEqual([375, 625]);
});

test('a store names changes, and only those', () => {
  const store = new Store(1);
  const seen: number[] = [];
  const end = store.subscribe(() => seen.push(store.value));
  store.set(1);
  store.set(2);
  store.update((value) => value + 1);
  end();
  store.set(9);
  expect(seen).toEqual([2, 3]);
});

/** A daemon of one page: each request is answered by the test. */
class FakeWorld {
  readonly requests: { headers: Record<string, string>; signal: AbortSignal }[] = [];
  readonly urls: string[] = [];
  readonly timers = new Map<number, () => void>();
  readonly delays: number[] = [];
  nowMs = 1_000;
  #answers: ((answer: StreamAnswer | Error) => void)[] = [];
  #timer = 0;

  fetch(url: string, init: { headers: Record<string, string>; signal: AbortSignal }): Promise<StreamAnswer> {
    this.urls.push(url);
    this.requests.push(init);
    return new Promise((resolve, reject) => {
      this.#answers.push((answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
      init.signal.addEventListener('abort', () => reject(new Error('aborted')));
    });
  }

  now(): number {
    return this.nowMs;
  }

  random(): number {
    return 0.5;
  }

  after(ms: number, run: () => void): () => void {
    const id = ++this.#timer;
    this.delays.push(ms);
    this.timers.set(id, run);
    return () => this.timers.delete(id);
  }

  answer(answer: StreamAnswer | Error): void {
    this.#answers.shift()!(answer);
  }

  /** Fires the newest timer: the retry, or the watchdog. */
  elapse(): void {
    const [id, run] = [...this.timers].at(-1)!;
    this.timers.delete(id);
    run();
  }
}

function opened() {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
  return {
    answer: { ok: true, status: 200, body },
    send: (text: string) => controller.enqueue(new TextEncoder().encode(text)),
    end: () => controller.close(),
    fail: () => controller.error(new Error('reset')),
  };
}

function stream() {
  const world = new FakeWorld();
  const links: Link[] = [];
  const events: ServerEvent[] = [];
  let gaps = 0;
  const waiting: { until: () => boolean; resolve: () => void }[] = [];
  const changed = (): void => {
    for (const one of [...waiting]) if (one.until()) one.resolve();
  };
  const made = new EventStream(
    {
      url: '/api/v1/events',
      onEvent: (event) => (events.push(event), changed()),
      onLink: (link) => (links.push(link), changed()),
      onGap: () => (gaps++, changed()),
    },
    world,
  );
  /** Waits for a state and for no time. */
  const until = (condition: () => boolean): Promise<void> =>
    condition() ? Promise.resolve() : new Promise((resolve) => waiting.push({ until: condition, resolve }));
  return { world, links, events, made, until, gaps: () => gaps };
}

describe('the stream', () => {
  test('resumes after the last event when the daemon is back', async () => {
    const { world, links, events, made, until, gaps } = stream();
    made.start();
    const first = opened();
    world.answer(first.answer);
    await until(() => made.link.state === 'live');
    first.send('id: 41\nevent: alert\ndata: {}\n\n');
    await until(() => events.length === 1);

    first.end();
    await until(() => made.link.state === 'broken');
    expect(made.link).toMatchObject({ attempts: 1, sinceMs: 1_000, retryAtMs: 1_500 });
    world.nowMs = 1_500;
    world.elapse();
    expect(made.link).toMatchObject({ state: 'broken', retryAtMs: null });
    expect(world.requests[1]!.headers['last-event-id']).toBe('41');
    world.answer(new Error('refused'));
    await until(() => made.link.state === 'broken' && made.link.attempts === 2);
    // Since when is not forgotten, and the next wait is longer.
    expect(made.link).toMatchObject({ sinceMs: 1_000, retryAtMs: 2_500 });

    world.elapse();
    const second = opened();
    world.answer(second.answer);
    await until(() => made.link.state === 'live');
    second.send('id: 42\nevent: alert\ndata: {}\n\n');
    await until(() => events.length === 2);
    expect(gaps()).toBe(0);
    expect(links.map(({ state }) => state)).toEqual([
      'connecting',
      'live',
      'broken',
      'broken',
      'broken',
      'broken',
      'live',
    ]);
  });

  test('reports when missed events are no longer available', async () => {
    const { world, made, until, gaps, events } = stream();
    made.start();
    const first = opened();
    world.answer(first.answer);
    await until(() => made.link.state === 'live');
    first.send('id: 5\nevent: reset\ndata: {}\n\nevent: intake\ndata: {}\n\n');
    await until(() => events.length === 1);
    expect(gaps()).toBe(1);
  });

  test('without an id everything is read again', async () => {
    const { world, made, until, gaps } = stream();
    made.start();
    const first = opened();
    world.answer(first.answer);
    await until(() => made.link.state === 'live');
    expect(gaps()).toBe(0);
    first.fail();
    await until(() => made.link.state === 'broken');
    world.elapse();
    world.answer(opened().answer);
    await until(() => made.link.state === 'live');
    expect(gaps()).toBe(1);
  });

  test('a connection that is only silent is given up', async () => {
    const { world, made, until } = stream();
    made.start();
    world.answer(opened().answer);
    await until(() => made.link.state === 'live');
    expect(world.delays.at(-1)).toBe(SILENT_MS);
    world.elapse();
    await until(() => made.link.state === 'broken');
    expect(made.link).toMatchObject({ reason: 'it sent nothing for a while' });
    expect(world.requests[0]!.signal.aborted).toBe(true);
  });

  test('a refused one is not tried again before a login', async () => {
    const { world, made, until } = stream();
    made.start();
    world.answer({ ok: false, status: 401, body: null });
    await until(() => made.link.state === 'refused');
    expect(world.timers.size).toBe(0);
    made.start();
    world.answer(opened().answer);
    await until(() => made.link.state === 'live');
  });

  test('an error of the server or of a proxy is tried again', async () => {
    const { world, made, until } = stream();
    made.start();
    world.answer({ ok: false, status: 502, body: null });
    await until(() => made.link.state === 'broken');
    expect(made.link).toMatchObject({ reason: 'it answered with status 502' });
  });

  test('the wait ends at once on request of the reader', async () => {
    const { world, made, until } = stream();
    made.start();
    world.answer(new Error('refused'));
    await until(() => made.link.state === 'broken');
    made.retryNow();
    made.retryNow();
    expect(world.requests).toHaveLength(2);
  });

  test('other events are requested without a break', async () => {
    const { world, made, until, gaps, links, events } = stream();
    made.start();
    const first = opened();
    world.answer(first.answer);
    await until(() => made.link.state === 'live');
    first.send('id: 7\nevent: intake\ndata: {}\n\n');
    await until(() => events.length === 1);
    made.redirect('/api/v1/events?sensor=a');
    made.redirect('/api/v1/events?sensor=a');
    expect(world.urls).toEqual(['/api/v1/events', '/api/v1/events?sensor=a']);
    expect(world.requests[0]!.signal.aborted).toBe(true);
    expect(world.requests[1]!.headers['last-event-id']).toBe('7');
    world.answer(opened().answer);
    await until(() => links.length === 3);
    expect([links.map(({ state }) => state), gaps()]).toEqual([['connecting', 'live', 'live'], 0]);
  });

  test('a pause leaves the connection, and a start comes back', async () => {
    const { world, made, until } = stream();
    made.start();
    world.answer(opened().answer);
    await until(() => made.link.state === 'live');
    made.pause();
    expect(made.link.state).toBe('paused');
    expect(world.requests[0]!.signal.aborted).toBe(true);
    expect(world.timers.size).toBe(0);
    made.start();
    world.answer(opened().answer);
    await until(() => made.link.state === 'live');
  });
});
