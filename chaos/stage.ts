import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { CleanupStack } from '../src/lib/cleanup-stack.ts';
import { packageRoot } from '../src/lib/package-root.ts';
import { freePort } from '../test/support/free-port.ts';
import { TcpProxy } from '../test/support/tcp-proxy.ts';
import { Broker } from './broker.ts';
import { daemonConfig } from './daemon-config.ts';
import { Daemon } from './daemon.ts';
import { openDatabase } from './database.ts';
import type { Stage } from './fault/fault.ts';
import type { ChaosOptions } from './options.ts';
import { Scraper } from './scraper.ts';
import { openSpoolDisk } from './spool-disk.ts';

export interface StageOptions {
  readonly options: ChaosOptions;
  readonly dir: string;
  readonly signal: AbortSignal;
  readonly cleanup: CleanupStack;
  /** Asked when all is taken apart: the database stays. */
  readonly keeps: () => boolean;
  readonly onViolation: (what: string, evidence: string) => void;
}

/** Everything that runs, each with its release. */
export async function setStage(setup: StageOptions): Promise<{ stage: Stage; scraper: Scraper }> {
  const { options, dir, cleanup, onViolation, signal } = setup;
  const program = resolve(options.program ?? join(packageRoot(), 'dist/main.js'));
  if (!existsSync(program)) throw new Error(`${program} is not there: run npm run build`);
  const database = await openDatabase(options.databaseUrl, dir);
  cleanup.add('database', () => database.close(setup.keeps()));
  // The slowest step: after an interruption the others are not awaited.
  signal.throwIfAborted();
  const broker = await Broker.start(join(dir, 'mosquitto'));
  cleanup.add('broker', () => broker.close());
  const brokerLink = await TcpProxy.start(broker.port);
  cleanup.add('broker link', () => brokerLink.close());
  const url = new URL(database.url);
  const databaseLink = await TcpProxy.start(Number(url.port || 5432), url.hostname);
  cleanup.add('database link', () => databaseLink.close());
  url.hostname = '127.0.0.1';
  url.port = String(databaseLink.port);
  const httpPort = await freePort();
  const spoolDisk = await openSpoolDisk(join(dir, 'daemon', 'data', 'state', 'spool'));
  cleanup.add('spool disk', () => spoolDisk?.close());
  const daemon = await Daemon.start({
    ...{ program, dir: join(dir, 'daemon'), onViolation },
    config: daemonConfig({ brokerPort: brokerLink.port, databaseUrl: url.href, httpPort }),
  });
  cleanup.add('daemon', () => daemon.close('SIGKILL'));
  const scraper = new Scraper(httpPort, onViolation);
  cleanup.add('scraper', () => scraper.stop());
  scraper.start();
  return { stage: { daemon, broker, database, brokerLink, databaseLink, spoolDisk, signal }, scraper };
}
