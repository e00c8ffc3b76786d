/**
 * The embedded TimescaleDB server: a process of its own, because the engine blocks its thread for as long as a
 * statement runs. Started by timescale-process.ts; by hand: `node timescale-server.js <folder> [<host> <port>]`.
 */
import { setFlagsFromString } from 'node:v8';
import { FieldwatchError, messageOf } from '../core/errors.ts';
import type { ServerArguments, ServerMessage } from './messages.ts';
import { openServer } from './open-server.ts';

/** Whatever the umask of the shell is: the folder holds readings, and its files are this user's alone. */
const UMASK = 0o077;

/**
 * How much a function of the engine runs before V8 compiles it again, optimised. The default is reached by hundreds of functions
 * while a database is made: a third of the processor time of a first start, of which the statements that follow have nothing.
 */
const TIERING_BUDGET = 100_000_000;

function log(level: 'info' | 'error', message: string, fields: Record<string, unknown> = {}): void {
  process.stderr.write(
    `${JSON.stringify({ level, time: Date.now(), name: 'timescale-server', ...fields, msg: message })}\n`,
  );
}

function report(message: ServerMessage): void {
  if (process.connected) process.send?.(message);
}

/** A fault leaves the engine in an unknown state: end at once, non-zero; the write-ahead log recovers at the next start. */
function die(error: unknown): void {
  log('error', 'the embedded database has failed', {
    error: messageOf(error),
    stack: (error as Error).stack,
  });
  queueMicrotask(() => {
    throw error;
  });
}

async function serve(options: ServerArguments): Promise<void> {
  const server = await openServer(options, die);
  stopOnSignal(() => {
    server.close();
    log('info', 'the embedded database has stopped');
  });
  report({ type: 'ready', port: server.port });
}

function stopOnSignal(stop: () => void): void {
  let stopped = false;
  const once = () => {
    if (stopped) return;
    stopped = true;
    stop();
    // The engine's own exit handling has left a code behind.
    process.exitCode = 0;
    if (process.connected) process.disconnect();
  };
  process.once('SIGTERM', once);
  process.once('SIGINT', once);
  // The parent asked, or is gone: with it goes its end of the channel.
  process.on('message', once);
  process.once('disconnect', once);
  // It may have gone while the engine was starting.
  if (process.send !== undefined && !process.connected) once();
}

function fail(error: unknown): void {
  const known = error instanceof FieldwatchError ? error : undefined;
  const message = messageOf(error);
  log('error', message, { code: known?.code ?? 'EMBEDDED_DB_FAILED' });
  const remedy = known?.remedy;
  report({
    type: 'failed',
    code: known?.code ?? 'EMBEDDED_DB_FAILED',
    kind: known?.kind ?? 'bug',
    message,
    ...(remedy === undefined ? {} : { remedy }),
  });
  process.exitCode = 1;
  if (process.connected) process.disconnect();
}

process.umask(UMASK);
setFlagsFromString(`--wasm-tiering-budget=${TIERING_BUDGET}`);
const [dataDir, host = '127.0.0.1', port = '0'] = process.argv.slice(2);
if (dataDir === undefined) {
  process.stderr.write('usage: timescale-server <folder> [<host> <port>]\n');
  process.exitCode = 2;
} else {
  serve({ dataDir, host, port: Number(port) }).catch(fail);
}
