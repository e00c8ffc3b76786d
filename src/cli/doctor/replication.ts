import { silentLogger } from '../../adapters/log/logger.ts';
import { createSystemClock } from '../../adapters/system/clock.ts';
import { createPool, endPool, readerOf } from '../../adapters/timescale/connection/pool.ts';
import { databaseOptions } from '../../app/options.ts';
import type { Config } from '../../config/schema/index.ts';
import { readDatabaseUrl } from '../../core/database-url.ts';
import { FieldwatchError, messageOf } from '../../core/errors.ts';
import { type ReplicationRow, readReplication } from '../../queries/status.ts';
import { type Diagnosis, areaOf } from './report.ts';

const database = areaOf('database');
/** Beyond this lag the output of a read command is out of date. */
const DELAY_WARNING_S = 60;

/** Whether a failover to another of the hosts can lose what was acknowledged. `url` is `database.url`. */
export function checkFailover(url: string, { synchronous }: ReplicationRow): readonly Diagnosis[] {
  const read = readDatabaseUrl(url);
  if ('fault' in read || read.hosts.length < 2) return [];
  if (synchronous) return [database.ok('failover', 'commits wait for a standby (synchronous_standby_names)')];
  return [
    database.note(
      'failover',
      'replication is asynchronous: a failover loses what the standby does not have yet; synchronous_standby_names has commits wait for it',
    ),
  ];
}

/** The server of `database.read_url`: whether it answers, and how far it is behind. */
export function checkReadServer({ standby, delayS }: ReplicationRow): Diagnosis {
  if (!standby) return database.ok('read_url', 'answers; it is no standby');
  if (delayS === null) return database.ok('read_url', 'a standby that has replayed nothing since its start');
  const detail = `a standby, ${delayS.toFixed(1)} s behind the last commit it knows of`;
  if (delayS <= DELAY_WARNING_S) return database.ok('read_url', detail);
  return database.warning({
    subject: 'read_url',
    detail,
    remedy: 'on the primary look at pg_stat_replication: the standby is slow, or no longer connected',
  });
}

export async function readServerChecks(config: Config): Promise<readonly Diagnosis[]> {
  const url = config.database.read_url;
  if (url === undefined) return [];
  const options = { ...databaseOptions(config, url, 'doctor'), readsOnly: true };
  const pool = await createPool({ ...options, max: 1 }, silentLogger);
  try {
    return [checkReadServer(await readReplication(readerOf(pool)))];
  } catch (error) {
    const remedy =
      (error instanceof FieldwatchError ? error.remedy : undefined) ??
      'commands that only read fail until it answers: correct database.read_url, or remove it';
    return [database.fault({ subject: 'read_url', detail: messageOf(error), remedy })];
  } finally {
    await endPool(pool, createSystemClock());
  }
}
