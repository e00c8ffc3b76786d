/** What the rest of the house uses of the configuration. */
export { ConfigError, formatFault, type ConfigFault } from './fault.ts';
export { loadConfig, type LoadedConfig, type LoadOptions } from './load.ts';
export { configSchema, type Config } from './schema/index.ts';
