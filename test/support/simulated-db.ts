import { rm } from 'node:fs/promises';
import { embeddedUrl, readPassword } from '../../src/embedded/password.ts';
import { copyTemplate } from './embedded-db.ts';
import { openHostedEngine } from './hosted-engine.ts';

/** An embedded server whose clock the test moves: policies run through weeks in a minute. */
export interface SimulatedDatabase {
  readonly url: string;
  /** Advances the clock of all further statements. */
  advance(ms: number): Promise<void>;
  nowMs(): number;
  close(): Promise<void>;
}

export async function openSimulatedDatabase(): Promise<SimulatedDatabase> {
  const dataDir = await copyTemplate({ migrated: true });
  const engine = await openHostedEngine(dataDir);
  let aheadMs = 0;
  return {
    url: embeddedUrl('127.0.0.1', engine.port, readPassword(dataDir)),
    nowMs: () => Date.now() + aheadMs,
    advance: async (ms) => engine.moveClock((aheadMs += ms)),
    async close() {
      try {
        await engine.close();
      } finally {
        await rm(dataDir, { recursive: true, force: true, maxRetries: 10 });
      }
    },
  };
}
