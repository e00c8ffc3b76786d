import { randomUUID } from 'node:crypto';

/** Rows that the letter describes, and those whose values it keeps; the others are counted. */
const DESCRIBED = 5;
const KEPT = 500;

/** A row of the removed sensor, and what the other has for the same time; by the names of metrics. */
export interface MergeConflict {
  readonly time: string;
  readonly sent: Readonly<Record<string, number | null>>;
  readonly stored: Readonly<Record<string, number | null>>;
}

export interface ConflictsFound {
  readonly count: number;
  /** The first of them. */
  readonly first: readonly MergeConflict[];
}

/** The conflicts of one merge as one dead letter, which grows from chunk to chunk. */
export class MergeLetter {
  /** Where it is in `dead_letters`: of this run of the merge. */
  readonly id = randomUUID();
  readonly receivedAt = new Date();
  private readonly conflicts: ConflictsFound;

  constructor(conflicts: ConflictsFound = { count: 0, first: [] }, place?: MergeLetter) {
    this.conflicts = conflicts;
    if (place !== undefined) [this.id, this.receivedAt] = [place.id, place.receivedAt];
  }

  get count(): number {
    return this.conflicts.count;
  }

  /** Its remaining room. */
  get room(): number {
    return KEPT - this.conflicts.first.length;
  }

  with({ count, first }: ConflictsFound): MergeLetter {
    const all = [...this.conflicts.first, ...first.slice(0, this.room)];
    return new MergeLetter({ count: this.count + count, first: all }, this);
  }

  /** A line of JSON for each row. */
  get payload(): Buffer {
    const lines = this.conflicts.first.map(({ time, sent }) => JSON.stringify({ time, ...sent }));
    return Buffer.from(lines.join('\n'));
  }

  detailOf(key: string, target: string): string {
    const texts = this.conflicts.first.slice(0, DESCRIBED).map((conflict) => textOf(key, conflict));
    const more = this.count > texts.length ? `; ${this.count} rows in all` : '';
    const kept = this.count > KEPT ? `, the first ${KEPT} in the payload` : '';
    return `merged into ${target}: ${texts.join('; ')}${more}${kept}`;
  }
}

/** `boiler at 2026-01-01T00:00:00Z: temperature is stored as 21, was 22`. */
function textOf(key: string, { time, sent, stored }: MergeConflict): string {
  const differing = Object.entries(sent).filter(
    ([name, value]) => value !== null && value !== (stored[name] ?? null),
  );
  const texts = differing.map(([name, value]) => {
    const other = stored[name] ?? null;
    return other === null
      ? `${name} is not stored, was ${value}`
      : `${name} is stored as ${other}, was ${value}`;
  });
  return `${key} at ${time}: ${texts.join(', ')}`;
}
