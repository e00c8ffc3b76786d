import pg from 'pg';
import { Daemon } from './daemon.ts';
import { openTestDatabase, type TestDatabase } from './embedded-db.ts';
import { Mosquitto, type MosquittoOptions } from './mosquitto.ts';

/** A broker and a database for daemons that the tests start, and a connection to look at what they stored. */
export interface Deployment {
  readonly broker: Mosquitto;
  readonly database: TestDatabase;
  /** A daemon in a process of its own, prepared but not started; removed with the deployment. */
  daemon(config: string): Promise<Daemon>;
  rows<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Rows in that time, and how many different numbers (`seq`) they carry. */
  numbered(fromMs: number, toMs: number): Promise<{ rows: number; ids: number }>;
  close(): Promise<void>;
}

const NUMBERED = `
  SELECT (SELECT count(*) FROM sensor_readings WHERE time >= $1 AND time < $2)::int AS rows,
         (SELECT count(DISTINCT m.value) FROM sensor_metrics m JOIN metrics n ON n.id = m.metric_id
           WHERE n.name = 'seq' AND m.time >= $1 AND m.time < $2)::int AS ids`;

export async function openDeployment(broker: MosquittoOptions = {}): Promise<Deployment> {
  const database = await openTestDatabase({ migrated: true });
  const mosquitto = await Mosquitto.start({ config: ['max_queued_messages 0'], ...broker });
  // A pool of one, so that an idle connection which breaks is replaced.
  const pool = new pg.Pool({ connectionString: database.url, max: 1 });
  pool.on('error', () => undefined);
  const daemons: Daemon[] = [];
  const rows = async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
    (await pool.query<Row>(text, values)).rows;
  return {
    broker: mosquitto,
    database,
    rows,
    daemon: async (config) => {
      const daemon = await Daemon.prepare(config);
      daemons.push(daemon);
      return daemon;
    },
    numbered: async (fromMs, toMs) => {
      const [counts] = await rows<{ rows: number; ids: number }>(NUMBERED, [
        new Date(fromMs),
        new Date(toMs),
      ]);
      return counts ?? { rows: 0, ids: 0 };
    },
    close: async () => {
      await Promise.all(daemons.map((daemon) => daemon.remove()));
      await pool.end();
      await mosquitto.stop();
      await database.close();
    },
  };
}
