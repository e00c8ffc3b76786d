import { seededRandom } from '../src/simulator/random.ts';
import { serveJobs } from './children.ts';
import type { LiveJob, LiveReport } from './jobs.ts';
import { Publisher } from './publisher.ts';
import { chunked, messagesOf, topicsOf } from './workload.ts';

const CHUNKS_PER_WINDOW = 5;

/**
 * The publishing side of (c): a closed loop, as fast as the broker acknowledges. All packets are made beforehand, so that
 * this process takes hardly any time from the others while the clock runs.
 */
serveJobs<LiveJob, LiveReport>(async ({ broker, messages, startMs, seed, window }, report) => {
  const publisher = await Publisher.connect(broker, topicsOf(broker.topicRoot));
  const chunk = Math.max(1, Math.floor(window / CHUNKS_PER_WINDOW));
  const prepared = Array.from(chunked(messagesOf(messages, startMs, seededRandom(seed)), chunk), (some) =>
    publisher.prepare(some),
  );
  const beganMs = performance.now();
  for (const packets of prepared) {
    await publisher.untilUnacknowledged(window - packets.count);
    publisher.write(packets);
  }
  await publisher.untilUnacknowledged(0);
  const seconds = (performance.now() - beganMs) / 1000;
  publisher.close();
  report({ seconds });
});
