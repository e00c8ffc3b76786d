import { type ChildProcess, fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { FieldwatchError } from '../core/errors.ts';
import { ceilingMs } from '../lib/backoff.ts';
import { workerEntry } from '../lib/worker-entry.ts';
import type { Logger } from '../ports/metrics.ts';
import type { ServerMessage } from './messages.ts';
import { embeddedUrl, readPassword, writePassword } from './password.ts';

export interface EmbeddedTimescaleOptions {
  /** Created if it does not exist. */
  readonly dataDir: string;
  /** 0: any free port. */
  readonly port: number;
  readonly host?: string;
  readonly logger?: Logger;
  /** The server process ended without a request to stop; it is being restarted. */
  readonly onExit?: (exit: { code: number | null; signal: NodeJS.Signals | null }) => void;
  /** A restarted server accepts connections again. */
  readonly onRestart?: (pid: number) => void;
}

export interface EmbeddedTimescale {
  /** With the password: for a client, not for a log. */
  readonly url: string;
  readonly port: number;
  /** Changes when the server had to be restarted. */
  readonly pid: number;
  /** Clean end with a checkpoint; idempotent. */
  stop(): Promise<void>;
}

const RESTART = { baseMs: 200, capMs: 10_000 };
/** A checkpoint of a full log takes a few seconds at most; then the log recovers it just as well. */
const STOP_DEADLINE_MS = 10_000;
const LAST_WORDS_BYTES = 4000;

/** Starts the embedded server, waits until it accepts connections, and keeps it running until `stop`. */
export async function startEmbeddedTimescale(options: EmbeddedTimescaleOptions): Promise<EmbeddedTimescale> {
  const supervisor = new ServerSupervisor(options);
  await supervisor.start();
  return supervisor;
}

class ServerSupervisor implements EmbeddedTimescale {
  private readonly options: EmbeddedTimescaleOptions;
  private child: ChildProcess | undefined;
  private ended: Promise<void> = Promise.resolve();
  private stopping = false;
  private restartTimer: NodeJS.Timeout | undefined;
  private failures = 0;
  private password: string | undefined;
  port: number;

  constructor(options: EmbeddedTimescaleOptions) {
    this.options = options;
    this.port = options.port;
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  get url(): string {
    return embeddedUrl(this.options.host ?? '127.0.0.1', this.port, this.password);
  }

  /** Starts the process once; rejects with its own error if it fails before it is ready. */
  async start(): Promise<void> {
    const child = fork(
      workerEntry(import.meta.url, 'embedded/timescale-server.js'),
      [this.options.dataDir, this.options.host ?? '127.0.0.1', String(this.port)],
      {
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
        execArgv: [],
        // Ctrl-C goes to a terminal's whole process group: the database must outlive the daemon's last batch.
        detached: true,
      },
    );
    this.child = child;
    const stderrTail = this.listen(child);
    let ready = false;
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        resolve();
        if (ready) this.exited(code, signal);
      });
    });
    try {
      this.port = await readyPort(child, stderrTail);
      this.password = readPassword(this.options.dataDir);
      ready = true;
    } catch (error) {
      child.kill('SIGKILL');
      await this.ended;
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.restartTimer);
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    if (child.connected) child.send('stop', () => {});
    else child.kill('SIGTERM');
    const deadline = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
    await this.ended;
    clearTimeout(deadline);
  }

  private exited(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.stopping) return;
    this.options.logger?.error({ code, signal }, 'the embedded database has ended, starting it again');
    this.options.onExit?.({ code, signal });
    this.restartLater();
  }

  private restartLater(): void {
    this.restartTimer = setTimeout(() => void this.restart(), ceilingMs(this.failures++, RESTART));
  }

  private async restart(): Promise<void> {
    try {
      // The clients of this process know it: one that was deleted meanwhile is not replaced by another.
      if (this.password !== undefined) writePassword(this.options.dataDir, this.password);
      await this.start();
      this.failures = 0;
      this.options.onRestart?.(this.pid);
    } catch (error) {
      if (this.stopping) return;
      this.options.logger?.error({ err: error }, 'the embedded database does not start, trying again');
      this.restartLater();
    }
  }

  /** A line of the server's own log becomes one of ours; what the engine itself printed is passed on as it is. */
  private passOn(line: string): void {
    const { level, msg, ...fields } = parsed(line);
    delete fields.time;
    delete fields.name;
    if (typeof msg !== 'string') this.options.logger?.info({ line }, 'embedded database');
    else
      this.options.logger?.[level === 'error' ? 'error' : 'info'](
        { ...fields, event: msg },
        'embedded database',
      );
  }

  /** Passes the server's log lines on; keeps the last ones for the error of a failed start. */
  private listen(child: ChildProcess): () => string {
    let tail = '';
    child.stderr?.setEncoding('utf8');
    child.stderr?.on('data', (text: string) => {
      tail = (tail + text).slice(-LAST_WORDS_BYTES);
    });
    if (child.stderr !== null)
      createInterface({ input: child.stderr }).on('line', (line) => this.passOn(line));
    return () => tail;
  }
}

async function readyPort(child: ChildProcess, stderrTail: () => string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      reject(
        new FieldwatchError(
          `the embedded database ended while starting (${signal ?? `exit code ${code}`}): ${stderrTail().trim()}`,
          {
            code: 'EMBEDDED_DB_FAILED',
            kind: 'bug',
          },
        ),
      );
    });
    child.on('message', (message: ServerMessage) => {
      if (message.type === 'ready') resolve(message.port);
      else reject(new FieldwatchError(message.message, message));
    });
  });
}

function parsed(line: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(line)) as Record<string, unknown>;
  } catch {
    return {};
  }
}
