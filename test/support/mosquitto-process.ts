import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SERVER_PATH } from './child-process.ts';

export interface MosquittoStart {
  /** Holds `mosquitto.conf`. */
  readonly dir: string;
  readonly onLog: (text: string) => void;
  readonly verbose?: boolean;
  /** Ctrl-C reaches a terminal's whole process group: a detached one ends when it is stopped, after its clients. */
  readonly detached?: boolean;
}

const START_MS = 20_000;
const LOG_CHARACTERS = 4000;

/** Writes the configuration. As root mosquitto would drop to a user who can neither read nor write in `dir`. */
export async function writeMosquittoConfig(dir: string, lines: readonly string[]): Promise<void> {
  const user = process.getuid?.() === 0 ? ['user root'] : [];
  const text = ['per_listener_settings false', ...user, ...lines].join('\n');
  await writeFile(join(dir, 'mosquitto.conf'), `${text}\n`);
}

export interface MosquittoProcess {
  readonly child: ChildProcess;
  /** Resolves once it accepts connections; rejects when it ends before, or does not within twenty seconds. */
  readonly running: Promise<void>;
}

export function spawnMosquitto(start: MosquittoStart): MosquittoProcess {
  const { dir, onLog, verbose = false, detached = false } = start;
  const child = spawn('mosquitto', ['-c', join(dir, 'mosquitto.conf'), ...(verbose ? ['-v'] : [])], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, PATH: SERVER_PATH },
    detached,
  });
  let log = '';
  let isRunning = false;
  const running = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => failed(new Error(`mosquitto does not start: ${log}`)), START_MS);
    const failed = (error: Error) => {
      clearTimeout(timer);
      reject(error);
    };
    child.once('error', (cause) => failed(new Error('mosquitto cannot be run: is it installed?', { cause })));
    child.once('exit', () => failed(new Error(`mosquitto did not start: ${log}`)));
    child.stderr.on('data', (chunk: Buffer) => {
      const text = chunk.toString();
      onLog(text);
      if (isRunning) return;
      log = (log + text).slice(-LOG_CHARACTERS);
      if (!/version \S+ running/.test(log)) return;
      isRunning = true;
      clearTimeout(timer);
      resolve();
    });
  });
  return { child, running };
}
