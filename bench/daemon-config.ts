import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { loadConfig } from '../src/config/load.ts';
import type { Config } from '../src/config/schema/index.ts';
import { packageRoot } from '../src/lib/package-root.ts';
import type { BenchBroker } from './broker.ts';

export interface DaemonPlace {
  readonly databaseUrl: string;
  readonly broker: BenchBroker;
  readonly clientId: string;
  readonly stateDir: string;
  /** Instead of the default. */
  readonly allowedLateness?: string | undefined;
  readonly shareGroup?: string | undefined;
  /** Absent: no HTTP. */
  readonly httpPort?: number | undefined;
}

/**
 * The daemon as it comes: every default, and the alert rules of config/alerts.yaml. Only what would act on its own in the
 * middle of a measurement is off: the scheduler and the HTTP endpoints.
 */
export function daemonConfigText(place: DaemonPlace): string {
  const { databaseUrl, broker, clientId, stateDir, allowedLateness, shareGroup, httpPort } = place;
  const { url, username, password, topicRoot } = broker;
  return JSON.stringify({
    mqtt: { url, client_id: clientId, session_expiry: '1h', username, password, share_group: shareGroup },
    database: { url: databaseUrl, migrate_at_start: false },
    routes: [{ topic: `${topicRoot}sensors/{location}/{device}/readings`, codec: 'json' }],
    ...(allowedLateness === undefined ? { alerts_file: RULES } : { alerts: rulesWith(allowedLateness) }),

    scheduler: { enabled: false },
    http: httpPort === undefined ? { enabled: false } : { port: httpPort },
    log: { level: 'warn', format: 'json' },
    state_dir: stateDir,
  });
}

const RULES = join(packageRoot(), 'config/alerts.yaml');

function rulesWith(allowedLateness: string): unknown {
  const { alerts } = parse(readFileSync(RULES, 'utf8')) as { readonly alerts: object };
  return { ...alerts, allowed_lateness: allowedLateness };
}

/** JSON is YAML; the environment of the bench is not passed on. */
export function daemonConfig(text: string): Config {
  return loadConfig({ text, file: 'bench.yaml', env: {} }).config;
}
