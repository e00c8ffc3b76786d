import mqtt, { type IClientPublishOptions, type MqttClient } from 'mqtt';
import pg from 'pg';
import { Daemon } from './daemon.ts';
import { type TestDatabase, openTestDatabase } from './embedded-db.ts';
import { eventually } from './eventually.ts';
import { Mosquitto, type MosquittoOptions } from './mosquitto.ts';
import { type TcpProxy, proxyTo } from './tcp-proxy.ts';

/** Sections of a configuration, over what all daemons of the tests have. */
export type Settings = Readonly<Record<string, unknown>>;

/**
 * A broker and a database for daemons that the tests start, links to both that a test can break, a publisher, and a
 * connection to look at what was stored. The publisher and the connection do not go through the links.
 */
export interface Deployment {
  readonly broker: Mosquitto;
  readonly database: TestDatabase;
  readonly brokerLink: TcpProxy;
  readonly databaseLink: TcpProxy;
  readonly publisher: MqttClient;
  /** A daemon in a process of its own, prepared but not started; removed with the deployment. Text stands alone. */
  daemon(config: Settings | string): Promise<Daemon>;
  /** The same, started. */
  start(config: Settings | string): Promise<Daemon>;
  /** At QoS 1, by a sensor of the usual route. */
  publish(device: string, reading: object, options?: IClientPublishOptions): Promise<unknown>;
  rows<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Rows of what follows FROM. */
  count(from: string, values?: unknown[]): Promise<number>;
  /** Resolves once so many readings are stored. */
  stored(readings: number): Promise<void>;
  /** Rows in that time, and how many different numbers (`seq`) they carry. */
  numbered(fromMs: number, toMs: number): Promise<{ rows: number; ids: number }>;
  close(): Promise<void>;
}

const NUMBERED = `
  SELECT (SELECT count(*) FROM sensor_readings WHERE time >= $1 AND time < $2)::int AS rows,
         (SELECT count(DISTINCT m.value) FROM sensor_metrics m JOIN metrics n ON n.id = m.metric_id
           WHERE n.name = 'seq' AND m.time >= $1 AND m.time < $2)::int AS ids`;

const READINGS = { topic: 'sensors/{location}/{device}/readings', codec: 'json' };

export async function openDeployment(options: MosquittoOptions = {}): Promise<Deployment> {
  const release: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (let last = release.pop(); last !== undefined; last = release.pop()) await last();
  };
  const opened = async <T>(acquired: Promise<T>, end: (one: T) => unknown): Promise<T> => {
    const one = await acquired;
    release.push(() => end(one));
    return one;
  };
  try {
    return { ...(await open(options, opened)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Opened = <T>(acquired: Promise<T>, end: (one: T) => unknown) => Promise<T>;

async function open(options: MosquittoOptions, opened: Opened): Promise<Omit<Deployment, 'close'>> {
  const database = await opened(openTestDatabase({ migrated: true }), (one) => one.close());
  const broker = await opened(Mosquitto.start({ config: ['max_queued_messages 0'], ...options }), (one) =>
    one.stop(),
  );
  const links = {
    broker: await opened(proxyTo(broker.url), ({ proxy }) => proxy.close()),
    database: await opened(proxyTo(database.url), ({ proxy }) => proxy.close()),
  };
  const publisher = await opened(mqtt.connectAsync(broker.url, { protocolVersion: 5 }), (one) =>
    one.endAsync(true),
  );
  // It connects again to a broker that a test kills.
  publisher.on('error', () => undefined);
  const daemon = (config: Settings | string) =>
    opened(Daemon.prepare(typeof config === 'string' ? config : withUsual(config, links)), (one) =>
      one.remove(),
    );
  return {
    ...{ broker, database, publisher, daemon },
    ...{ brokerLink: links.broker.proxy, databaseLink: links.database.proxy },
    ...looking(await opened(poolOf(database.url), (one) => one.end())),
    start: async (config) => {
      const started = await daemon(config);
      await started.launch();
      return started;
    },
    publish: (device, reading, more) =>
      publisher.publishAsync(`sensors/lab/${device}/readings`, JSON.stringify(reading), { qos: 1, ...more }),
  };
}

/** JSON is YAML. */
function withUsual(
  { mqtt: broker, database, ...more }: Settings,
  links: { readonly broker: { url: string }; readonly database: { url: string } },
): string {
  return JSON.stringify({
    mqtt: { url: links.broker.url, ...(broker as object | undefined) },
    database: { url: links.database.url, ...(database as object | undefined) },
    routes: [READINGS],
    scheduler: { enabled: false },
    http: { enabled: false },
    ...more,
  });
}

/** A pool of one, so that an idle connection which breaks is replaced. */
async function poolOf(url: string): Promise<pg.Pool> {
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  pool.on('error', () => undefined);
  return pool;
}

function looking(pool: pg.Pool): Pick<Deployment, 'rows' | 'count' | 'stored' | 'numbered'> {
  const rows = async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
    (await pool.query<Row>(text, values)).rows;
  const count = async (from: string, values: unknown[] = []) =>
    (await rows<{ n: number }>(`SELECT count(*)::int AS n FROM ${from}`, values))[0]?.n ?? 0;
  return {
    rows,
    count,
    stored: (readings) =>
      eventually(
        `${readings} readings are stored`,
        async () => (await count('sensor_readings')) === readings,
      ),
    numbered: async (fromMs, toMs) => {
      const [counts] = await rows<{ rows: number; ids: number }>(NUMBERED, [
        new Date(fromMs),
        new Date(toMs),
      ]);
      return counts ?? { rows: 0, ids: 0 };
    },
  };
}
