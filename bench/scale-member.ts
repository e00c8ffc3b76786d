import { serveJobs } from './children.ts';
import { daemonConfig } from './daemon-config.ts';
import type { MemberJob, MemberReport } from './jobs.ts';
import { measuredApp } from './measured-app.ts';

/** One daemon of (scale): started by the first job, and asked for its totals by those that follow. */
let stored = 0;
let startedAt: Promise<void> | undefined;

serveJobs<MemberJob, MemberReport>(async ({ config }, report) => {
  if (config !== undefined) {
    startedAt = new Promise((resolve) => {
      const app = measuredApp(daemonConfig(config), {
        committed: (_batch, rows) => (stored += rows),
        subscribed: resolve,
      });
      void app.start();
      process.once('disconnect', () => void app.stop());
    });
  }
  await startedAt;
  const { user, system } = process.cpuUsage();
  report({
    stored,
    cpuSeconds: (user + system) / 1_000_000,
    peakMegabytes: process.resourceUsage().maxRSS / 1024,
  });
});
