import { Worker } from 'node:worker_threads';
import { FieldwatchError } from '../../core/errors.ts';
import type { ReadingBlock } from '../../core/ingest/table/reading-block.ts';
import { Signal } from '../../lib/signal.ts';
import { workerEntry } from '../../lib/worker-entry.ts';
import type { BlockSourceFile } from './read-blocks.ts';
import type { ReadMessage } from './read-worker.ts';

/** Blocks that wait for the reader at most, each of about a megabyte of text; the thread has one more at hand. */
const AHEAD = 2;

/**
 * `blocksOf` in a thread of its own: parsing and checking a row takes as long as storing it. Where the reader is slow, the thread waits.
 * Rejects with its error, and when `signal` aborts; the thread ends with the reading.
 */
export async function* readBlocks(file: BlockSourceFile, signal: AbortSignal): AsyncGenerator<ReadingBlock> {
  const worker = new Worker(workerEntry(import.meta.url, 'app/import/read-worker.js'), {
    workerData: file,
    execArgv: [],
  });
  const arrived: ReadMessage[] = [];
  let failure: Error | undefined;
  const changed = new Signal();
  const fail = (error: Error) => {
    failure ??= error;
    changed.notify();
  };
  const abort = () => fail(signal.reason as Error);
  worker.on('message', (message: ReadMessage) => {
    arrived.push(message);
    changed.notify();
  });
  worker.once('error', fail);
  worker.once('exit', () => fail(new Error('the thread that reads the file has ended')));
  signal.addEventListener('abort', abort, { once: true });
  try {
    worker.postMessage(AHEAD);
    for (;;) {
      const message = arrived.shift();
      if (message === undefined) {
        if (failure !== undefined) throw failure;
        await changed.wait();
        continue;
      }
      if (message.kind === 'end') return;
      if (message.kind === 'fault') throw new FieldwatchError(message.message, message.detail);
      yield message.block;
      worker.postMessage(1);
    }
  } finally {
    signal.removeEventListener('abort', abort);
    await worker.terminate();
  }
}
