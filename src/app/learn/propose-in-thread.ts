import { Worker } from 'node:worker_threads';
import type { Config } from '../../config/schema/index.ts';
import type { Gathering } from '../../learn/gathering.ts';
import { workerEntry } from '../../lib/worker-entry.ts';
import type { LearnWork } from './learn-worker.ts';
import type { Proposal, ProposalOptions } from './propose-config.ts';

/** A thread has its own heap: what does not fit ends it, and not the daemon. */
const HEAP_MB = 256;

/**
 * `proposeConfig` in a thread of its own: for the samples of a run it takes up to a second, in which the daemon would receive
 * and store nothing. Rejects with the thread's error, and when `signal` aborts.
 */
export function proposeInThread(
  gathering: Gathering,
  { config: { limits, time_window }, mqtt, alerts }: ProposalOptions,
  signal: AbortSignal,
): Promise<Proposal> {
  // Only the parts that are used: the rest may hold secrets, and functions, which cannot be passed to a thread.
  const config = { limits, time_window } satisfies Pick<Config, 'limits' | 'time_window'>;
  const work: LearnWork = { gathered: gathering.snapshot(), options: { config, mqtt, alerts } };
  const worker = new Worker(workerEntry(import.meta.url, 'app/learn/learn-worker.js'), {
    workerData: work,
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
  });
  const end = () => void worker.terminate();
  signal.addEventListener('abort', end, { once: true });
  return new Promise<Proposal>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the run was ended')));
  }).finally(() => signal.removeEventListener('abort', end));
}
