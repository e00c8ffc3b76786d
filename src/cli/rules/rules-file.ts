import { resolve } from 'node:path';
import { loadConfig } from '../../config/load.ts';
import type { AlertsConfig } from '../../core/alert/rules/config.ts';

/** The rules of a file alone, whatever else the configuration says. Throws with the place of every fault. */
export function loadRulesFile(file: string): AlertsConfig {
  return loadConfig({ text: '', file, env: {}, overrides: { alerts_file: resolve(file) } }).config.alerts;
}
