// The databases of one run of the tests, each in a thread of its own: node engine-host.js <folder of the run>
// One process, because the threads of a process share the compiled code of the engine: a second start costs half of the
// first, and SQL runs in code that is hot. A connection to the socket in that folder is one database: the client
// writes {dataDir}, reads {port}, and closes to end it; {failed} is what the engine died of. {aheadMs} moves its clock, and
// comes back when it is moved.
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

/** For a clean end, of which only a statement that never ends keeps an engine. */
const CLOSE_DEADLINE_MS = 10_000;
const runFolder = process.argv[2];
const live = new Set();
/** With the last engine its compiled code would go: one stays, closed, until the next has started. */
let resting;

function serve(socket) {
  const say = (message) => socket.writable && socket.write(`${JSON.stringify(message)}\n`);
  // A client that was killed; 'close' follows.
  socket.on('error', () => {});
  const lines = createInterface({ input: socket });
  lines.once('line', (first) => {
    const { dataDir } = JSON.parse(first);
    const thread = new Worker(new URL('./engine-thread.js', import.meta.url), { workerData: dataDir });
    live.add(thread);
    lines.on('line', (line) => thread.postMessage(JSON.parse(line)));
    thread.on('message', say);
    thread.once('message', () => {
      void resting?.terminate();
      resting = undefined;
    });
    thread.on('error', (error) => say({ failed: error.stack ?? String(error) }));
    thread.once('exit', () => {
      live.delete(thread);
      if (resting === thread) resting = undefined;
      socket.end();
    });
    const left = () => void close(thread).then(() => socket.end());
    socket.once('end', left);
    socket.once('close', left);
  });
}

async function close(thread) {
  if (!live.delete(thread)) return;
  if (live.size > 0 || resting !== undefined) {
    // Without a checkpoint: what it has stored is deleted next.
    await thread.terminate();
    return;
  }
  resting = thread;
  thread.postMessage({});
  const closed = await Promise.race([
    once(thread, 'message').catch(() => true),
    once(thread, 'exit'),
    setTimeout(CLOSE_DEADLINE_MS, false, { ref: false }),
  ]);
  if (!closed) await thread.terminate();
}

// The folders of the databases hold readings, as those of the embedded server do.
process.umask(0o077);
const server = createServer({ allowHalfOpen: true }, serve);
server.listen(join(runFolder, 'engines.sock'), () => process.send('ready'));
// Ctrl-C goes to all: the tests end first.
process.on('SIGINT', () => {});
await once(process, 'disconnect');
rmSync(runFolder, { recursive: true, force: true, maxRetries: 10 });
process.exit(0);
