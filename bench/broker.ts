import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CleanupStack } from '../src/lib/cleanup-stack.ts';
import { freePort } from '../test/support/free-port.ts';

export interface BenchBroker {
  /** Without credentials: they are apart, as the configuration wants them. */
  readonly url: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Before every topic: nothing of ours must look like a reading to others on a shared broker. */
  readonly topicRoot: string;
  readonly version: string;
  /** Of a broker of the bench's own. */
  readonly pid?: number | undefined;
}

/** There is no broker to measure with; the other parts can still run. */
export class NoBroker extends Error {}

/** Debian keeps the binary where only root's PATH leads. */
const SEARCH_PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin`;
const START_MS = 10_000;

export async function openBenchBroker(
  given: string | undefined,
  cleanup: CleanupStack,
): Promise<BenchBroker> {
  if (given !== undefined) return shared(given);
  const version = await mosquittoVersion();
  const port = await freePort();
  const dir = await mkdtemp(join(tmpdir(), 'fieldwatch-bench-mosquitto-'));
  cleanup.add('broker folder', () => rm(dir, { recursive: true, force: true }));
  await writeFile(join(dir, 'mosquitto.conf'), configuration(port));
  const child = spawn('mosquitto', ['-c', join(dir, 'mosquitto.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, PATH: SEARCH_PATH },
    // Ctrl-C reaches a terminal's whole process group; this one ends when we say so, after its clients.
    detached: true,
  });
  cleanup.add('mosquitto', () => ended(child));
  await running(child);
  return {
    url: `mqtt://127.0.0.1:${port}`,
    username: undefined,
    password: undefined,
    topicRoot: '',
    version,
    pid: child.pid,
  };
}

function shared(given: string): BenchBroker {
  const url = new URL(given);
  const { username, password } = url;
  url.username = '';
  url.password = '';
  return {
    url: url.href,
    username: username === '' ? undefined : decodeURIComponent(username),
    password: password === '' ? undefined : decodeURIComponent(password),
    topicRoot: `fieldwatch-bench-${randomBytes(4).toString('hex')}/`,
    version: 'given by URL',
  };
}

/** No limit on what is queued or in flight, and nothing on disk: the broker must not be what is measured. */
function configuration(port: number): string {
  const lines = [
    'per_listener_settings false',
    'log_dest stderr',
    'log_type error',
    'log_type warning',
    'log_type information',
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence false',
    'max_queued_messages 0',
    'max_inflight_messages 0',
    'set_tcp_nodelay true',
  ];
  // As root mosquitto would drop to a user who cannot read this file.
  if (process.getuid?.() === 0) lines.push('user root');
  return `${lines.join('\n')}\n`;
}

async function mosquittoVersion(): Promise<string> {
  return new Promise((resolve, reject) => {
    // -h prints the version and exits with an error code; only a missing program is a failure.
    execFile('mosquitto', ['-h'], { env: { ...process.env, PATH: SEARCH_PATH } }, (error, stdout) => {
      const found = /mosquitto version (\S+)/.exec(stdout)?.[1];
      if (found !== undefined) resolve(`mosquitto ${found}`);
      else if (error?.code === 'ENOENT') {
        const where = 'mosquitto was not found on PATH or in /usr/sbin';
        reject(new NoBroker(`${where}; install it (Debian: apt install mosquitto) or give --mqtt-url`));
      } else resolve('mosquitto');
    });
  });
}

async function running(child: ChildProcess): Promise<void> {
  let log = '';
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`mosquitto does not start: ${log}`)), START_MS);
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`mosquitto did not start: ${log}`)));
    child.stderr?.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-4000);
      if (!/version \S+ running/.test(log)) return;
      clearTimeout(timer);
      resolve();
    });
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
