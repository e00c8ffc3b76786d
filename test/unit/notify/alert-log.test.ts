import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTick } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AlertLogFile } from '../../../src/adapters/notify/alert-log-file.ts';
import { findLogged, findUnpersisted } from '../../../src/adapters/notify/alert-log-tail.ts';
import type { AlertStore } from '../../../src/ports/alerts.ts';
import { AlertPublisher } from '../../../src/services/alert/publisher.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { RecordingMetrics, settle } from '../../support/fakes.ts';
import { notificationOf } from '../../support/notifications.ts';
import { QuietLogger } from '../../support/quiet-logger.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'fieldwatch-log-'));
  path = join(dir, 'alerts.log');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const logFile = () => new AlertLogFile(path, { logger: new QuietLogger(), metrics: new RecordingMetrics() });
const keys = Array.from({ length: 6 }, (_, seq) => ({ alertId: 'a', seq }));
const line = (seq: number) => JSON.stringify({ alert_id: 'a', seq, text: 'x'.repeat(50) });
const found = (maxBytes?: number) => [...findLogged(path, keys, maxBytes)].sort();

describe('what is in the alert log already', () => {
  test('nothing, when there is no file', () => expect(found()).toEqual([]));

  test('whole lines only; truncated, invalid or foreign ones are ignored', () => {
    writeFileSync(path, `${line(0)}\n{"alert_id":"a","se\nplain text\n{"alert_id":7,"seq":1}\n${line(2)}`);
    expect(found()).toEqual(['a 0', 'a 2']);
  });

  test('in rotated files, newest first, compressed ones too', () => {
    writeFileSync(join(dir, 'alerts.log.1'), `${line(1)}\n`);
    writeFileSync(join(dir, 'alerts.log-20260101'), `${line(2)}\n`);
    writeFileSync(join(dir, 'alerts.log.2.gz'), gzipSync(`${line(3)}\n`));
    writeFileSync(join(dir, 'alerts.log.3.gz'), 'no gzip at all');
    writeFileSync(join(dir, 'other.log'), `${line(4)}\n`);
    expect(found()).toEqual(['a 1', 'a 2', 'a 3']);
  });

  test('as far back as is read: from the start of a line', () => {
    writeFileSync(path, `${keys.map(({ seq }) => line(seq)).join('\n')}\n`);
    expect(found(line(0).length * 3)).toEqual(['a 4', 'a 5']);
    const old = join(dir, 'alerts.log.1');
    renameSync(path, old);
    utimesSync(old, 1, 1);
    writeFileSync(path, `${line(0)}\n`);
    expect(found(line(0).length * 3)).toEqual(['a 0', 'a 5']);
  });
});

test('a long log is read in pieces, and no line is cut in two', () => {
  const count = 5000;
  const long = (seq: number) => JSON.stringify({ text: 'ü'.repeat(200 + (seq % 7)), alert_id: 'a', seq });
  writeFileSync(path, Array.from({ length: count }, (_, seq) => `${long(seq)}\n`).join(''));
  expect(statSync(path).size).toBeGreaterThan(2 * 1024 * 1024);
  const all = Array.from({ length: count }, (_, seq) => ({ alertId: 'a', seq }));
  expect(findLogged(path, all).size).toBe(count);
  // Longer than a piece.
  appendFileSync(path, `${JSON.stringify({ text: 'x'.repeat(2_500_000), alert_id: 'b', seq: 1 })}\n`);
  expect(findLogged(path, [...all, { alertId: 'b', seq: 1 }]).size).toBe(count + 1);
});

test('what left before its row existed is found again: only that, and whole lines of it', () => {
  const early = (seq: number, event = 'firing') =>
    JSON.stringify({ event, alert_id: 'a', seq, text: '"persisted":true', persisted: false });
  const plain = JSON.stringify({
    event: 'firing',
    alert_id: 'a',
    seq: 9,
    text: '"persisted":false',
    persisted: true,
  });
  writeFileSync(join(dir, 'alerts.log.1'), `${early(1)}\n`);
  writeFileSync(path, `${line(0)}\n${early(2, 'resolved')}\n${plain}\n${early(3).slice(0, -3)}`);
  expect(findUnpersisted(path)).toEqual([
    { alertId: 'a', seq: 1, event: 'firing' },
    { alertId: 'a', seq: 2, event: 'resolved' },
  ]);
});

test('a line that a full disk cut off does not swallow the next one', () => {
  const log = logFile();
  log.write('one');
  log.close();
  appendFileSync(path, 'cut of');
  log.write('two');
  log.close();
  expect(readFileSync(path, 'utf8')).toBe('one\ncut of\ntwo\n');
});

test('after a crash each pending line is written once, and all are marked', async () => {
  const [first, second] = [notificationOf(), notificationOf()];
  // Its row was stored as that of a line which left long before.
  const old = { ...notificationOf(), logged: true as const };
  const marked: unknown[] = [];
  const store = {
    pendingNotifications: async () => [old, first, second],
    markSent: async (sent: readonly unknown[]) => void marked.push(...sent),
  } as unknown as AlertStore;
  const publisherOf = () =>
    new AlertPublisher({ store, logger: new QuietLogger(), clock: new FakeClock(), alertLog: logFile() });
  // The first process logged one of two and died before it could mark it.
  logFile().write(JSON.stringify({ alert_id: first.alertId, seq: 1 }));
  for (let start = 0; start < 3; start++) await publisherOf().resume();
  await settle();
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  expect(lines.map((each) => (JSON.parse(each) as { alert_id: string }).alert_id)).toEqual([
    first.alertId,
    second.alertId,
  ]);
  expect(marked).toHaveLength(9);
});

