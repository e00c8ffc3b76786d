import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { basename, delimiter, isAbsolute, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { CleanupStack } from '../../src/lib/cleanup-stack.ts';
import { DEPLOYED_ENVIRONMENT } from '../deployed-environment.ts';
import { cleanEnvironment, endChild, hasEnded } from '../../test/support/child-process.ts';
import { peakMegabytes } from '../process-memory.ts';
import { cpuSecondsOf } from '../server-cpu.ts';
import type { Peer } from './peer.ts';

const STOP_MS = 30_000;
const ERROR_CHARACTERS = 2000;

export interface Installed {
  readonly peer: Peer;
  readonly executable: string;
  /** Its name, with its version where it states one. */
  readonly label: string;
}

/** Where the program is on PATH; undefined when it is not installed. */
export async function findPeer(peer: Peer, path = process.env['PATH'] ?? ''): Promise<Installed | undefined> {
  const places = peer.executables.flatMap((name) =>
    path.split(delimiter).map((folder) => resolve(folder, name)),
  );
  const executable = places.find(isExecutable);
  if (executable === undefined) return undefined;
  const { stdout, stderr } = await promisify(execFile)(executable, [...peer.versionArgs], { env: ENV });
  const version = /\d+\.\d+[\w.+-]*/.exec(stdout + stderr)?.[0];
  const [usual = ''] = peer.executables;
  const name = isAbsolute(usual) || basename(executable) === usual ? peer.name : basename(executable);
  return { peer, executable, label: version === undefined ? name : `${name} ${version}` };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** As in a user's shell, and what the unit sets for the daemon. */
const ENV = Object.fromEntries(
  Object.entries(cleanEnvironment(DEPLOYED_ENVIRONMENT)).filter(([name]) => !name.startsWith('TELEGRAF_')),
);

/** A peer that runs, seen from outside. */
export class Program {
  readonly #name: string;
  readonly #process: ChildProcess;
  #said = '';

  constructor({ peer, executable }: Installed, args: readonly string[], cleanup: CleanupStack) {
    this.#name = peer.name;
    this.#process = spawn(executable, [...args], { stdio: ['ignore', 'pipe', 'pipe'], env: ENV });
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.#said = (this.#said + chunk.toString()).slice(-ERROR_CHARACTERS);
      });
    cleanup.add(`${peer.name} process`, () => this.#kill());
  }

  /** User and system time since its start. */
  get cpuSeconds(): number {
    return cpuSecondsOf(this.#process.pid);
  }

  /** The most memory that it has had; NaN where that cannot be seen. */
  get peakMegabytes(): number {
    return peakMegabytes(this.#process.pid);
  }

  /** @throws with its last words, when it has ended by itself. */
  mustRun(): void {
    const { exitCode, signalCode } = this.#process;
    if (!hasEnded(this.#process)) return;
    throw new Error(`${this.#name} ended (${signalCode ?? exitCode}): ${this.#said.trim()}`);
  }

  /** Its last output, for an error. */
  get said(): string {
    return this.#said.trim();
  }

  /** Lets it write what it holds. */
  async stop(): Promise<void> {
    this.mustRun();
    this.#process.kill('SIGTERM');
    await Promise.race([once(this.#process, 'exit'), sleep(STOP_MS, undefined, { ref: false })]);
    await this.#kill();
  }

  async #kill(): Promise<void> {
    await endChild(this.#process);
  }
}
