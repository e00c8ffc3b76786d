import { type IncomingMessage, get } from 'node:http';
import { serveJobs } from './children.ts';
import type { WatchJob, WatchReport } from './jobs.ts';
import { percentile } from './stats.ts';
import { topicsOf } from './workload.ts';

/** The keys of the devices that the bench publishes. */
const KEYS = topicsOf('').map((topic) => topic.split('/')[2]);
const AGAIN_MS = 200;
/** Between two looks of a user: a page asks when it is opened, and lives on the stream. */
const LOOK_EVERY_MS = 2000;
const REQUEST_MS = 20_000;

/** Readers of the page, in a process of their own: streams that stay open, and users who open one view after the other. */
serveJobs<WatchJob, WatchReport>(async (job, report) => {
  const { port } = job;
  const state = { events: 0, requests: 0, failures: 0, open: 0, most: 0, ended: false };
  const tookMs: number[] = [];
  const streams = Array.from({ length: job.streams }, () => listen(port, state));
  const users = Array.from({ length: job.users }, (_, n) => use(port, n, state, tookMs));
  await new Promise((resolve) => setTimeout(resolve, job.seconds * 1000));
  state.ended = true;
  for (const stream of streams) stream.close();
  await Promise.all(users);
  const sorted = Float64Array.from(tookMs).sort();
  const { events, requests, failures, most } = state;
  report({
    events,
    requests,
    failures,
    streams: most,
    p99Ms: sorted.length === 0 ? NaN : percentile(sorted, 0.99),
  });
});

interface State {
  events: number;
  requests: number;
  failures: number;
  open: number;
  most: number;
  ended: boolean;
}

function listen(port: number, state: State): { close(): void } {
  let current: IncomingMessage | undefined;
  const connect = () => {
    if (state.ended) return;
    const again = () => setTimeout(connect, AGAIN_MS);
    get({ port, host: '127.0.0.1', path: '/api/v1/events', agent: false }, (answer) => {
      if (answer.statusCode !== 200) {
        answer.resume();
        again();
        return;
      }
      current = answer;
      state.most = Math.max(state.most, ++state.open);
      answer.on('data', (chunk: Buffer) => {
        for (let at = chunk.indexOf('event:'); at >= 0; at = chunk.indexOf('event:', at + 1))
          state.events += 1;
      });
      answer.once('error', () => undefined);
      answer.once('close', () => {
        state.open -= 1;
        again();
      });
    }).once('error', again);
  };
  connect();
  return { close: () => current?.destroy() };
}

async function use(port: number, number: number, state: State, tookMs: number[]): Promise<void> {
  const key = KEYS[number % KEYS.length];
  const views = [
    '/api/v1/status',
    '/api/v1/sensors?limit=50',
    '/api/v1/alerts?limit=50',
    `/api/v1/sensors/${key}/readings?from=1h&points=300`,
  ];
  await new Promise((resolve) => setTimeout(resolve, (number * LOOK_EVERY_MS) / 20));
  for (let n = number; !state.ended; n++) {
    const startMs = performance.now();
    try {
      const answer = await fetch(`http://127.0.0.1:${port}${views[n % views.length]}`, {
        signal: AbortSignal.timeout(REQUEST_MS),
      });
      await answer.arrayBuffer();
      state.requests += 1;
      // A sensor that has not sent yet is none.
      if (answer.status >= 500 || answer.status === 429) state.failures += 1;
      tookMs.push(performance.now() - startMs);
    } catch {
      // The daemon starts, or has ended.
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
