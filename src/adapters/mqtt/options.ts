import type { BackoffLimits } from '../../lib/backoff.ts';
import type { SubscriptionMemory } from './subscription-memory.ts';

/** mosquitto's `max_inflight_messages`, which no MQTT 3.1.1 client can query. */
export const MQTT4_WINDOW = 20;

/** Everything the MQTT source needs to know. What operators set has its default in the configuration schema. */
export interface MqttSourceOptions {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`, tried one after the other. Credentials do not belong in a URL. */
  readonly urls: readonly string[];
  /** Fixed: it names the persistent session, so two daemons must not share it. */
  readonly clientId: string;
  readonly protocolVersion: 4 | 5;
  /** A function is called before every connection, so that rotated secrets are picked up. */
  readonly credentials?: MqttCredentials | (() => Promise<MqttCredentials>) | undefined;
  readonly tls?: MqttTlsOptions | undefined;
  readonly keepaliveS: number;
  /** TCP, TLS and CONNACK together. */
  readonly connectTimeoutMs: number;
  /** MQTT 5: how long the broker keeps session and queue while we are away. MQTT 3.1.1 sessions have no expiry. */
  readonly sessionExpiryS: number;
  /**
   * MQTT 5: how many unacknowledged messages the broker may send. With MQTT 3.1.1 the broker alone decides
   * (mosquitto: `max_inflight_messages`), and `assumedWindow` says what to expect. A burst of this many messages and
   * of the broker's queue (mosquitto: 1,000) survives while nothing is committed; throughput hardly depends on it.
   * Not a hard bound: mosquitto 2.0 sends a whole window per PUBACK while it drains a queue. `pause` is the bound.
   */
  readonly receiveMaximum: number;
  /** MQTT 3.1.1: the broker's in-flight limit, `MQTT4_WINDOW` unless given. */
  readonly assumedWindow?: number | undefined;
  /** MQTT 5: the broker drops larger messages instead of sending them. */
  readonly maximumPacketSize?: number | undefined;
  /** Topic filters of one SUBSCRIBE packet; fewer where the broker accepts fewer (AWS IoT Core: 8). */
  readonly maxSubscribeFilters: number;
  /** Topic filters, verbatim; a shared one starts with `$share/<group>/`. */
  readonly filters: readonly string[];
  /** In a share group: whether everything that the broker keeps for the session is read is asked again and again. */
  readonly followsSession?: boolean | undefined;
  /**
   * MQTT 5 Retain Handling (3.8.3.1): 0 sends the retained messages at every subscribe, that is at every reconnect;
   * 1 (the default) only for a subscription that the session does not have yet; 2 never.
   */
  readonly retainHandling?: 0 | 1 | 2 | undefined;
  /** Where `online` and `offline` are retained; undefined for none. */
  readonly statusTopic?: string | undefined;
  /** A connection that outlives `capMs` counts as a success: the next wait starts from `baseMs` again. */
  readonly reconnect: BackoffLimits;
  /** Which filters the persistent session may still hold; undefined forgets them at exit. */
  readonly memory?: SubscriptionMemory | undefined;
}

export interface MqttCredentials {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** File paths, read again for every connection: a rotated certificate needs no restart. */
export interface MqttTlsOptions {
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly servername?: string | undefined;
  readonly rejectUnauthorized?: boolean | undefined;
}

/** The topic where a daemon publishes whether it is online. A client id may hold characters that a topic must not. */
export function defaultStatusTopic(clientId: string): string {
  return `fieldwatch/${clientId.replace(/[+#/\0]/g, '_')}/status`;
}
