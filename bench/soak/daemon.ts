import {
  type IntervalHistogram,
  type RecordableHistogram,
  createHistogram,
  monitorEventLoopDelay,
} from 'node:perf_hooks';
import type { App } from '../../src/app.ts';
import { serveJobs } from '../children.ts';
import { daemonConfig } from '../daemon-config.ts';
import { type Probe, measuredApp } from '../measured-app.ts';
import type { AlertLine, Look, SoakJob, SoakReport } from './jobs.ts';

const LOOP_RESOLUTION_MS = 10;

/** Figures of one phase. Histograms, not lists: a long run must not grow by being watched. */
class Phase {
  readonly latency: RecordableHistogram = createHistogram();
  readonly loop: IntervalHistogram = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  readonly number: number;

  constructor(number: number) {
    this.number = number;
    this.loop.enable();
  }
}

/** The daemon, whole, in a process of its own, and what it looks like from outside. */
class Watched {
  private phase = new Phase(0);
  private committed = 0;
  private disconnects = 0;
  private readonly lines = { no_data_group: 0, collector_disconnected: 0 };
  private alerts: AlertLine[] = [];
  private app: App | undefined;

  async start(config: string, subscribed: () => void): Promise<void> {
    const probe: Probe = {
      subscribed,
      committed: ({ readings }) => {
        const nowMs = Date.now();
        this.committed += readings.length;
        // Histograms hold whole numbers from 1 on: microseconds.
        for (const { timeUs } of readings)
          this.phase.latency.record(Math.max(1, Math.round(nowMs * 1000 - timeUs)));
      },
      disconnected: () => void this.disconnects++,
      logged: ({ event }) => {
        if (event === 'no_data_group' || event === 'collector_disconnected') this.lines[event]++;
      },
      alerted: (line) => void this.alerts.push({ sensorKey: sensorOf(line), atMs: Date.now() }),
    };
    // Alerts and a database that is away are what this is about: only what is unexpected shows.
    this.app = measuredApp(daemonConfig(config), probe, 'error');
    await this.app.start();
  }

  look(phase: number): Look {
    const { committed, disconnects, alerts } = this;
    if (phase !== this.phase.number) {
      this.phase.loop.disable();
      this.phase = new Phase(phase);
    }
    this.alerts = [];
    const { latency, loop } = this.phase;
    return {
      ...{ kind: 'look', phase, committed, disconnects, alerts },
      groupLines: this.lines.no_data_group,
      awayLines: this.lines.collector_disconnected,
      rssBytes: process.memoryUsage.rss(),
      // Nanoseconds; what it measures includes the interval at which it looks.
      loopDelayMaxMs: loop.count === 0 ? NaN : Math.max(0, loop.max / 1e6 - LOOP_RESOLUTION_MS),
      loopDelayP99Ms: loop.count === 0 ? NaN : Math.max(0, loop.percentile(99) / 1e6 - LOOP_RESOLUTION_MS),
      latencyP99Ms: latency.count === 0 ? NaN : latency.percentile(99) / 1000,
    };
  }

  async stop(): Promise<void> {
    await this.app?.stop();
  }
}

/** Only the first time: each report answers a question. */
function once(run: () => void): () => void {
  let done = false;
  return () => {
    if (!done) run();
    done = true;
  };
}

function sensorOf(line: string): string {
  const { sensor } = JSON.parse(line) as { readonly sensor?: unknown };
  return String(sensor);
}

const watched = new Watched();
serveJobs<SoakJob, SoakReport>(async (job, report) => {
  switch (job.kind) {
    case 'start':
      return watched.start(
        job.config,
        once(() => report({ kind: 'subscribed' })),
      );
    case 'look':
      return report(watched.look(job.phase));
    case 'stop':
      await watched.stop();
      return report({ kind: 'stopped' });
  }
});
