import type { EventEmitter } from 'node:events';
import { unlessAborted } from '../../lib/timeout.ts';

/** A wait on a stream, on which its failure, earlier or meanwhile, is an end to the waiting: an event that never comes is none. */
export function unlessFailed(
  stream: EventEmitter,
  explain: (error: unknown) => Error,
): <T>(work: Promise<T>) => Promise<T> {
  const failed = new AbortController();
  stream.once('error', (error) => failed.abort(explain(error)));
  return (work) => unlessAborted(work, failed.signal, () => failed.signal.reason as Error);
}
