import { join } from 'node:path';
import { filterOf } from '../session.ts';
import { PEER_TABLE, PEER_TABLE_SQL, type Peer, type PeerPlace } from './peer.ts';

const BATCH = 1000;
const PERIOD = '100ms';

/** Benthos, or one of the two that go on from it, with its components mqtt and sql_insert. */
export const benthos: Peer = {
  name: 'Benthos',
  executables: ['benthos', 'redpanda-connect', 'bento'],
  versionArgs: ['--version'],
  settings: `clean_session false, qos 1, batches of ${BATCH} or ${PERIOD}: acknowledged after the commit, repeats are stored`,
  setup: (place) => ({
    files: { 'benthos.yaml': configuration(place) },
    args: ['-c', join(place.folder, 'benthos.yaml')],
    table: PEER_TABLE,
    sql: PEER_TABLE_SQL,
  }),
};

/** Its driver insists on TLS unless the URL says otherwise; fieldwatch and Telegraf do not. */
function dsnOf(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  if (!url.searchParams.has('sslmode')) url.searchParams.set('sslmode', 'disable');
  return url.href;
}

/** JSON is YAML. */
function configuration({ databaseUrl, broker, clientId }: PeerPlace): string {
  const { username, password } = broker;
  return JSON.stringify({
    http: { enabled: false },
    logger: { level: 'WARN' },
    input: {
      mqtt: {
        urls: [broker.url.replace(/^mqtt:/, 'tcp:')],
        topics: [filterOf(broker)],
        client_id: clientId,
        qos: 1,
        clean_session: false,
        ...(username === undefined ? {} : { user: username, password }),
      },
    },
    output: {
      sql_insert: {
        driver: 'postgres',
        dsn: dsnOf(databaseUrl),
        table: PEER_TABLE,
        columns: ['time', 'topic', 'temperature', 'humidity', 'battery'],
        args_mapping:
          'root = [(this.ts / 1000).ts_format("2006-01-02T15:04:05.000Z07:00", "UTC"), metadata("mqtt_topic"), this.temperature, this.humidity, this.battery]',
        batching: { count: BATCH, period: PERIOD },
      },
    },
  });
}
