import { serveJobs } from './children.ts';
import { daemonConfig } from './daemon-config.ts';
import { DrainMeter } from './drain-meter.ts';
import type { DrainAnswer, DrainJob } from './jobs.ts';
import { measuredApp } from './measured-app.ts';
import { startProfile } from './profile.ts';

/** Our side of (c) and (c2): the whole daemon, from the socket to committed rows, alert rules active. */
serveJobs<DrainJob, DrainAnswer>(async (job, report) => {
  const meter = new DrainMeter(job.expected, job.live?.warmUp, () => report({ kind: 'warm' }));
  const app = measuredApp(daemonConfig(job.config), {
    received: () => meter.received(),
    committed: (_batch, stored, ms) => meter.stored(stored, ms),
    ...(job.live === undefined ? {} : { subscribed: () => report({ kind: 'connected' }) }),
    acknowledged: (messages) => meter.done(messages),
  });
  const profile = job.profileFile === undefined ? undefined : await startProfile(job.profileFile);
  await app.start();
  const result = await meter.finished;
  await profile?.stop();
  await app.stop();
  report({ kind: 'done', report: result });
});
