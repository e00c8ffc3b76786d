import { registerCodecLibraries } from './lib/load-library.ts';

// Formats that few routes have load their libraries with the first of these.
registerCodecLibraries();

export { ConfigError } from './config/fault.ts';
export type { ConfigFault } from './config/fault.ts';
export { FieldwatchError } from './core/errors.ts';
export type { ErrorDetail, ErrorKind } from './core/errors.ts';
export type * from './library/analyze-types.ts';
export { startDaemon } from './library/daemon.ts';
export type * from './library/daemon-types.ts';
export { decode, registerCodec } from './library/decode.ts';
export { evaluate } from './library/evaluate.ts';
export { openMonitor } from './library/monitor.ts';
export type * from './library/monitor-types.ts';
export type * from './library/pure-types.ts';
export type * from './library/rules.ts';
export type * from './library/pure-types.ts';
export { parseConfig } from './library/parse-config.ts';
