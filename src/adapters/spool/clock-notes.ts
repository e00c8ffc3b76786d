import { readFile } from 'node:fs/promises';
import { messageOf } from '../../core/errors.ts';
import type { ClockEra, ClockSpan } from '../../core/ingest/clock-era.ts';
import { writeAtomically } from '../../lib/durable-files.ts';
import type { Logger } from '../../ports/metrics.ts';
import type { ClockNotes, ClockRecord } from '../../ports/spool.ts';
import { spoolError } from './open-level.ts';

export const clockNotesPath = (folder: string): string => `${folder}.clocks`;

/** Notes on the clocks, in a file beside the folder of the spool. */
export function createClockNotes(folder: string, logger: Logger): ClockNotes {
  const path = clockNotesPath(folder);
  return {
    read: () => readNotes(path, logger),
    write: (notes) =>
      writeAtomically(path, JSON.stringify(notes)).catch((error: unknown) => {
        throw spoolError(error, folder);
      }),
  };
}

async function readNotes(path: string, logger: Logger): Promise<ClockRecord> {
  try {
    const found: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (!isRecord(found)) throw new Error('not what was written');
    return found;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      logger.error(
        { path, error: messageOf(error) },
        'spool: clock notes unreadable, times stamped under a wrong clock stay uncorrected',
      );
    return { eras: [] };
  }
}

function isRecord(found: unknown): found is ClockRecord {
  const { eras, confirmedMs } = (found ?? {}) as Partial<ClockRecord>;
  return Array.isArray(eras) && eras.every(isEra) && isNumber(confirmedMs, true);
}

function isEra(found: unknown): found is ClockEra {
  const { id, baseMs, spans, notBeforeMs, settledAtMs } = (found ?? {}) as Partial<ClockEra>;
  const isSpan = (span: Partial<ClockSpan> | null) =>
    isNumber(span?.fromUs) && isNumber(span?.behindUs) && isNumber(span?.untilUs, true);
  const numbers = isNumber(baseMs) && isNumber(notBeforeMs) && isNumber(settledAtMs, true);
  return typeof id === 'string' && numbers && Array.isArray(spans) && spans.length > 0 && spans.every(isSpan);
}

const isNumber = (found: unknown, isOptional = false): boolean =>
  Number.isFinite(found) || (isOptional && found === undefined);
