import { pino, destination, stdTimeFunctions, type DestinationStream } from 'pino';
import type { LogFields, Logger } from '../ports.ts';

export interface LoggerOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** Where lines go; standard error by default. */
  readonly destination?: DestinationStream;
}

/** Names that must never carry their value into a log, at the top level or one below. */
const SECRETS = ['password', 'authorization', 'token', 'secret'].flatMap((name) => [name, `*.${name}`]);

/** JSON lines by pino. Written synchronously: the lines before a crash are the ones that matter. */
export function createLogger(options: LoggerOptions): Logger {
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS, censor: '***' },
    },
    options.destination ?? destination({ fd: 2, sync: true }),
  );
}

/** For commands that report to a person and need no log. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: (_bindings: LogFields) => silentLogger,
};
