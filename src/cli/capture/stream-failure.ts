import type { EventEmitter } from 'node:events';
import { unlessAborted } from '../../lib/timeout.ts';

/** Wraps waits on a stream: they reject with its failure, earlier or meanwhile, after which the awaited event never comes. */
export function unlessFailed(
  stream: EventEmitter,
  explain: (error: unknown) => Error,
): <T>(work: Promise<T>) => Promise<T> {
  const failed = new AbortController();
  stream.once('error', (error) => failed.abort(explain(error)));
  return (work) => unlessAborted(work, failed.signal, () => failed.signal.reason as Error);
}
