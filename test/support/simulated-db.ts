import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { embeddedUrl, readPassword } from '../../src/embedded/password.ts';
import { copyTemplate } from './embedded-db.ts';

/** An embedded server whose clock the test moves: policies then live through weeks in a minute. */
export interface SimulatedDatabase {
  readonly url: string;
  /** Every statement from now on finds that time has passed. */
  advance(ms: number): Promise<void>;
  nowMs(): number;
  close(): Promise<void>;
}

export async function openSimulatedDatabase(): Promise<SimulatedDatabase> {
  const dataDir = await copyTemplate({ migrated: true });
  const child = fork(join(import.meta.dirname, 'simulated-timescale.js'), [dataDir, '127.0.0.1', '0'], {
    stdio: ['pipe', 'ignore', 'ignore', 'ipc'],
    execArgv: [],
  });
  const { port } = await message(child, 'ready');
  let aheadMs = 0;
  return {
    url: embeddedUrl('127.0.0.1', port!, readPassword(dataDir)),
    nowMs: () => Date.now() + aheadMs,
    async advance(ms) {
      aheadMs += ms;
      const moved = message(child, 'moved');
      child.stdin?.write(`${aheadMs}\n`);
      await moved;
    },
    async close() {
      const ended = once(child, 'exit');
      child.send('stop');
      await ended;
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function message(child: ChildProcess, type: string): Promise<{ readonly port?: number }> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error(`the simulated server ended before it said "${type}"`));
    child.once('exit', ended);
    const listen = (said: { readonly type?: string; readonly port?: number }) => {
      if (said.type !== type) return;
      child.off('message', listen);
      child.off('exit', ended);
      resolve(said);
    };
    child.on('message', listen);
  });
}
