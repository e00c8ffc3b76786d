import type { LogFields, Logger } from '../../src/ports/metrics.ts';
import { misnamedFields } from './log-fields.ts';

export interface LogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: LogFields;
}

/** Prints nothing, keeps everything and refuses fields that are not `snake_case`; children write into their parent's list with their bindings added. */
export class QuietLogger implements Logger {
  readonly entries: LogEntry[];
  readonly #bindings: LogFields;

  constructor(entries: LogEntry[] = [], bindings: LogFields = {}) {
    this.entries = entries;
    this.#bindings = bindings;
  }

  debug(fields: LogFields, message: string): void {
    this.#add('debug', fields, message);
  }

  info(fields: LogFields, message: string): void {
    this.#add('info', fields, message);
  }

  warn(fields: LogFields, message: string): void {
    this.#add('warn', fields, message);
  }

  error(fields: LogFields, message: string): void {
    this.#add('error', fields, message);
  }

  child(bindings: LogFields): QuietLogger {
    return new QuietLogger(this.entries, { ...this.#bindings, ...bindings });
  }

  /** Entries of one level, or those whose message contains a text. */
  find(wanted: LogEntry['level'] | RegExp): LogEntry[] {
    return this.entries.filter((entry) =>
      typeof wanted === 'string' ? entry.level === wanted : wanted.test(entry.message),
    );
  }

  #add(level: LogEntry['level'], fields: LogFields, message: string): void {
    const all = { ...this.#bindings, ...fields };
    const misnamed = misnamedFields(all);
    if (misnamed.length > 0)
      throw new Error(`fields of "${message}" are not snake_case: ${misnamed.join(', ')}`);
    this.entries.push({ level, message, fields: all });
  }
}
