import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CleanupStack } from '../src/lib/cleanup-stack.ts';
import { SERVER_PATH, endChild } from '../test/support/child-process.ts';
import { freePort } from '../test/support/free-port.ts';
import { spawnMosquitto, writeMosquittoConfig } from '../test/support/mosquitto-process.ts';

export interface BenchBroker {
  /** Without credentials: they are apart, as the configuration wants them. */
  readonly url: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Before every topic: nothing of ours must look like a reading to others on a shared broker. */
  readonly topicRoot: string;
  readonly version: string;
  /** Process of a broker of the bench's own. */
  readonly pid?: number | undefined;
}

/** There is no broker to measure with; the other parts can still run. */
export class NoBroker extends Error {}

export async function openBenchBroker(
  given: string | undefined,
  cleanup: CleanupStack,
): Promise<BenchBroker> {
  if (given !== undefined) return shared(given);
  const version = await mosquittoVersion();
  const port = await freePort();
  const dir = await mkdtemp(join(tmpdir(), 'fieldwatch-bench-mosquitto-'));
  cleanup.add('broker folder', () => rm(dir, { recursive: true, force: true }));
  await writeMosquittoConfig(dir, configuration(port));
  const { child, running } = spawnMosquitto({ dir, onLog: () => undefined, detached: true });
  cleanup.add('mosquitto', () => endChild(child));
  await running;
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
const configuration = (port: number): readonly string[] => [
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

async function mosquittoVersion(): Promise<string> {
  return new Promise((resolve, reject) => {
    // -h prints the version and exits with an error code; only a missing program is a failure.
    execFile('mosquitto', ['-h'], { env: { ...process.env, PATH: SERVER_PATH } }, (error, stdout) => {
      const found = /mosquitto version (\S+)/.exec(stdout)?.[1];
      if (found !== undefined) resolve(`mosquitto ${found}`);
      else if (error?.code === 'ENOENT') {
        const where = 'mosquitto was not found on PATH or in /usr/sbin';
        reject(new NoBroker(`${where}; install it (Debian: apt install mosquitto) or give --mqtt-url`));
      } else resolve('mosquitto');
    });
  });
}
