import { serveJobs } from './children.ts';
import { daemonConfig } from './daemon-config.ts';
import { DrainMeter } from './drain-meter.ts';
import type { DrainJob, DrainReport } from './jobs.ts';
import { measuredApp } from './measured-app.ts';
import { startProfile } from './profile.ts';

/** Our side of (c): the whole daemon, from the socket to committed rows, alert rules active. */
serveJobs<DrainJob, DrainReport>(async (job, report) => {
  const meter = new DrainMeter(job.expected);
  const app = measuredApp(daemonConfig(job.config), {
    received: () => meter.received(),
    committed: (_batch, stored, ms) => meter.stored(stored, ms),
    acknowledged: (messages) => meter.done(messages),
  });
  const profile = job.profileFile === undefined ? undefined : await startProfile(job.profileFile);
  await app.start();
  const result = await meter.finished;
  await profile?.stop();
  await app.stop();
  report(result);
});
