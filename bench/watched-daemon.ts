import { serveJobs } from './children.ts';
import { daemonConfig } from './daemon-config.ts';
import type { WatchedJob, WatchedReport } from './jobs.ts';
import { type Probe, measuredApp } from './measured-app.ts';
import type { MessageSource } from '../src/ports/messages.ts';
import { startProfile } from './profile.ts';
import { percentile } from './stats.ts';

/** The daemon of (watched): started by the first job; each job is answered with its totals, and with the latencies since the job before. */
let [stored, storedAtMs] = [0, 0];
let agesMs: number[] = [];
let startedAt: Promise<void> | undefined;
let source: Pick<MessageSource, 'pause' | 'resume'> | undefined;
let profile: { stop(): Promise<void> } | undefined;

/** The time in the payload is when the message was due to be published, on the same machine's clock. */
const committed: NonNullable<Probe['committed']> = ({ readings }, rows) => {
  const nowMs = Date.now();
  for (const { timeUs } of readings) agesMs.push(nowMs - timeUs / 1000);
  stored += rows;
  if (rows > 0) storedAtMs = nowMs;
};

const start = (config: string) =>
  new Promise<void>((resolve) => {
    const app = measuredApp(daemonConfig(config), {
      committed,
      subscribed: resolve,
      source: (given) => (source = given),
    });
    void app.start();
    process.once('disconnect', () => void app.stop());
  });

serveJobs<WatchedJob, WatchedReport>(async ({ config, reads, latencies, profileFile }, report) => {
  if (config !== undefined) startedAt = start(config);
  await startedAt;
  if (reads === false) source?.pause();
  if (profileFile !== undefined) profile = await startProfile(profileFile);
  if (reads === true) source?.resume();
  const { user, system } = process.cpuUsage();
  const p99Ms = latencies === 'read' ? percentile(Float64Array.from(agesMs).sort(), 0.99) : NaN;
  if (latencies !== undefined) {
    agesMs = [];
    await profile?.stop();
    profile = undefined;
  }
  report({ stored, storedAtMs, cpuSeconds: (user + system) / 1_000_000, p99Ms });
});
