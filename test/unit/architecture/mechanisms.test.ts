import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '../../../src');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));

/** Files of the layers that work for as long as the daemon, `lib` apart, in which the pattern occurs. */
const filesWith = (pattern: RegExp): readonly string[] =>
  files
    .filter((file) => /^(services|adapters|sinks|app)\//.test(file))
    .filter((file) => pattern.test(readFileSync(join(root, file), 'utf8')))
    .sort();

// Each of these is one mechanism in `src/lib`. A new exception is a copy, unless it is something else: then it is listed here.

test('tasks one at a time: SerialQueue', () => {
  expect(filesWith(/= this\.#?\w+\.then\(|last\.then\(/)).toEqual([]);
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
    // The end of a listening that was asked for.
    'app/learn/learning-runs.ts',
    // The line of a storm, the linger of a batch, the grace of a request.
    'services/alert/no-data-digest.ts',
    'services/ingest/ingest.ts',
    'services/notify/sink-sender.ts',
  ]);
});

test('no longer than: deadline, endsWithin, unlessAborted and withDeadline', () => {
  expect(filesWith(/Promise\.race\(/)).toEqual([]);
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
