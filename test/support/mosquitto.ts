import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { endChild, hasEnded } from './child-process.ts';
import { freePort } from './free-port.ts';
import { spawnMosquitto, writeMosquittoConfig } from './mosquitto-process.ts';

const run = promisify(execFile);

export interface MosquittoOptions {
  /** Lines for the configuration file, after the listener's own. */
  readonly config?: readonly string[];
  /** user -> password; with it anonymous clients are refused. */
  readonly users?: Readonly<Record<string, string>>;
  /** Keeps sessions and queues over a restart. */
  readonly persistence?: boolean;
  /** Files to write next to the configuration; `$DIR` in `config` is their folder. */
  readonly files?: Readonly<Record<string, string>>;
}

/** A real mosquitto on a free loopback port, in a folder of its own. Debian keeps the binary in /usr/sbin. */
export class Mosquitto {
  readonly port: number;
  readonly dir: string;
  readonly #log: string[] = [];
  #process: ChildProcess | undefined;

  private constructor(port: number, dir: string) {
    this.port = port;
    this.dir = dir;
  }

  static async start(options: MosquittoOptions = {}): Promise<Mosquitto> {
    const dir = await mkdtemp(join(tmpdir(), 'fieldwatch-mosquitto-'));
    const broker = new Mosquitto(await freePort(), dir);
    for (const [name, text] of Object.entries(options.files ?? {})) await writeFile(join(dir, name), text);
    await writeMosquittoConfig(dir, await broker.#configuration(options));
    await broker.launch();
    return broker;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  get log(): string {
    return this.#log.join('');
  }

  /** Starts the process again, on the same port and folder. */
  async launch(): Promise<void> {
    const onLog = (text: string) => void this.#log.push(text);
    const { child, running } = spawnMosquitto({ dir: this.dir, onLog, verbose: true });
    this.#process = child;
    await running;
  }

  /** SIGKILL loses what was not saved; SIGTERM saves; SIGUSR1 saves now and goes on. */
  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const child = this.#process;
    if (child === undefined || hasEnded(child)) return;
    child.kill('SIGCONT');
    await endChild(child, signal);
    this.#log.length = 0;
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGUSR1' | 'SIGHUP'): void {
    this.#process?.kill(signal);
  }

  /** Resolves once the broker's log matches, or holds a text so many times: `-v` logs every packet. */
  async logged(pattern: RegExp | string, times = 1): Promise<void> {
    const isThere = () =>
      typeof pattern === 'string' ? this.count(pattern) >= times : pattern.test(this.log);
    while (!isThere()) {
      const stderr = this.#process?.stderr;
      if (stderr === null || stderr === undefined) throw new Error('mosquitto is not running');
      await once(stderr, 'data');
    }
  }

  /** How often a text is in the log. */
  count(text: string): number {
    return this.log.split(text).length - 1;
  }

  async stop(): Promise<void> {
    await this.kill('SIGKILL');
    await rm(this.dir, { recursive: true, force: true });
  }

  async #configuration(options: MosquittoOptions): Promise<readonly string[]> {
    const lines = ['log_type all'];
    if (options.persistence === true) {
      lines.push('persistence true', `persistence_location ${this.dir}/`, 'autosave_interval 1');
      lines.push('autosave_on_changes true');
    }
    if (options.users === undefined) lines.push('allow_anonymous true');
    else lines.push('allow_anonymous false', `password_file ${await this.#passwords(options.users)}`);
    lines.push(...(options.config ?? []).map((line) => line.replaceAll('$DIR', this.dir)));
    // A listener's own settings (TLS) follow it, so `config` may bring its own listener line.
    const own = lines.findIndex((line) => line.startsWith('listener '));
    const listener = `listener ${this.port} 127.0.0.1`;
    if (own === -1) lines.push(listener);
    else lines[own] = listener;
    return lines;
  }

  async #passwords(users: Readonly<Record<string, string>>): Promise<string> {
    const file = join(this.dir, 'passwords');
    await writeFile(file, '', { mode: 0o600 });
    for (const [user, password] of Object.entries(users)) {
      await run('mosquitto_passwd', ['-b', file, user, password]);
    }
    return file;
  }
}
