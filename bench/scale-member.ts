import type { MessageSource } from '../src/ports/messages.ts';
import { serveJobs } from './children.ts';
import { daemonConfig } from './daemon-config.ts';
import type { MemberJob, MemberReport } from './jobs.ts';
import { measuredApp } from './measured-app.ts';
import { startProfile } from './profile.ts';

/** One daemon of (scale): started by the first job, and asked for its totals by those that follow. */
let [stored, storedAtMs, batches] = [0, 0, 0];
let startedAt: Promise<void> | undefined;
let source: Pick<MessageSource, 'pause' | 'resume'> | undefined;
let profile: { stop(): Promise<void> } | undefined;

const start = (config: string) =>
  new Promise<void>((resolve) => {
    const app = measuredApp(daemonConfig(config), {
      committed: (_batch, rows) => {
        stored += rows;
        batches++;
        if (rows > 0) storedAtMs = Date.now();
      },
      subscribed: resolve,
      source: (given) => (source = given),
    });
    void app.start();
    process.once('disconnect', () => void app.stop());
  });

serveJobs<MemberJob, MemberReport>(async ({ config, reads, profileFile }, report) => {
  if (config !== undefined) startedAt = start(config);
  await startedAt;
  if (reads === false) source?.pause();
  if (profileFile === undefined) {
    await profile?.stop();
    profile = undefined;
  } else profile = await startProfile(profileFile);
  if (reads === true) source?.resume();
  const { user, system } = process.cpuUsage();
  report({
    ...{ stored, storedAtMs, batches },
    cpuSeconds: (user + system) / 1_000_000,
    peakMegabytes: process.resourceUsage().maxRSS / 1024,
  });
});
