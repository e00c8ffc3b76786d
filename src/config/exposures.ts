import { readDatabaseUrl } from '../core/database-url.ts';
import { isLoopback } from '../core/loopback.ts';
import type { Config } from './schema/index.ts';

/** A connection in clear text, or a port that is open to the network. */
export interface Exposure {
  readonly area: 'database' | 'broker' | 'daemon';
  /** Subject of the diagnosis; absent: encryption. */
  readonly subject?: string;
  readonly detail: string;
  readonly remedy: string;
}

/** Connections to other machines without TLS, and ports that other machines reach without a password. */
export function exposuresOf({ database, mqtt, http, embedded }: Config): readonly Exposure[] {
  const found: Exposure[] = [];
  for (const key of ['url', 'read_url'] as const) {
    const url = database[key];
    if (url === undefined || !isClearDatabase(url, database.tls.ca_file)) continue;
    found.push({
      area: 'database',
      detail: `database.${key} leads to another machine without TLS: readings cross the network in clear text`,
      remedy: `add ?sslmode=verify-full to database.${key}, and database.tls.ca_file for an authority of your own`,
    });
  }
  const hasPassword = mqtt.password !== undefined || mqtt.password_file !== undefined;
  if (mqtt.url !== undefined && hasPassword && isClearBroker(mqtt.url))
    found.push({
      area: 'broker',
      detail: 'mqtt.url leads to another machine without TLS: the password crosses the network in clear text',
      remedy: 'use mqtts:// (or wss://) and the port that the broker has for it',
    });
  if (http.enabled && !isHere(http.host))
    found.push({
      area: 'daemon',
      subject: 'http.host',
      detail: `http.host is ${http.host}: health and metrics, with names of sinks and routes, are open to every client that reaches this machine`,
      remedy: 'set http.host: 127.0.0.1, or let a firewall or a proxy with a password stand before it',
    });
  const encrypted = http.tls.cert_file !== undefined || http.trusted_proxies.length > 0;
  if (http.enabled && http.api && !isHere(http.host) && !encrypted)
    found.push({
      area: 'daemon',
      subject: 'http.tls',
      detail: `http.host is ${http.host} without TLS: tokens and sessions of the page cross the network in clear text`,
      remedy:
        'set http.tls.cert_file and http.tls.key_file, or put a proxy with TLS before it and name it in http.trusted_proxies',
    });
  if (mqtt.url === undefined && !isHere(embedded.mqtt_host))
    found.push({
      area: 'broker',
      subject: 'embedded.mqtt_host',
      detail: `embedded.mqtt_host is ${embedded.mqtt_host}: every client that reaches this machine may publish, for the embedded broker asks for no password`,
      remedy: 'set embedded.mqtt_host: 127.0.0.1, or use a broker with passwords and TLS (mqtt.url)',
    });
  return found;
}

function isClearDatabase(text: string, caFile: string | undefined): boolean {
  const url = readDatabaseUrl(text);
  if ('fault' in url) return false;
  const { sslMode, sslRootCert } = url;
  const encrypted = sslMode === undefined ? (caFile ?? sslRootCert) !== undefined : sslMode !== 'disable';
  return !encrypted && url.hosts.some(({ host }) => host !== undefined && !isHere(host));
}

function isClearBroker(text: string): boolean {
  const { protocol, hostname } = new URL(text);
  return (protocol === 'mqtt:' || protocol === 'ws:') && !isHere(hostname.replace(/^\[|\]$/g, ''));
}

/** Loopback, or the folder of a unix socket. */
const isHere = (host: string): boolean => host.startsWith('/') || isLoopback(host);
