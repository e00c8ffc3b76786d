import { Child } from './children.ts';
import { type FlowDeps, type FlowRun, RUN_MS, type Side, onSide, profiled, wholly } from './flow.ts';
import type { LiveJob, LiveReport } from './jobs.ts';

const WINDOW = 1000;
const START_MS = 30_000;

/** One run of (c): messages are published, as fast as the broker acknowledges, to a subscriber that is connected. */
export async function flowOnce(deps: FlowDeps, side: Side): Promise<FlowRun> {
  const { options, broker, timeline, cleanup } = deps;
  const { liveWarmUp: warmUp, liveMessages } = options.sizes;
  const expected = warmUp + liveMessages;
  const publisher = new Child<LiveJob, LiveReport>('live-publisher', cleanup);
  const publish = async (messages: number) => {
    const startMs = timeline.take(messages);
    return publisher.ask({ broker, messages, startMs, seed: options.seed, window: WINDOW }, RUN_MS);
  };
  try {
    return await onSide(deps, side, async ({ child, clientId, config }) => {
      await child.ask({ config, expected, live: { warmUp }, ...profiled(options, 'c', clientId) }, START_MS);
      await publish(warmUp);
      const answer = await child.next(RUN_MS);
      if (answer.kind !== 'warm') throw new Error(`(c) ${side} did not get the messages that warm it up`);
      const { seconds } = await publish(liveMessages);
      const report = await wholly('c', child, side, expected);
      return { report, publishedPerSecond: liveMessages / seconds };
    });
  } finally {
    await publisher.end();
  }
}
