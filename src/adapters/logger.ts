import { pino, destination, stdTimeFunctions, type DestinationStream } from 'pino';
import pretty from 'pino-pretty';
import type { LogFields, Logger } from '../ports.ts';

export interface LoggerOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** `pretty` for a person at a terminal, `json` for everything else. */
  readonly format: 'json' | 'pretty';
}

/** Names that must never carry their value into a log, at the top level or one below. */
const SECRETS = ['password', 'authorization', 'token', 'secret'].flatMap((name) => [name, `*.${name}`]);

const STDERR = 2;

/** Logs to standard error, written synchronously: the lines before a crash are the ones that matter. */
export function createLogger({ level, format }: LoggerOptions): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS, censor: '***' },
    },
    format === 'pretty' ? forPeople() : destination({ fd: STDERR, sync: true }),
  );
}

function forPeople(): DestinationStream {
  return pretty({ destination: STDERR, sync: true, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' });
}

/** For commands that report to a person and need no log. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: (_bindings: LogFields) => silentLogger,
};
