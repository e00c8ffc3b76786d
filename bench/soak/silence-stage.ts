import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import pg from 'pg';
import { HttpServer } from '../../test/support/http-server.ts';
import { TcpProxy } from '../../test/support/tcp-proxy.ts';
import { openBenchBroker } from '../broker.ts';
import { Child } from '../children.ts';
import { openBenchDatabase } from '../database.ts';
import type { Look, SoakJob, SoakReport } from './jobs.ts';
import { type SoakDeps, plain } from './stage.ts';

const START_MS = 120_000;
const LOOK_MS = 60_000;
const PUBLISHED_AT_ONCE = 500;

/** Rows of the database. */
export interface Standing {
  readonly rows: number;
  readonly open: number;
  readonly resolved: number;
  /** Lines and notifications that are still to be recorded or sent. */
  readonly waiting: number;
}

/** Registered sensors that send nothing, a daemon that misses them, and a webhook that is notified. */
export class SilenceStage {
  readonly link: TcpProxy;
  readonly hook: HttpServer;
  readonly pool: pg.Pool;
  readonly #deps: SoakDeps;
  readonly #config: string;
  readonly #brokerUrl: string;
  #daemon: Child<SoakJob, SoakReport> | undefined;

  private constructor(
    deps: SoakDeps,
    parts: { link: TcpProxy; hook: HttpServer; pool: pg.Pool; config: string; brokerUrl: string },
  ) {
    this.#deps = deps;
    this.link = parts.link;
    this.hook = parts.hook;
    this.pool = parts.pool;
    this.#config = parts.config;
    this.#brokerUrl = parts.brokerUrl;
  }

  static async set(deps: SoakDeps): Promise<SilenceStage> {
    const { options, cleanup, progress } = deps;
    progress(`starting broker, database and sink; ${options.sensors} sensors`);
    const database = await openBenchDatabase(options.databaseUrl, cleanup);
    const pool = new pg.Pool({ connectionString: database.url, max: 1 });
    pool.on('error', () => undefined);
    cleanup.add('pool', () => pool.end());
    await pool.query(`INSERT INTO sensors (key) SELECT 's' || i FROM generate_series(1, $1::int) i`, [
      options.sensors,
    ]);
    const broker = await openBenchBroker(undefined, cleanup);
    const url = new URL(broker.url);
    const link = await TcpProxy.start(Number(url.port), url.hostname);
    cleanup.add('broker link', () => link.close());
    const hook = await HttpServer.start();
    cleanup.add('sink', () => hook.stop());
    const stateDir = await mkdtemp(join(tmpdir(), 'fieldwatch-soak-'));
    cleanup.add('state folder', () => rm(stateDir, { recursive: true, force: true }));
    const config = JSON.stringify({
      ...plain({ ...broker, url: `mqtt://127.0.0.1:${link.port}` }, database.url, stateDir),
      alerts: { metrics: { temperature: { no_data_after: `${options.seconds}s` } } },
      notify: [{ name: 'ops', kind: 'webhook', url: hook.url }],
    });
    return new SilenceStage(deps, { link, hook, pool, config, brokerUrl: broker.url });
  }

  /** Resolves once it is subscribed; how long that took. */
  async start(): Promise<number> {
    const startedMs = performance.now();
    this.#daemon = new Child<SoakJob, SoakReport>('soak/daemon', this.#deps.cleanup);
    await this.#daemon.ask({ kind: 'start', config: this.#config }, START_MS);
    return performance.now() - startedMs;
  }

  async kill(): Promise<void> {
    await this.#daemon?.kill();
  }

  async look(phase: number): Promise<Look> {
    const daemon = this.#daemon;
    if (daemon === undefined) throw new Error('no daemon');
    return (await daemon.ask({ kind: 'look', phase }, LOOK_MS)) as Look;
  }

  async stop(): Promise<void> {
    await this.#daemon?.ask({ kind: 'stop' }, START_MS);
    await this.#daemon?.end();
  }

  async standing(): Promise<Standing> {
    const { rows } = await this.pool.query<Standing>(
      `SELECT count(*)::int AS rows, count(resolved_at)::int AS resolved,
         (count(*) - count(resolved_at))::int AS open,
         (SELECT count(*) FROM alert_outbox WHERE sent_at IS NULL)::int
           + (SELECT count(*) FROM alert_deliveries WHERE done_at IS NULL)::int AS waiting FROM sensor_alerts`,
    );
    return rows[0] ?? { rows: 0, open: 0, resolved: 0, waiting: 0 };
  }

  /** Each of them sends a reading, past the link. */
  async publishAll(): Promise<void> {
    const client = await mqtt.connectAsync(this.#brokerUrl, { protocolVersion: 5 });
    const { sensors } = this.#deps.options;
    for (let from = 1; from <= sensors; from += PUBLISHED_AT_ONCE) {
      const many = Array.from({ length: Math.min(PUBLISHED_AT_ONCE, sensors - from + 1) }, (_, i) =>
        client.publishAsync(`sensors/lab/s${from + i}/readings`, '{"temperature":20}', { qos: 1 }),
      );
      await Promise.all(many);
    }
    await client.endAsync();
  }

  /** Calls to the sink, and the alerts in them. */
  delivered(status: 'firing' | 'resolved'): { readonly calls: number; readonly alerts: number } {
    const bodies = this.hook.bodies as { status: string; alerts: unknown[]; truncatedAlerts: number }[];
    const own = bodies.filter((body) => body.status === status);
    const alerts = own.reduce((sum, body) => sum + body.alerts.length + body.truncatedAlerts, 0);
    return { calls: own.length, alerts };
  }
}
