import type { BenchBroker } from '../broker.ts';

export interface PeerPlace {
  readonly databaseUrl: string;
  readonly broker: BenchBroker;
  /** Names a persistent session: what is published while the program is stopped waits in it. */
  readonly clientId: string;
  /** A folder for this run alone: `files` are written there. */
  readonly folder: string;
}

export interface PeerSetup {
  readonly files: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  /** Where its rows go. */
  readonly table: string;
  /** Statements before its first start, which may make the table. */
  readonly sql: readonly string[];
}

/** A program that stores MQTT messages in PostgreSQL, run and measured as a process. One file each. */
export interface Peer {
  readonly name: string;
  /** Names under which it may be installed. */
  readonly executables: readonly string[];
  readonly versionArgs: readonly string[];
  /** Basis of its figures: the settings that differ from its defaults, and what it promises with them. */
  readonly settings: string;
  setup(place: PeerPlace): PeerSetup;
}

export const PEER_TABLE = 'peer_readings';

/** A hypertable with a column for each value, and with TimescaleDB's own index alone: there is nothing to tell repeats by. */
export const PEER_TABLE_SQL: readonly string[] = [
  `DROP TABLE IF EXISTS ${PEER_TABLE}`,
  `CREATE TABLE ${PEER_TABLE} (time timestamptz NOT NULL, topic text, temperature float8, humidity float8, battery float8)`,
  `SELECT create_hypertable('${PEER_TABLE}', 'time', chunk_time_interval => INTERVAL '1 day')`,
];
