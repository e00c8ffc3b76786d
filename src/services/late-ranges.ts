import { clipped, merged, type Range } from '../core/policy/slices.ts';
import type { Micros } from '../core/reading.ts';
import type { ReadingStore, StorableReading } from '../ports.ts';

const HOUR_US = 3_600_000_000;
/** What is asked about and refreshed at once: it bounds the queries, whatever the span of a backfill. */
const WEEK_US = 7 * 24 * HOUR_US;
/** Beyond so many separate ranges they become one: what is in between and up to date costs no refresh. */
const MOST_RANGES = 500;

/** Hours that late readings touched, joined where they adjoin, bounded in number. */
export class LateRanges {
  private list: readonly Range[] = [];

  get all(): readonly Range[] {
    return this.list;
  }

  get hours(): number {
    return hoursOf(this.list);
  }

  add(ranges: readonly Range[]): void {
    const joined = merged([...this.list, ...ranges], HOUR_US);
    const [first, last] = [joined[0], joined.at(-1)];
    const tooMany = joined.length > MOST_RANGES && first !== undefined && last !== undefined;
    this.list = tooMany ? [{ from: first.from, until: last.until }] : joined;
  }

  /** Those of the oldest week that has any. */
  takeWeek(): readonly Range[] {
    const from = Math.floor((this.list[0]?.from ?? 0) / WEEK_US) * WEEK_US;
    const until = from + WEEK_US;
    const taken = clipped(this.list, [{ from, until }], HOUR_US);
    this.list = clipped(this.list, [{ from: until, until: Number.MAX_SAFE_INTEGER }], HOUR_US);
    return taken;
  }
}

export const hoursOf = (ranges: readonly Range[]): number =>
  ranges.reduce((sum, { from, until }) => sum + (until - from) / HOUR_US, 0);

/** The hours of the readings before `edgeUs`, as ranges of an hour each. */
export function hoursBefore(readings: readonly StorableReading[], edgeUs: Micros): readonly Range[] {
  const hours = new Set<number>();
  for (const { timeUs } of readings) if (timeUs < edgeUs) hours.add(Math.floor(timeUs / HOUR_US));
  return [...hours].map((hour) => ({ from: hour * HOUR_US, until: (hour + 1) * HOUR_US }));
}

/** A store that tells of the late readings of every commit, whichever way they came. */
export function tellingLate(
  store: ReadingStore,
  note: (readings: readonly StorableReading[]) => void,
): ReadingStore {
  return {
    async commit(batch, signal, answered) {
      const result = await store.commit(batch, signal, answered);
      // Duplicates too: an attempt whose reply was lost may have stored them, and was never told of.
      if (result.kind === 'committed') note(batch.readings);
      return result;
    },
    disconnect: async () => store.disconnect?.(),
    close: () => store.close(),
  };
}
