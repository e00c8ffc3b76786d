import type { ChildProcess } from 'node:child_process';
import { type WriteStream, createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { endChild } from '../test/support/child-process.ts';
import { freePort } from '../test/support/free-port.ts';
import { spawnMosquitto, writeMosquittoConfig } from '../test/support/mosquitto-process.ts';

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
    await writeMosquittoConfig(dir, configuration(broker.port, dir));
    await broker.launch();
    return broker;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  async launch(): Promise<void> {
    const onLog = (text: string) => void this.log.write(text);
    const { child, running } = spawnMosquitto({ dir: this.dir, onLog, detached: true });
    this.child = child;
    await running;
  }

  /** SIGTERM: it saves sessions and queues. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    if (this.child !== undefined) await endChild(this.child, signal);
  }

  async close(): Promise<void> {
    await this.stop('SIGKILL');
    this.log.end();
  }
}

const configuration = (port: number, dir: string): readonly string[] => [
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
