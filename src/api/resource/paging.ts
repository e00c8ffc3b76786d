import { parseMoment } from '../../core/moment.ts';
import type * as z from '../../core/schema/zod.ts';
import type { TimeRange } from '../../queries/db.ts';
import { RequestFault } from '../problem.ts';

/** A cursor as text: where the page before ended. Opaque to clients. */
export const cursorText = (position: readonly unknown[]): string =>
  Buffer.from(JSON.stringify(position)).toString('base64url');

/** The position of a cursor; a fault of the request where it was not made here. */
export function readCursor<Position>(
  text: string | undefined,
  schema: z.ZodType<Position>,
): Position | undefined {
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
  } catch {
    throw fault('cursor', 'is no cursor of this list');
  }
}

/** One more than a page was asked for: whether there is a next one. */
export function pageOf<Row>(
  rows: readonly Row[],
  limit: number,
  position: (row: Row) => readonly unknown[],
): { readonly rows: readonly Row[]; readonly next: string | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { rows: shown, next: rows.length > limit && last !== undefined ? cursorText(position(last)) : null };
}

/** Clocks of devices run ahead now and then: "until now" takes them in. */
const AHEAD_MS = 3_600_000;
/** Range that timestamptz and a double hold exactly. */
const EARLIEST_MS = Date.UTC(1970, 0, 1);
const LATEST_MS = Date.UTC(2200, 0, 1);

/** A range as it is asked for; up to an hour from now without an end. */
export function rangeOf(
  query: { readonly from: string; readonly to?: string | undefined },
  nowMs: number,
  aheadMs = AHEAD_MS,
): TimeRange {
  const from = momentOf('from', query.from, nowMs);
  const to = query.to === undefined ? new Date(nowMs + aheadMs) : momentOf('to', query.to, nowMs);
  if (from >= to) throw fault('from', `${from.toISOString()} is not before ${to.toISOString()}`);
  return { from, to };
}

function momentOf(name: string, text: string, nowMs: number): Date {
  const time = parseMoment(text)?.(nowMs);
  if (time === undefined)
    throw fault(name, 'is no time; expected one such as 2026-01-31T12:00Z, or how long ago, such as 24h');
  const ms = Math.min(Math.max(time.getTime(), EARLIEST_MS), LATEST_MS);
  return Number.isNaN(ms) ? new Date(EARLIEST_MS) : new Date(ms);
}

const fault = (name: string, detail: string) => new RequestFault([{ pointer: `/query/${name}`, detail }]);
