import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type ErrorDetail, FieldwatchError } from '../../core/errors.ts';
import { type ReadingBlock, buffersOf } from '../../core/ingest/table/reading-block.ts';
import { Signal } from '../../lib/signal.ts';
import { type BlockSourceFile, blocksOf } from './read-blocks.ts';

/** Messages of the thread. An error of ours in its parts: a class does not pass. */
export type ReadMessage =
  | { readonly kind: 'block'; readonly block: ReadingBlock }
  | { readonly kind: 'end' }
  | {
      readonly kind: 'fault';
      readonly message: string;
      readonly detail: ErrorDetail;
    };

const port = parentPort as MessagePort;
/** Blocks that the other side has room for. */
let room = 0;
const asked = new Signal();
port.on('message', (more: number) => {
  room += more;
  asked.notify();
});
const send = (message: ReadMessage, buffers: ArrayBuffer[] = []) => port.postMessage(message, buffers);

try {
  for await (const block of blocksOf(workerData as BlockSourceFile)) {
    while (room === 0) await asked.wait();
    room -= 1;
    send({ kind: 'block', block }, buffersOf(block));
  }
  send({ kind: 'end' });
} catch (error) {
  if (!(error instanceof FieldwatchError)) throw error;
  const { message, code, kind, remedy } = error;
  send({ kind: 'fault', message, detail: { code, kind, ...(remedy === undefined ? {} : { remedy }) } });
} finally {
  port.close();
}
