import { type Logger as Pino, pino, stdSerializers, stdTimeFunctions } from 'pino';
import type { prettyFactory } from 'pino-pretty';
import { plainText, printableJson } from '../../core/printable.ts';
import { loadLibrary } from '../../lib/load-library.ts';
import type { LogFields, Logger } from '../../ports/metrics.ts';
import { LogTarget } from './log-target.ts';

export interface LoggerOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** `pretty` for a terminal, `json` for everything else. */
  readonly format: 'json' | 'pretty';
  /** The text of a line that `pretty` would spread over many, with its line feed; undefined: as any other. */
  readonly shortLine?: ((fields: LogFields) => string | undefined) | undefined;
  /** Once for each line that is lost because the target of the log does not accept it. */
  readonly onDrop?: () => void;
}

/** Names that must never carry their value into a log, at the top level or one below. */
const SECRETS = ['password', 'authorization', 'token', 'secret'].flatMap((name) => [name, `*.${name}`]);

/**
 * The fields of a logged error. pino appends the message of each cause to the message; a FieldwatchError contains it already,
 * and the stack names every cause.
 */
export const errorFields = (error: unknown): unknown =>
  error instanceof Error ? { ...stdSerializers.err(error), message: error.message } : error;

/** Logs to standard error, without ever waiting for its reader. */
export function createLogger({ level, format, shortLine, onDrop }: LoggerOptions): Logger {
  const shown = format === 'pretty' ? forPeople(shortLine) : printableJson;
  const gapLine = (dropped: number) =>
    shown(
      `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), dropped, msg: 'log lines dropped: the log target did not accept them' })}\n`,
    );
  const target = new LogTarget({ onDrop, gapLine });
  const root = pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: errorFields },
      redact: { paths: SECRETS, censor: '***' },
    },
    { write: (line: string) => target.write(shown(line)) },
  );
  return new FieldLogger(root, {});
}

/** Each name once in a line: pino appends fields to bindings, and its own names to both. */
class FieldLogger implements Logger {
  readonly #pino: Pino;
  readonly #bindings: LogFields;

  constructor(root: Pino, bindings: LogFields) {
    this.#pino = root;
    this.#bindings = bindings;
  }

  debug(fields: LogFields, message: string): void {
    if (this.#pino.isLevelEnabled('debug')) this.#pino.debug(this.#all(fields), message);
  }

  info(fields: LogFields, message: string): void {
    if (this.#pino.isLevelEnabled('info')) this.#pino.info(this.#all(fields), message);
  }

  warn(fields: LogFields, message: string): void {
    this.#pino.warn(this.#all(fields), message);
  }

  error(fields: LogFields, message: string): void {
    this.#pino.error(this.#all(fields), message);
  }

  child(bindings: LogFields): Logger {
    return new FieldLogger(this.#pino, { ...this.#bindings, ...bindings });
  }

  #all(fields: LogFields): LogFields {
    const { level, time, msg, ...rest } = { ...this.#bindings, ...fields };
    const renamed = { field_level: level, field_time: time, field_msg: msg };
    return level === undefined && time === undefined && msg === undefined ? rest : { ...rest, ...renamed };
  }
}

/** One readable entry; whatever came from the network stands in it as text, whichever terminal shows it. */
function forPeople(shortLine: LoggerOptions['shortLine']): (line: string) => string {
  const library = loadLibrary('pino-pretty') as { readonly prettyFactory: typeof prettyFactory };
  const pretty = library.prettyFactory({ translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' });
  return (line) => {
    const fields = JSON.parse(line) as LogFields;
    return shortLine?.(fields) ?? pretty(shownValue(fields));
  };
}

/** A stack keeps its lines; they are indented, so none of them passes for an entry. */
function shownValue(value: unknown, name = ''): unknown {
  if (typeof value === 'string')
    return name === 'stack' ? value.split('\n').map(plainText).join('\n') : plainText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => shownValue(item));
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [plainText(key), shownValue(item, key)]),
  );
}

/** For commands that print their report and need no log. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: (_bindings: LogFields) => silentLogger,
};
