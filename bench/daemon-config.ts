import { join } from 'node:path';
import { loadConfig, type Config } from '../src/config/index.ts';
import { packageRoot } from '../src/package-root.ts';
import type { BenchBroker } from './broker.ts';

export interface DaemonPlace {
  readonly databaseUrl: string;
  readonly broker: BenchBroker;
  readonly clientId: string;
  readonly stateDir: string;
}

/**
 * The daemon as it comes: every default, and the alert rules of config/alerts.yaml. Only what would act on its own in the
 * middle of a measurement is off: the scheduler and the HTTP endpoints.
 */
export function daemonConfigText({ databaseUrl, broker, clientId, stateDir }: DaemonPlace): string {
  const { url, username, password, topicRoot } = broker;
  return JSON.stringify({
    mqtt: { url, client_id: clientId, session_expiry: '1h', username, password },
    database: { url: databaseUrl, migrate_at_start: false },
    routes: [{ topic: `${topicRoot}sensors/{location}/{device}/readings`, codec: 'json' }],
    alerts_file: join(packageRoot(), 'config/alerts.yaml'),
    scheduler: { enabled: false },
    http: { enabled: false },
    log: { level: 'warn', format: 'json' },
    state_dir: stateDir,
  });
}

/** JSON is YAML; the environment of whoever runs the bench stays out of it. */
export function daemonConfig(text: string): Config {
  return loadConfig({ text, file: 'bench.yaml', env: {} }).config;
}
