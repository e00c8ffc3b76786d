import { join } from 'node:path';
import { filterOf } from '../session.ts';
import { PEER_TABLE, PEER_TABLE_SQL, type Peer, type PeerPlace } from './peer.ts';

/** At least so many messages may be on their way to the database, or its batches are never full. */
const UNDELIVERED = 20_000;
const BATCH = 10_000;

/** Telegraf with its plugins mqtt_consumer and postgresql. */
export const telegraf: Peer = {
  name: 'Telegraf',
  executables: ['telegraf'],
  versionArgs: ['version'],
  settings: `persistent session, qos 1, max_undelivered_messages ${UNDELIVERED}, metric_batch_size ${BATCH}, flush_interval 1s: acknowledged after the commit, repeats are stored`,
  setup: (place) => ({
    files: { 'telegraf.conf': configuration(place) },
    args: ['--config', join(place.folder, 'telegraf.conf')],
    table: PEER_TABLE,
    sql: PEER_TABLE_SQL,
  }),
};

/** A string of JSON is one of TOML. */
const quoted = (text: string) => JSON.stringify(text);

function configuration({ databaseUrl, broker, clientId }: PeerPlace): string {
  const { username, password } = broker;
  return `[agent]
  interval = "1s"
  flush_interval = "1s"
  metric_batch_size = ${BATCH}
  metric_buffer_limit = ${50 * BATCH}
  omit_hostname = true
  quiet = true
[[inputs.mqtt_consumer]]
  servers = [${quoted(broker.url.replace(/^mqtt:/, 'tcp:'))}]
  ${username === undefined ? '' : `username = ${quoted(username)}`}
  ${password === undefined ? '' : `password = ${quoted(password)}`}
  topics = [${quoted(filterOf(broker))}]
  topic_tag = "topic"
  client_id = ${quoted(clientId)}
  qos = 1
  persistent_session = true
  max_undelivered_messages = ${UNDELIVERED}
  name_override = "${PEER_TABLE}"
  data_format = "json"
  json_time_key = "ts"
  json_time_format = "unix_ms"
[[outputs.postgresql]]
  connection = ${quoted(databaseUrl)}
`;
}
