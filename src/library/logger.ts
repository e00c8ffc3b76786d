import type { LogFields, Logger } from '../ports/metrics.ts';
import type { MonitorLogger } from './monitor-types.ts';

/** A logger of the program, which need not have children. */
export function loggerOf(target: MonitorLogger, bindings: LogFields = {}): Logger {
  return {
    debug: (fields, message) => target.debug({ ...bindings, ...fields }, message),
    info: (fields, message) => target.info({ ...bindings, ...fields }, message),
    warn: (fields, message) => target.warn({ ...bindings, ...fields }, message),
    error: (fields, message) => target.error({ ...bindings, ...fields }, message),
    child: (more) => loggerOf(target, { ...bindings, ...more }),
  };
}
