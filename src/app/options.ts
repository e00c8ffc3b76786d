import { join } from 'node:path';
import type { MqttSourceOptions } from '../adapters/mqtt/options.ts';
import { createFileSubscriptionMemory } from '../adapters/mqtt/subscription-memory.ts';
import type { DatabaseOptions } from '../adapters/timescale/connection/connection.ts';
import type { MetricNameLimits } from '../adapters/timescale/ingest/metric-ids.ts';
import type { MetricKind } from '../adapters/timescale/ingest/metric-kinds.ts';
import { globMatches } from '../core/glob.ts';
import type { StoreOptions } from '../adapters/timescale/ingest/reading-store.ts';
import type { DeclaredSensor } from '../adapters/timescale/ingest/sensor-store.ts';
import type { Config } from '../config/schema/index.ts';
import { LEASE_MS } from '../core/alert/cluster/shard.ts';
import { countKey } from '../core/alert/rules/config.ts';
import { secretNow } from '../lib/secret-file.ts';
import type { IngestOptions } from '../services/ingest/ingest.ts';
import type { RegistryOptions } from '../services/ingest/sensor-registry.ts';

/** How many messages make a batch worth writing at once, where the broker sets no limit of its own. */
const EMBEDDED_WINDOW = 2000;

// Maps the configuration to the options of each component: the only place that knows both.

/** How to connect; `url` is the configured one, or that of the embedded database. */
export function connectOptions({ database }: Config, url: string, purpose?: string): DatabaseOptions {
  const name = database.application_name;
  return {
    url,
    applicationName: purpose === undefined ? name : `${name} ${purpose}`,
    schema: database.schema,
    connectTimeoutMs: database.connect_timeout,
    tls: {
      caFile: database.tls.ca_file,
      certFile: database.tls.cert_file,
      keyFile: database.tls.key_file,
    },
    // Read again for each connection: a rotated secret needs no restart. The embedded database has a password of its own.
    ...(database.url === undefined || database.password === undefined
      ? {}
      : { password: () => secretNow(database.password, database.password_file) ?? '' }),
  };
}

/** As `connectOptions`, with the configured limits of a statement. */
export function databaseOptions(config: Config, url: string, purpose?: string): DatabaseOptions {
  const { statement_timeout: statementTimeoutMs, lock_timeout: lockTimeoutMs } = config.database;
  return { ...connectOptions(config, url, purpose), statementTimeoutMs, lockTimeoutMs };
}

/** As `databaseOptions`, for the batch writer. A daemon that freezes must not block the others of its group. */
export function storeOptions(config: Config, url: string, purpose: string): StoreOptions {
  const deadLetterMaxBytes = config.dead_letters.max_payload;
  const options = { ...databaseOptions(config, url, purpose), deadLetterMaxBytes };
  return config.mqtt.share_group === undefined ? options : { ...options, idleInTransactionMs: LEASE_MS / 2 };
}

/** Metric kind of a name, by the patterns of the configuration. */
export const kindsOf =
  ({ counters, wraps_at: wrapsAt }: Config['metrics']) =>
  (name: string): MetricKind =>
    counters.some((pattern) => globMatches(pattern, name))
      ? {
          kind: 'counter',
          wrapsAt: Object.entries(wrapsAt).find(([pattern]) => globMatches(pattern, name))?.[1] ?? null,
        }
      : { kind: 'gauge', wrapsAt: null };

export function metricNameLimits({ metrics }: Config): MetricNameLimits {
  const { allow, max, max_new_per_sensor: maxNewPerSensor } = metrics;
  return { allow, max, maxNewPerSensor, kindOf: kindsOf(metrics) };
}

/** The broker that a command uses: the configured one, or that of the daemon that runs here. */
export function brokerUrl({ mqtt, embedded }: Config): string {
  const host = embedded.mqtt_host === '0.0.0.0' ? '127.0.0.1' : embedded.mqtt_host;
  return mqtt.url ?? `mqtt://${host}:${embedded.mqtt_port}`;
}

export function mqttOptions(config: Config, url: string, filters: readonly string[]): MqttSourceOptions {
  const { mqtt } = config;
  return {
    urls: [url],
    clientId: mqtt.client_id,
    ...protocolOf(mqtt),
    credentials: async () => ({
      username: mqtt.username,
      password: secretNow(mqtt.password, mqtt.password_file),
    }),
    tls: {
      caFile: mqtt.tls.ca_file,
      certFile: mqtt.tls.cert_file,
      keyFile: mqtt.tls.key_file,
      servername: mqtt.tls.servername,
      rejectUnauthorized: mqtt.tls.reject_unauthorized,
    },
    keepaliveS: Math.max(1, Math.round(mqtt.keepalive / 1000)),
    connectTimeoutMs: mqtt.connect_timeout,
    sessionExpiryS: Math.round(mqtt.session_expiry / 1000),
    receiveMaximum: mqtt.receive_maximum,
    maximumPacketSize: mqtt.max_packet_size,
    filters: sharedFilters(config, filters),
    followsSession: mqtt.share_group !== undefined,
    maxSubscribeFilters: mqtt.max_subscribe_filters,
    statusTopic: mqtt.status_topic ?? undefined,
    reconnect: { baseMs: mqtt.reconnect.min, capMs: mqtt.reconnect.max },
    // The embedded broker discards its sessions when it stops: there is nothing to remember.
    memory:
      mqtt.url === undefined
        ? undefined
        : createFileSubscriptionMemory(join(config.state_dir, 'subscriptions.json')),
  };
}

/** The embedded broker speaks MQTT 3.1.1 only, with no in-flight limit that matters. */
function protocolOf(mqtt: Config['mqtt']): Pick<MqttSourceOptions, 'protocolVersion' | 'assumedWindow'> {
  if (mqtt.url === undefined) return { protocolVersion: 4, assumedWindow: EMBEDDED_WINDOW };
  return { protocolVersion: mqtt.protocol === '5.0' ? 5 : 4 };
}

/** The filters as they are subscribed: in the share group, if one is configured. */
export function sharedFilters(config: Config, filters: readonly string[]): readonly string[] {
  const group = config.mqtt.share_group;
  return group === undefined ? filters : filters.map((filter) => `$share/${group}/${filter}`);
}

/** A batch goes into the spool whole: one that never fits would block all that follow. */
const SPOOL_SHARE = 1 / 4;

export function ingestOptions({ ingest, mqtt, spool }: Config): IngestOptions {
  const { batch, window } = ingest;
  const maxBytes = Math.min(batch.max_bytes, spool.enabled ? spool.max_bytes * SPOOL_SHARE : Infinity);
  return {
    batch: { maxRows: batch.max_rows, maxBytes, lingerMs: batch.linger },
    window: { maxRows: window.max_rows, maxBytes: window.max_bytes, maxMessages: mqtt.receive_maximum },
  };
}

export function registryOptions({ sensors }: Config): RegistryOptions {
  return {
    registration: sensors.registration,
    allow: sensors.allow,
    maxNewPerMinute: sensors.max_new_per_minute,
    max: sensors.max,
  };
}

/** Sensors of the configuration, and one for each count, which carries its alert. */
export function declaredSensors({ sensors, alerts }: Config): readonly DeclaredSensor[] {
  return [
    ...Object.entries(sensors.declare).map(([key, facts]) => ({ key, ...facts })),
    ...alerts.counts.map(({ name }) => ({ key: countKey(name), name, type: 'count' })),
  ];
}