test('however many are pending, all are published at the start, a page at a time', async () => {
  const waiting = Array.from({ length: 25 }, () => notificationOf());
  const store = {
    pendingNotifications: async () => waiting.slice(0, 10),
    markSent: async (sent: readonly unknown[]) => void waiting.splice(0, sent.length),
  } as unknown as AlertStore;
  const logger = new QuietLogger();
  await new AlertPublisher({ store, logger, clock: new FakeClock() }).resume();
  expect(waiting).toEqual([]);
  expect(logger.find('warn')).toHaveLength(25);
});

test('what was published while the database was away is not published again with its row', async () => {
  const logger = new QuietLogger();
  const sent: unknown[] = [];
  const queued: unknown[] = [];
  const publisher = new AlertPublisher({
    store: { markSent: async () => {} } as unknown as AlertStore,
    logger,
    clock: new FakeClock(),
    router: {
      route: () => [],
      queued: (all) => void queued.push(...all),
      sendNow: (all) => void sent.push(...all),
    },
  });
  const early = notificationOf();
  await publisher.publishUnpersisted([early]);
  await publisher.publishUnpersisted([early]);
  publisher.publish([early, notificationOf()]);
  await settle();
  expect(logger.entries.map(({ fields }) => fields['persisted'])).toEqual([false, true]);
  expect(sent).toEqual([early]);
  expect(queued).toHaveLength(2);
});

test('very many lines are written a few per event loop iteration, in order, and marked once all are written', async () => {
  const logger = new QuietLogger();
  const marked: string[] = [];
  const store = {
    markSent: async (all: readonly { alertId: string }[]) =>
      void marked.push(...all.map(({ alertId }) => alertId)),
  } as unknown as AlertStore;
  const publisher = new AlertPublisher({ store, logger, clock: new FakeClock() });
  const many = (name: string, count: number) =>
    Array.from({ length: count }, (_, n) => ({ ...notificationOf(), alertId: `${name}${n}` }));
  const [early, stored, last] = [many('early', 700), many('stored', 500), many('last', 1)];
  const out = publisher.publishUnpersisted(early);
  publisher.publish(stored);
  publisher.publish(last);
  let before = 0;
  for (let tick = 0; logger.entries.length < 1201 && tick < 100; tick++) {
    await nextTick();
    expect(logger.entries.length - before).toBeLessThanOrEqual(201);
    before = logger.entries.length;
  }
  await out;
  await publisher.stop();
  const expected = [...early, ...stored, ...last].map(({ alertId }) => alertId);
  expect(logger.entries.map(({ fields }) => fields['alert_id'])).toEqual(expected);
  expect(marked).toEqual(expected.slice(700));
  publisher.publish(early);
  expect(logger.entries).toHaveLength(1201);
});

test('a mark that fails is tried again by itself', async () => {
  const clock = new FakeClock();
  let failing = true;
  const marked: unknown[] = [];
  const store = {
    markSent: async (all: readonly unknown[]) => {
      if (failing) throw new Error('away');
      marked.push(...all);
    },
  } as unknown as AlertStore;
  const publisher = new AlertPublisher({ store, logger: new QuietLogger(), clock });
  publisher.publish([notificationOf()]);
  await settle();
  failing = false;
  clock.advance(5000);
  await settle();
  expect(marked).toHaveLength(1);
  await publisher.stop();
  expect(clock.pending).toBe(0);
});

test('of very many, a thousand are routed and marked at a time, and the publisher waits for room', async () => {
  const [routed, marked]: [number[], number[]] = [[], []];
  const store = {
    markSent: async (all: readonly unknown[]) => {
      await nextTick();
      marked.push(all.length);
    },
  } as unknown as AlertStore;
  const publisher = new AlertPublisher({
    store,
    logger: new QuietLogger(),
    clock: new FakeClock(),
    router: {
      route: (all) => {
        // What was routed before is marked.
        expect(marked).toHaveLength(routed.length);
        routed.push(all.length);
        return [];
      },
      queued: () => {},
      sendNow: () => {},
    },
  });
  publisher.publish(Array.from({ length: 4000 }, () => notificationOf()));
  expect(publisher.room()).toBeUndefined();
  publisher.publish(Array.from({ length: 2500 }, () => notificationOf()));
  const room = publisher.room();
  expect(room).toBeDefined();
  await room;
  expect(publisher.room()).toBeUndefined();
  await publisher.stop();
  expect(marked).toEqual([1000, 1000, 1000, 1000, 1000, 1000, 500]);
});

test('while nothing can be marked, there is no waiting for room', async () => {
  const store = {
    markSent: async () => {
      throw new Error('away');
    },
  } as unknown as AlertStore;
  const publisher = new AlertPublisher({ store, logger: new QuietLogger(), clock: new FakeClock() });
  publisher.publish(Array.from({ length: 6000 }, () => notificationOf()));
  await publisher.room();
  expect(publisher.room()).toBeUndefined();
  await publisher.stop();
});
