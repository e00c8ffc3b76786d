import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type WriteStream, createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../test/support/free-port.ts';

/** Debian keeps the binary where only root's PATH leads. */
const SEARCH_PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin`;
const START_MS = 20_000;

/**
 * A real mosquitto with persistence. SIGTERM makes it save; it is never killed: mosquitto sends a PUBACK before it saves,
 * so even with `autosave_on_changes` and `autosave_interval 1` nearly every SIGKILL loses a message that its publisher
 * takes for safe. No subscriber can get that one back.
 */
export class Broker {
  readonly port: number;
  private readonly dir: string;
  private readonly log: WriteStream;
  private child: ChildProcess | undefined;

  private constructor(port: number, dir: string) {
    this.port = port;
    this.dir = dir;
    this.log = createWriteStream(join(dir, 'mosquitto.log'), { flags: 'a' });
  }

  static async start(dir: string): Promise<Broker> {
    await mkdir(dir, { recursive: true });
    const broker = new Broker(await freePort(), dir);
    await writeFile(join(dir, 'mosquitto.conf'), configuration(broker.port, dir));
    await broker.launch();
    return broker;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  async launch(): Promise<void> {
    const child = spawn('mosquitto', ['-c', join(this.dir, 'mosquitto.conf')], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, PATH: SEARCH_PATH },
      // Ctrl-C reaches a terminal's whole process group; this one ends when we say so, after its clients.
      detached: true,
    });
    this.child = child;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('mosquitto does not start')), START_MS);
      child.once('error', (cause) =>
        reject(new Error('mosquitto cannot be run: is it installed?', { cause })),
      );
      child.once('exit', () => reject(new Error(`mosquitto did not start: see ${this.dir}/mosquitto.log`)));
      let text = '';
      child.stderr.on('data', (chunk: Buffer) => {
        this.log.write(chunk);
        if (text.length < 100_000) text += chunk.toString();
        if (!/version \S+ running/.test(text)) return;
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** SIGTERM: it saves sessions and queues. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const { child } = this;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }

  async close(): Promise<void> {
    await this.stop('SIGKILL');
    this.log.end();
  }
}

function configuration(port: number, dir: string): string {
  const lines = [
    'per_listener_settings false',
    'log_dest stderr',
    'log_type error',
    'log_type warning',
    'log_type notice',
    'log_type information',
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence true',
    `persistence_location ${dir}/`,
    'autosave_interval 0',
    'max_queued_messages 0',
    'max_inflight_messages 0',
  ];
  // As root mosquitto would drop to a user who cannot write here.
  if (process.getuid?.() === 0) lines.push('user root');
  return `${lines.join('\n')}\n`;
}
