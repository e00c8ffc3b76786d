import { seededRandom } from '../src/simulator/random.ts';
import { type FlowDeps, type FlowPart, type FlowRun, type Side, onSide, profiled, wholly } from './flow.ts';
import type { DrainJob } from './jobs.ts';
import { queueMessages } from './session.ts';

interface Drain {
  readonly part?: FlowPart;
  /** Between two readings of a sensor. */
  readonly intervalMs?: number | undefined;
  readonly allowedLateness?: string | undefined;
}

/**
 * One run of (c2): a persistent session with N queued QoS 1 messages is drained. The process first drains a smaller queue
 * to be warm: a daemon runs for months.
 */
export async function drainOnce(
  deps: FlowDeps,
  side: Side,
  { part = 'c2', intervalMs, ...more }: Drain = {},
): Promise<FlowRun> {
  const { options, broker, timeline } = deps;
  const { drainWarmUp, drainMessages } = options.sizes;
  return onSide(
    deps,
    side,
    async ({ child, clientId, config }) => {
      const drain = async (job: DrainJob) => {
        const { expected } = job;
        await queueMessages(
          broker,
          expected,
          timeline.take(expected),
          seededRandom(options.seed),
          intervalMs,
        );
        child.send(job);
        return { report: await wholly(part, child, side, expected) };
      };
      await drain({ config, expected: drainWarmUp });
      return drain({ config, expected: drainMessages, ...profiled(options, part, clientId) });
    },
    more,
  );
}
