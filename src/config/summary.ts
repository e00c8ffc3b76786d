import type { LoadedConfig } from './load.ts';
import { isPlainObject } from './walk.ts';

/** Counts of what a configuration declares: a quick check that it is the intended file. */
export interface ConfigSummary {
  readonly routes: number;
  /** Metrics with thresholds, in the alerts section and in its overrides. */
  readonly rules: number;
  /** Policies that are to be kept: compression, retention, refresh. */
  readonly policies: number;
  /** Declared sensors. */
  readonly sensors: number;
  readonly broker: 'embedded' | 'external';
  readonly database: 'embedded' | 'external';
}

export function summarize({ config, tree }: LoadedConfig): ConfigSummary {
  return {
    routes: config.routes.length,
    rules: countRules(tree.alerts),
    policies: countEnabled(config.policies),
    sensors: Object.keys(config.sensors.declare).length,
    broker: config.mqtt.url === undefined ? 'embedded' : 'external',
    database: config.database.url === undefined ? 'embedded' : 'external',
  };
}

function countRules(scope: unknown): number {
  if (!isPlainObject(scope)) return 0;
  const own = isPlainObject(scope.metrics) ? Object.keys(scope.metrics).length : 0;
  const overrides = Array.isArray(scope.overrides) ? (scope.overrides as readonly unknown[]) : [];
  return overrides.reduce<number>((sum, override) => sum + countRules(override), own);
}

function countEnabled(section: unknown): number {
  if (!isPlainObject(section)) return 0;
  const own = section.enabled === true ? 1 : 0;
  return Object.values(section).reduce<number>((sum, child) => sum + countEnabled(child), own);
}
