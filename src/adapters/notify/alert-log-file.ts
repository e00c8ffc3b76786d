import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { FieldwatchError, messageOf } from '../../core/errors.ts';
import { Outage } from '../../lib/outage.ts';
import { makeFolder } from '../../lib/make-folder.ts';
import type { AlertLineKey, AlertLog, NotificationKey } from '../../ports/alerts.ts';
import type { Counter, Logger, Metrics } from '../../ports/metrics.ts';
import { findLogged, findUnpersisted } from './alert-log-tail.ts';

/** No disk that is full or away, but a path that never works. */
const UNUSABLE = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'EISDIR',
  'ENOTDIR',
  'EEXIST',
  'ENOENT',
  'ELOOP',
  'ENAMETOOLONG',
]);

const LOG_MODE = 0o640;

/** As 'a+', but a named pipe without a reader, or with one that has stopped, fails instead of stopping the daemon. */
const APPEND = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

/**
 * The alert log's own file: appended synchronously, one write per line, so that a line is whole or absent and `tail`
 * sees it at once. A disk that is full or gone never stops the ingest: the line is in the main log, the failure is
 * counted, and logged when it begins. `reopen` follows a rotation (logrotate moves the file, SIGHUP).
 */
export class AlertLogFile implements AlertLog {
  private readonly path: string;
  private readonly logger: Logger;
  private readonly failures: Counter;
  private descriptor: number | undefined;
  private readonly outage = new Outage();

  constructor(path: string, deps: { readonly logger: Logger; readonly metrics: Metrics }) {
    this.path = path;
    this.logger = deps.logger;
    this.failures = deps.metrics.counter(
      'fieldwatch_alert_log_failures_total',
      'Alert lines that could not be written to the alert log',
    );
  }

  /** Checks at the start whether the file can be written: a fault that the operator has to fix is refused there. */
  prepare(): void {
    try {
      this.descriptor ??= this.open();
    } catch (error) {
      if (!UNUSABLE.has((error as NodeJS.ErrnoException).code ?? '')) return this.failed(error);
      throw new FieldwatchError(`log.alert_log: cannot write ${this.path}: ${messageOf(error)}`, {
        code: 'ALERT_LOG_UNWRITABLE',
        kind: 'config',
        cause: error,
        remedy: 'Give the user of the daemon the right to write there, or set log.alert_log to another file.',
      });
    }
  }

  write(line: string): void {
    try {
      this.descriptor ??= this.open();
      writeSync(this.descriptor, `${line}\n`);
      this.outage.recovered();
    } catch (error) {
      this.failed(error);
    }
  }

  /** Which of these were written before the last process ended. */
  holds(keys: readonly NotificationKey[]): ReadonlySet<string> {
    return findLogged(this.path, keys);
  }

  /** Written in an outage, and perhaps never committed. */
  unpersisted(): readonly AlertLineKey[] {
    return findUnpersisted(this.path);
  }

  /** The next line goes to a file of that name, whatever became of the old one. */
  reopen(): void {
    this.close();
  }

  close(): void {
    const { descriptor } = this;
    this.descriptor = undefined;
    if (descriptor === undefined) return;
    try {
      closeSync(descriptor);
    } catch (error) {
      this.failed(error);
    }
  }

  private open(): number {
    makeFolder(dirname(this.path), 0o750);
    const isNew = !existsSync(this.path);
    const descriptor = openSync(this.path, APPEND, LOG_MODE);
    // Log shippers read it by their group; the daemon's umask keeps everything else to itself.
    if (isNew) fchmodSync(descriptor, LOG_MODE);
    endLine(descriptor);
    return descriptor;
  }

  private failed(error: unknown): void {
    this.failures.inc();
    // Opened anew for the next line: the old descriptor may be what is broken.
    const { descriptor } = this;
    this.descriptor = undefined;
    if (descriptor !== undefined) closeQuietly(descriptor);
    if (!this.outage.failed(error)) return;
    this.logger.error(
      { path: this.path, error: messageOf(error) },
      'cannot write the alert log; its lines are in the main log',
    );
  }
}

function closeQuietly(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch {
    // It was the failure that led here.
  }
}

/** A line that a full disk cut off would swallow the next one. */
function endLine(descriptor: number): void {
  const { size } = fstatSync(descriptor);
  const last = Buffer.alloc(1);
  if (size > 0 && readSync(descriptor, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a)
    writeSync(descriptor, '\n');
}
