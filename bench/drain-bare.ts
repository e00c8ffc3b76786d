import mqtt from 'mqtt';
import { buildConnectOptions } from '../src/adapters/mqtt/connect-options.ts';
import { mqttOptions } from '../src/app/options.ts';
import { serveJobs } from './children.ts';
import { daemonConfig } from './daemon-config.ts';
import { DrainMeter } from './drain-meter.ts';
import type { DrainAnswer, DrainJob } from './jobs.ts';

/**
 * The reference of (c) and (c2): MQTT.js with the very options that the daemon uses, acknowledging by itself and counting. What it
 * reaches is the most that any program on MQTT.js can.
 */
serveJobs<DrainJob, DrainAnswer>(async (job, report) => {
  const { mqtt: settings, ...config } = daemonConfig(job.config);
  const url = settings.url ?? '';
  const connectOptions = await buildConnectOptions(mqttOptions({ ...config, mqtt: settings }, url, []), url);
  const meter = new DrainMeter(job.expected, job.live?.warmUp, () => report({ kind: 'warm' }));
  const client = mqtt.connect(connectOptions);
  client.on('error', (error) => console.error(error));
  if (job.live !== undefined) client.once('connect', () => report({ kind: 'connected' }));
  client.on('message', () => {
    meter.received();
    meter.done(1);
  });
  const result = await meter.finished;
  // The PUBACK of the last message leaves after its event: one more event loop iteration, or it would be delivered again.
  await new Promise((resolve) => setImmediate(resolve));
  await client.endAsync();
  report({ kind: 'done', report: result });
});
