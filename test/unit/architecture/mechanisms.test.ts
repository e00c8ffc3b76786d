import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '../../../src');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));

/** Files in which the pattern occurs: all but `lib`, and `web`, which is browser code and knows only the types of the contract. */
const filesWith = (pattern: RegExp): readonly string[] =>
  files
    .filter((file) => !/^(lib|web)\//.test(file))
    .filter((file) => pattern.test(readFileSync(join(root, file), 'utf8')))
    .sort();

// Each of these is one mechanism in `src/lib`. A new exception is a copy, unless it is something else: then it is listed here.

test('tasks one at a time: SerialQueue', () => {
  expect(filesWith(/= this\.#?\w+\.then\(|last\.then\(/)).toEqual([]);
});

test('a pause: sleep and InterruptibleSleep, by a clock that a test can move', () => {
  expect(filesWith(/\bset(?:Timeout|Interval)\b[^;]*from '(?:node:)?timers\/promises'/)).toEqual([]);
});

test('until it succeeds: retried', () => {
  expect(filesWith(/for \(let attempt\b/)).toEqual([
    // Its next attempt lifts the limit that ended the last one.
    'adapters/timescale/connection/connector.ts',
    // A merge that lost a race is merged again, at once; any other error is an outcome.
    'adapters/timescale/ingest/reading-store.ts',
    // Waits for a lock, not after an error.
    'app/import/import-files.ts',
    // Begins to spool meanwhile.
    'services/ingest/batch-writer.ts',
  ]);
});

test('woken up: Signal', () => {
  expect(filesWith(/\(\w*wake\w* = resolve\)/i)).toEqual([]);
});

test('again and again: PollLoop; other timers are one shot', () => {
  expect(filesWith(/\b(?:setTimeout|setInterval)\(|[cC]lock\.after\(/)).toEqual([
    // The clock, and what the socket or the child process of a library needs.
    'adapters/http/connection-limits.ts',
    'adapters/http/server.ts',
    // The reconnect, which an event schedules and a policy delays.
    'adapters/mqtt/source.ts',
    'adapters/system/clock.ts',
    'adapters/system/cron.ts',
    'adapters/systemd/supervision.ts',
    // Below `Session`: the connection itself.
    'adapters/timescale/connection/link-watch.ts',
    'adapters/timescale/connection/pool.ts',
    'adapters/timescale/connection/query-timeout.ts',
    'adapters/timescale/policy/policy-jobs.ts',
    // The linger of figures.
    'api/events/feed.ts',
    // The end of a listening that was asked for.
    'app/learn/learning-runs.ts',
    'cli/capture/listening.ts',
    // The time-out of a socket.
    'cli/database.ts',
    // The end that `--seconds` asks for.
    'cli/demo/index.ts',
    // Keeps the process alive until a signal: nothing ever comes of it.
    'cli/program.ts',
    // The embedded servers: sockets, a child process, and an engine that blocks the thread of its own process. No clock is theirs.
    'embedded/broker.ts',
    'embedded/gateway/engine-session.ts',
    'embedded/gateway/gateway-session.ts',
    'embedded/gateway/server.ts',
    'embedded/open-server.ts',
    'embedded/timescale-process.ts',
    // The linger of a batch.
    'library/recorder.ts',
    // Imports nothing before it knows which command is called.
    'main.ts',
    // The line of a storm, the linger of a batch, the grace of a request.
    'services/alert/no-data-digest.ts',
    'services/ingest/ingest.ts',
    'services/notify/sink-sender.ts',
  ]);
});

test('no longer than: deadline, endsWithin, unlessAborted and withDeadline', () => {
  expect(filesWith(/Promise\.race\(/)).toEqual([
    // A start against a signal, which has no time.
    'cli/run.ts',
    'main.ts',
  ]);
});

test('a line when an outage begins: Outage', () => {
  expect(filesWith(/#?\b(?:failing|complained|isAway|storeAway) = (?:true|code)\b/)).toEqual([]);
});

test('connections to the database: Connector makes them, and the pool by way of it', () => {
  expect(filesWith(/new pg\.(?:Client|Pool)\(|extends pg\.(?:Client|Pool)\b/)).toEqual([
    'adapters/timescale/connection/connector.ts',
    'adapters/timescale/connection/pool.ts',
  ]);
  expect(
    files.filter((file) => readFileSync(join(root, file), 'utf8').includes("code: 'DB_NO_ANSWER'")),
  ).toEqual(['lib/timeout.ts']);
});
