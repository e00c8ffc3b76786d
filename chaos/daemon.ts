import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type WriteStream, createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cleanEnvironment, endChild, hasEnded } from '../test/support/child-process.ts';
import { pause } from '../test/support/eventually.ts';
import { LogReader } from './log-reader.ts';

/** As a service manager would: started again this long after its end. */
const RESTART_MS = 300;
/** A stop that takes longer hangs: far beyond `shutdown_deadline`. */
const STOP_MS = 25_000;

export interface DaemonOptions {
  readonly program: string;
  readonly dir: string;
  readonly config: string;
  readonly onViolation: (what: string, evidence: string) => void;
}

/** The daemon as a process of its own, kept running: started again after every end, whatever caused it. */
export class Daemon {
  readonly log: LogReader;
  /** Starts that gave up because broker or database was away just then: allowed, and counted. */
  failedStarts = 0;
  starts = 0;
  private readonly options: DaemonOptions;
  private readonly file: WriteStream;
  private child: ChildProcess | undefined;
  private asked: NodeJS.Signals | undefined;
  private ready = false;
  private from = 0;
  private closing = false;
  private keeping: Promise<void> = Promise.resolve();

  private constructor(options: DaemonOptions) {
    this.options = options;
    this.log = new LogReader();
    this.file = createWriteStream(join(options.dir, 'daemon.log'), { flags: 'a' });
  }

  static async start(options: DaemonOptions): Promise<Daemon> {
    await mkdir(options.dir, { recursive: true });
    await writeFile(join(options.dir, 'fieldwatch.yaml'), options.config);
    const daemon = new Daemon(options);
    daemon.keeping = daemon.keep();
    return daemon;
  }

  get running(): boolean {
    return this.child !== undefined && !hasEnded(this.child);
  }

  get isReady(): boolean {
    return this.running && this.ready;
  }

  /** Only then does the broker keep for it what is published. */
  get isSubscribed(): boolean {
    return this.isReady && this.log.saw('mqtt: subscribed', this.from);
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.child?.kill(signal);
  }

  /** Ends it by a signal; the keeper starts it again. Resolves when it has ended. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const { child } = this;
    if (child === undefined || !this.running) return;
    this.asked = signal;
    const timer = setTimeout(() => {
      this.options.onViolation('the daemon does not stop', `no exit within ${STOP_MS} ms of ${signal}`);
      child.kill('SIGKILL');
    }, STOP_MS);
    await endChild(child, signal);
    clearTimeout(timer);
  }

  /** For the last time: in order, or at once. */
  async close(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.closing = true;
    await this.end(signal);
    await this.keeping;
    this.file.end();
  }

  private async keep(): Promise<void> {
    while (!this.closing) {
      await this.runOnce();
      if (!this.closing) await pause(RESTART_MS);
    }
  }

  private async runOnce(): Promise<void> {
    const { program, dir } = this.options;
    this.starts++;
    this.ready = false;
    this.asked = undefined;
    const child = spawn(process.execPath, [program, 'run', '--config', join(dir, 'fieldwatch.yaml')], {
      cwd: dir,
      env: cleanEnvironment(),
      stdio: ['ignore', 'ignore', 'pipe'],
      // Ctrl-C reaches a terminal's whole process group: its end must be ours to decide.
      detached: true,
    });
    this.child = child;
    const from = this.log.mark();
    this.from = from;
    this.file.write(`--- start ${this.starts} at ${new Date().toISOString()}\n`);
    child.stderr.on('data', (chunk: Buffer) => {
      this.file.write(chunk);
      this.log.write(chunk.toString());
      this.ready ||= this.log.saw('ready', from);
    });
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    this.file.write(`--- end: ${signal ?? `exit code ${code}`}, asked for: ${this.asked ?? 'nothing'}\n`);
    this.checkExit(code, signal, this.log.textSince(from));
  }

  private checkExit(code: number | null, signal: NodeJS.Signals | null, text: string): void {
    const { asked, ready } = this;
    if (signal !== null ? signal === asked : asked === 'SIGTERM' && code === 0) return;
    // A start that fails ends with exit code 1 and says why: the service manager tries again.
    if (!ready && code === 1 && /code: (DB_|MQTT_)/.test(text) && !/unexpected error/.test(text)) {
      this.failedStarts++;
      return;
    }
    const how = signal ?? `exit code ${code}`;
    this.options.onViolation(`the daemon ended by itself: ${how}`, text.slice(-2000));
  }
}
