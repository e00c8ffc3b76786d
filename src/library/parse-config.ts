import { loadConfig } from '../config/load.ts';
import { checkArgument } from './arguments.ts';
import type { DaemonConfig } from './daemon-types.ts';

/**
 * The configuration of a daemon from the text of its file: pure. What it names of files is not read, and the environment is not
 * looked at; `startDaemon` given the text itself does both.
 *
 * @throws ConfigError with every fault, each with its line and column
 *
 * @example
 * ```ts
 * import { parseConfig } from 'fieldwatch';
 *
 * const config = parseConfig('routes: [{ topic: "plant/{device}", codec: json }]');
 * console.log(config.routes); // [ { topic: 'plant/{device}', codec: 'json' } ]
 * ```
 */
export function parseConfig(yaml: string): DaemonConfig {
  checkArgument('parseConfig', 'yaml', yaml, 'yaml');
  const { config } = loadConfig({ text: yaml, env: {}, readFile: refuseFile, hostname: 'localhost' });
  return config as unknown as DaemonConfig;
}

const refuseFile = (path: string): never => {
  throw Object.assign(new Error(`${path} is not read: parseConfig reads no files`), { code: 'EACCES' });
};
