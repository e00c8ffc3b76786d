import type { AlertEngine, EngineWork } from './engine.ts';
import type { Series } from './series.ts';
import { type UnstoredNumber, type WaitingColumns, WaitingEntries, type WaitingRow } from './waiting.ts';

/** Entries appended, beyond those of the last complete row, before a complete row replaces all. */
const MERGE_ENTRIES = 10_000;
const MERGE_ROWS = 100;

/** An unstored number and its series. */
export interface Unstored extends UnstoredNumber {
  readonly sensorId: number;
  readonly metric: string;
}

/** The log as found at a start. */
export interface FoundWaiting {
  /** The id of the newest row, or '0'. */
  readonly upTo: string;
  /** Something is waiting, or rows exist. */
  readonly any: boolean;
  readonly unstored: readonly Unstored[];
}

/**
 * The log of waiting readings that an evaluation writes. The readings themselves are in the database; the log names
 * them, and holds only those that are not stored yet.
 */
export class WaitingLog {
  private readonly group: string;
  private readonly writer: string;
  private upTo: string;
  /** The next row must name all waiting series. */
  private due: boolean;
  private unstored: readonly Unstored[];
  /** Rows and entries since the last complete row, and the entries of that. */
  private rows = 0;
  private entries = 0;
  private whole = 0;

  constructor(group: string, writer: string, found: FoundWaiting = { upTo: '0', any: false, unstored: [] }) {
    this.group = group;
    this.writer = writer;
    this.upTo = found.upTo;
    this.due = found.any;
    this.unstored = found.unstored;
  }

  /** The log as found for further sensors. */
  found({ upTo, any, unstored }: FoundWaiting): void {
    if (BigInt(upTo) > BigInt(this.upTo)) this.upTo = upTo;
    this.due ||= any;
    this.unstored = [...this.unstored, ...unstored];
  }

  forget(isForgotten: (sensorId: number) => boolean): void {
    this.unstored = this.unstored.filter(({ sensorId }) => !isForgotten(sensorId));
  }

  /**
   * The row for the current working set; `commit` records it. In a share group `shards` are those of which the engine
   * knows all sensors.
   */
  next(
    engine: AlertEngine,
    shards?: readonly number[],
  ): { readonly row: WaitingRow | undefined; readonly commit: () => void } {
    const { touched, unstored } = engine.work;
    const nothing = { row: undefined, commit: () => undefined };
    if (touched.length === 0) return nothing;
    const added = stillWaiting(unstored);
    if (this.due || this.rows >= MERGE_ROWS || this.entries > MERGE_ENTRIES + this.whole)
      return this.all(engine, added, shards);
    const moved = touched.filter((series) => series.heldChanged);
    if (moved.length === 0) return nothing;
    return {
      row: { group: this.group, writer: this.writer, columns: columnsOf(moved, added) },
      commit: () => {
        this.rows++;
        this.entries += moved.length;
        if (added.length > 0) this.unstored = [...this.unstored, ...added];
      },
    };
  }

  private all(
    engine: AlertEngine,
    added: readonly Unstored[],
    shards: readonly number[] | undefined,
  ): ReturnType<WaitingLog['next']> {
    const waiting = engine.waiting();
    const columns = columnsOf(waiting, [...this.unstored, ...added]);
    const { group, writer, upTo: replaces } = this;
    return {
      row: { group, writer, replaces, shards, columns },
      commit: () => {
        this.due = false;
        [this.rows, this.entries, this.whole] = [0, 0, waiting.length];
        this.unstored = unstoredIn(waiting, columns);
      },
    };
  }
}

const stillWaiting = (unstored: EngineWork['unstored']): Unstored[] =>
  unstored.flatMap(({ series, timeUs, value }) =>
    timeUs > (series.last?.timeUs ?? -Infinity)
      ? [{ sensorId: series.sensorId, metric: series.metric, timeUs, value }]
      : [],
  );

function columnsOf(series: readonly Series[], unstored: readonly Unstored[]): WaitingColumns {
  const entries = new WaitingEntries(series.length);
  const numbers = new Map<string, Unstored[]>();
  for (const number of unstored) {
    const found = numbers.get(nameOf(number));
    if (found === undefined) numbers.set(nameOf(number), [number]);
    else found.push(number);
  }
  for (const each of series) {
    const found = numbers.size === 0 ? undefined : numbers.get(nameOf(each));
    each.addWaiting(entries, found?.filter(({ timeUs }) => each.held.spans(timeUs)) ?? NO_NUMBERS);
  }
  return entries.columns;
}

const NO_NUMBERS: readonly never[] = [];

function unstoredIn(series: readonly Series[], { unstored }: WaitingColumns): Unstored[] {
  const numbers: Unstored[] = [];
  unstored.seriesAt.forEach((at, index) => {
    const each = series[at];
    if (each === undefined) return;
    const { sensorId, metric } = each;
    const [timeUs = 0, value = NaN] = [unstored.timesUs[index], unstored.values[index]];
    numbers.push({ sensorId, metric, timeUs, value });
  });
  return numbers;
}

const nameOf = ({ sensorId, metric }: { readonly sensorId: number; readonly metric: string }): string =>
  `${sensorId}|${metric}`;
