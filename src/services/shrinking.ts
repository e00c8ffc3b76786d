import { FieldwatchError } from '../core/errors.ts';

/** How an adapter says that the statement was too much for the server: rolled back, and in vain if sent again as it is. */
const TOO_BIG = 'DB_BATCH_TOO_BIG';

/** The SQLSTATE (or our code) of a batch that was too big; undefined of every other error. */
export function tooBig(error: unknown): string | undefined {
  if (!(error instanceof FieldwatchError) || error.code !== TOO_BIG) return undefined;
  const sqlstate = (error.cause as { readonly code?: unknown } | undefined)?.code;
  return typeof sqlstate === 'string' ? sqlstate : TOO_BIG;
}

/**
 * How many readings go into one transaction. All of a batch, until the database refuses it for its size: TimescaleDB
 * limits how many compressed rows one statement may decompress (SQLSTATE 53400), and rows that are filled in late reach
 * that limit. Then half of it, and half again, down to one row. The size that passed is kept for the rest of the batch;
 * the next batch may have twice as much, so that one late batch does not slow down all that follow.
 */
export class Shrinking {
  private most = Number.POSITIVE_INFINITY;

  /** A new batch begins. */
  begin(): void {
    this.most *= 2;
  }

  /** What the next transaction takes: `rows` itself if it may take all. */
  piece<T>(rows: T[]): T[] {
    return rows.length <= this.most ? rows : rows.slice(0, this.most);
  }

  /** So many rows were too many. False where nothing smaller is left to try. */
  shrink(rows: number): boolean {
    if (rows <= 1) return false;
    this.most = Math.ceil(rows / 2);
    return true;
  }
}
