/** What the rest of the house uses of the configuration. */
export { ConfigError, formatFault, type ConfigFault } from './fault.ts';
export { exposuresOf } from './exposures.ts';
export { currentSecret, secretNow } from './files.ts';
export { loadConfig, type LoadedConfig, type LoadOptions } from './load.ts';
export { SEARCH_PATHS, type Located } from './locate.ts';
export { printConfig, usedFile, type PrintOptions } from './print.ts';
export { diffReloadable, RELOADABLE, type ReloadDiff, type ReloadableKey } from './reload.ts';
export { declaredFacts } from './schema/declared.ts';
export { configSchema, type Config } from './schema/index.ts';
export type { SinkConfig } from './schema/notify.ts';
export { summarize, type ConfigSummary } from './summary.ts';
export { warningsOf } from './warnings.ts';
export { supervisorOf, type SupervisorFacts } from './supervisor.ts';
