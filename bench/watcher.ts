import { type IncomingMessage, get } from 'node:http';
import { pause } from '../test/support/eventually.ts';
import { serveJobs } from './children.ts';
import type { WatchJob, WatchReport } from './jobs.ts';
import { percentile } from './stats.ts';
import { topicsOf } from './workload.ts';

/** The keys of the devices that the bench publishes. */
const KEYS = topicsOf('').map((topic) => topic.split('/')[2]);
const AGAIN_MS = 200;
/** Between two requests of a user: a page asks when it is opened, and lives on the stream. */
const LOOK_EVERY_MS = 2000;
const REQUEST_MS = 20_000;

const state = { events: 0, requests: 0, unchanged: 0, failures: 0, open: 0 };
const tookMs: number[] = [];

/** Readers of the page, in a process of their own: streams that stay open, and users who open one view after the other. */
serveJobs<WatchJob, WatchReport>(async ({ open }, report) => {
  if (open !== undefined) {
    for (let stream = 0; stream < open.streams; stream++) listen(open.port);
    for (let user = 0; user < open.users; user++) void use(open.port, user);
  }
  const { events, requests, unchanged, failures, open: streams } = state;
  const { user, system } = process.cpuUsage();
  const p99Ms = tookMs.length === 0 ? NaN : percentile(Float64Array.from(tookMs).sort(), 0.99);
  report({
    ...{ events, requests, unchanged, failures, streams, p99Ms },
    cpuSeconds: (user + system) / 1_000_000,
  });
});

function listen(port: number): void {
  const again = () => setTimeout(() => listen(port), AGAIN_MS);
  get({ port, host: '127.0.0.1', path: '/api/v1/events', agent: false }, (answer: IncomingMessage) => {
    if (answer.statusCode !== 200) {
      answer.resume();
      again();
      return;
    }
    state.open += 1;
    answer.on('data', (chunk: Buffer) => {
      for (let at = chunk.indexOf('event:'); at >= 0; at = chunk.indexOf('event:', at + 1)) state.events += 1;
    });
    answer.once('error', () => undefined);
    answer.once('close', () => {
      state.open -= 1;
      again();
    });
  }).once('error', again);
}

/** Goes from view to view, and says what it has already, as a browser does. */
async function use(port: number, number: number): Promise<void> {
  const key = KEYS[number % KEYS.length];
  const views = [
    '/api/v1/status',
    '/api/v1/sensors?limit=50',
    '/api/v1/alerts?limit=50',
    `/api/v1/sensors/${key}/readings?from=1h&points=300`,
  ];
  const tags = new Map<string, string>();
  await pause((number * LOOK_EVERY_MS) / 20);
  for (let n = number; ; n++) {
    const view = views[n % views.length] as string;
    const startMs = performance.now();
    try {
      const answer = await fetch(`http://127.0.0.1:${port}${view}`, {
        headers: tags.has(view) ? { 'if-none-match': tags.get(view) as string } : {},
        signal: AbortSignal.timeout(REQUEST_MS),
      });
      await answer.arrayBuffer();
      tags.set(view, answer.headers.get('etag') ?? '');
      state.requests += 1;
      if (answer.status === 304) state.unchanged += 1;
      // A sensor that has not sent yet is not found.
      if (answer.status >= 500 || answer.status === 429) state.failures += 1;
      tookMs.push(performance.now() - startMs);
    } catch {
      // The daemon starts, or has ended.
    }
    await pause(LOOK_EVERY_MS);
  }
}
