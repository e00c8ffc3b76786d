import { seededRandom } from '../src/simulator/random.ts';
import { pause } from '../test/support/eventually.ts';
import { serveJobs } from './children.ts';
import type { PublishJob, PublishReport } from './jobs.ts';
import { Publisher } from './publisher.ts';
import { type Message, SENSORS, payloadOf, topicsOf } from './workload.ts';

const TICK_MS = 1;

/**
 * The publishing side of (d): an open loop. Message i is due at start + i / rate, whatever happened to those before it, and
 * carries that time: when the system stalls, the messages of the stall count with the whole of their wait, instead of
 * being published later and looking fast (coordinated omission).
 */
serveJobs<PublishJob, PublishReport>(async (job, report) => {
  const { broker, ratePerSecond, messages, alerting } = job;
  const publisher = await Publisher.connect(broker, topicsOf(broker.topicRoot));
  const random = seededRandom(job.seed);
  const startMs = Date.now() + 50;
  let sent = 0;
  let maxLateMs = 0;
  while (sent < messages) {
    const nowMs = Date.now();
    const due = Math.min(messages, Math.floor(((nowMs - startMs) * ratePerSecond) / 1000) + 1);
    const chunk: Message[] = [];
    for (; sent < due; sent++) {
      const dueMs = startMs + Math.floor((sent * 1000) / ratePerSecond);
      maxLateMs = Math.max(maxLateMs, nowMs - dueMs);
      const sensor = sent % SENSORS;
      const breaches = sensor < (alerting?.sensors ?? 0) && Math.floor(sent / SENSORS) % 2 === 0;
      chunk.push({ sensor, payload: payloadOf(dueMs, random, breaches ? alerting?.limit : undefined) });
    }
    publisher.send(chunk);
    await pause(TICK_MS);
  }
  await publisher.untilUnacknowledged(0);
  publisher.close();
  report({ messages: sent, maxLateMs });
});
