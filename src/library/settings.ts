import { ConfigError } from '../config/fault.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema/index.ts';
import { FieldwatchError } from '../core/errors.ts';
import { NO_GROUP } from '../services/alert/cluster/program-handover.ts';
import type { DatabaseServer, EmbeddedDatabase, MonitorOptions } from './monitor-types.ts';
import type { AlertRule, AlertRules } from './rules.ts';

type Tree = Record<string, unknown>;

/** A program registers its sensors itself: the limit is against floods of invented names. */
const MAX_NEW_PER_MINUTE = 1_000_000;

/** Throws what `openMonitor` documents, with every fault. */
export function monitorConfig(options: MonitorOptions): Config {
  const { settings = {}, alerts } = options;
  const tree: Tree = {
    ...settings,
    ...databaseSections(options, settings),
    ...(alerts === undefined ? {} : { alerts }),
    sensors: { max_new_per_minute: MAX_NEW_PER_MINUTE, ...sectionOf(settings, 'sensors') },
  };
  const { config } = loadConfig({ text: configText(tree), file: 'openMonitor', env: {} });
  // Programs share the sensors in the group without a name, which no configuration can name.
  return { ...config, mqtt: { ...config.mqtt, share_group: NO_GROUP, client_id: nameOf(options) } };
}

export const nameOf = ({ name = 'program' }: Pick<MonitorOptions, 'name'>): string => name;

function databaseSections({ database, name }: MonitorOptions, settings: Readonly<Tree>): Tree {
  const section = { ...sectionOf(settings, 'database'), application_name: nameOf({ ...(name && { name }) }) };
  if (typeof database !== 'string' && 'embedded' in database)
    return { database: section, embedded: embeddedSection(database) };
  const server: DatabaseServer = typeof database === 'string' ? { url: database } : database;
  const { url, password, passwordFile, schema } = server;
  const given = { url, password, password_file: passwordFile, schema };
  return {
    database: {
      ...section,
      ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    },
  };
}

const embeddedSection = ({ embedded, port }: EmbeddedDatabase): Tree => ({
  data_dir: embedded,
  ...(port === undefined ? {} : { database_port: port }),
});

const sectionOf = (settings: Readonly<Tree>, name: string): Tree => {
  const section = settings[name];
  return typeof section === 'object' && section !== null ? (section as Tree) : {};
};

/** JSON would write NaN and Infinity as null, which removes a limit: as text they are faults of their keys. */
const configText = (tree: unknown): string =>
  JSON.stringify(tree, (_, value: unknown) =>
    (typeof value === 'number' && !Number.isFinite(value)) || typeof value === 'bigint'
      ? String(value)
      : value,
  );

/** The `alerts` section with its defaults. Throws RULES_INVALID with every fault. */
export function alertsOf(rules: AlertRules): Config['alerts'] {
  try {
    return loadConfig({ text: configText({ alerts: rules }), file: 'alerts', env: {} }).config.alerts;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const faults = error.faults.map(({ path, message }) => `${path}: ${message}`).join('\n');
    throw new FieldwatchError(`the rules are not valid:\n${faults}`, {
      code: 'RULES_INVALID',
      kind: 'config',
      remedy: 'correct every line above; docs/alerts.md describes each key',
      cause: error,
    });
  }
}

/** The rules with those of one sensor in place of what was set for it before. */
export function withThresholds(
  rules: AlertRules,
  sensor: string,
  metrics: Readonly<Record<string, AlertRule>>,
): AlertRules {
  const others = (rules.overrides ?? []).filter((override) => override.sensor !== sensor);
  const own = Object.keys(metrics).length === 0 ? [] : [{ sensor, metrics }];
  return { ...rules, overrides: [...others, ...own] };
}
