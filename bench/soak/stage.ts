import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CleanupStack } from '../../src/lib/cleanup-stack.ts';
import { queryOnce } from '../../test/support/pg-client.ts';
import { TcpProxy } from '../../test/support/tcp-proxy.ts';
import { type BenchBroker, openBenchBroker } from '../broker.ts';
import { Child } from '../children.ts';
import { daemonConfigText } from '../daemon-config.ts';
import { openBenchDatabase } from '../database.ts';
import type { PublishJob, PublishReport } from '../jobs.ts';
import type { Look, SoakJob, SoakReport } from './jobs.ts';
import type { SoakOptions } from './options.ts';

const START_MS = 60_000;
const LOOK_MS = 30_000;

export interface SoakDeps {
  readonly options: SoakOptions;
  readonly cleanup: CleanupStack;
  readonly signal: AbortSignal;
  readonly progress: (text: string) => void;
}

/** All that runs: broker, database, the link between daemon and database, the daemon. */
export interface SoakStage {
  readonly broker: BenchBroker;
  readonly link: TcpProxy;
  /** The daemon's figures, of a phase that may begin with this. */
  look(phase: number): Promise<Look>;
  /** Messages at the rate of the run; resolves when the broker has them all. */
  publish(seconds: number): Promise<PublishReport>;
  /** Readings in the database, asked for past the link. */
  stored(untilMs?: number): Promise<number>;
  stopDaemon(): Promise<void>;
}

/** A breach is above this; the readings of the load are far below. */
export const LIMIT = 60;

export async function setStage({ options, cleanup, progress }: SoakDeps): Promise<SoakStage> {
  progress('starting broker, database and daemon');
  const database = await openBenchDatabase(options.databaseUrl, cleanup);
  const broker = await openBenchBroker(undefined, cleanup);
  const stateDir = await mkdtemp(join(tmpdir(), 'fieldwatch-soak-'));
  cleanup.add('state folder', () => rm(stateDir, { recursive: true, force: true }));
  const url = new URL(database.url);
  const link = await TcpProxy.start(Number(url.port || 5432), url.hostname);
  cleanup.add('database link', () => link.close());
  url.host = `127.0.0.1:${link.port}`;
  const daemon = new Child<SoakJob, SoakReport>('soak/daemon', cleanup);
  const config = {
    ...plain(broker, url.href, stateDir),
    alerts: {
      metrics: { temperature: { max: LIMIT } },
      allowed_lateness: `${options.lateness}s`,
    },
  };
  await daemon.ask({ kind: 'start', config: JSON.stringify(config) }, START_MS);
  let seed = 0;
  const alerting = { sensors: options.alerting, limit: LIMIT };
  return {
    broker,
    link,
    look: async (phase) => (await daemon.ask({ kind: 'look', phase }, LOOK_MS)) as Look,
    publish: async (seconds) => {
      const publisher = new Child<PublishJob, PublishReport>('latency-publisher', cleanup);
      const job = {
        broker,
        ratePerSecond: options.rate,
        messages: options.rate * seconds,
        seed: ++seed,
        alerting,
      };
      const report = await publisher.ask(job, (seconds + 120) * 1000);
      await publisher.end();
      return report;
    },
    stored: (untilMs = Infinity) => count(database.url, untilMs),
    stopDaemon: async () => {
      await daemon.ask({ kind: 'stop' }, START_MS);
      await daemon.end();
    },
  };
}

/** As the bench has it, without its rules. */
export function plain(broker: BenchBroker, databaseUrl: string, stateDir: string): object {
  const text = daemonConfigText({ broker, databaseUrl, stateDir, clientId: 'fieldwatch-soak' });
  return { ...(JSON.parse(text) as object), alerts_file: undefined };
}

async function count(url: string, untilMs: number): Promise<number> {
  const [row] = await queryOnce<{ n: number }>(
    url,
    "SELECT count(*)::int AS n FROM sensor_readings WHERE time <= coalesce(to_timestamp($1), 'infinity')",
    [Number.isFinite(untilMs) ? untilMs / 1000 : null],
  );
  return row?.n ?? 0;
}
