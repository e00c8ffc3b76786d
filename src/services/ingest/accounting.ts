import type { RejectCode } from '../../core/reading.ts';
import type { Metrics } from '../../ports/metrics.ts';
import type { StoreOutcome } from '../../ports/store.ts';

/**
 * The conservation account. Its unit is the item: a message that decodes to n readings is n items, one that gives
 * none is one. At every moment
 * `received = stored + duplicate + merged + conflict + dead_lettered + filtered + in_flight`.
 */
export interface AccountingTotals {
  readonly received: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly merged: number;
  readonly conflict: number;
  readonly deadLettered: number;
  readonly filtered: number;
  readonly inFlight: number;
}

/** `no_room`: at QoS 0, with the spool and half of the window full. */
type FilterCode = RejectCode | 'no_room';

export class IngestAccounting {
  private received = 0;
  private stored = 0;
  private duplicate = 0;
  private merged = 0;
  private conflict = 0;
  private deadLettered = 0;
  private inFlight = 0;
  private dropped = 0;
  private ambiguous = 0;
  private readonly filteredBy = new Map<FilterCode, number>();

  constructor(metrics: Metrics) {
    const items = metrics.gauge(
      'fieldwatch_ingest_items',
      'Items by outcome since start: received equals the sum of all other outcomes at every scrape',
      ['outcome'],
    );
    const filtered = metrics.gauge('fieldwatch_ingest_filtered_items', 'Filtered items by code', ['code']);
    const dropped = metrics.gauge(
      'fieldwatch_ingest_dropped_values',
      'Values dropped from messages whose other values were stored',
    );
    const ambiguous = metrics.gauge(
      'fieldwatch_ingest_ambiguous_values',
      'Values replaced by another value of the same device, time and metric in their message',
    );
    metrics.onCollect(() => {
      for (const [outcome, value] of Object.entries<number>({ ...this.totals() }))
        items.set(value, { outcome: snakeCase(outcome) });
      for (const [code, value] of this.filteredBy) filtered.set(value, { code });
      dropped.set(this.dropped);
      ambiguous.set(this.ambiguous);
    });
  }

  /** Items came in and are now in flight. */
  arrived(items: number, dropped: number, ambiguous = 0): void {
    this.received += items;
    this.inFlight += items;
    this.dropped += dropped;
    this.ambiguous += ambiguous;
  }

  /** A message without a matching route, or without room. It was never in flight. */
  filter(code: FilterCode): void {
    this.received += 1;
    this.filteredBy.set(code, (this.filteredBy.get(code) ?? 0) + 1);
  }

  /** A batch is committed. */
  committed(outcome: StoreOutcome, deadLetters: number): void {
    this.stored += outcome.stored;
    this.duplicate += outcome.duplicate;
    this.merged += outcome.merged;
    this.conflict += outcome.conflict;
    this.deadLettered += deadLetters;
    this.inFlight -= outcome.stored + outcome.duplicate + outcome.merged + outcome.conflict + deadLetters;
  }

  totals(): AccountingTotals {
    let filtered = 0;
    for (const count of this.filteredBy.values()) filtered += count;
    const { received, stored, duplicate, merged, conflict, deadLettered, inFlight } = this;
    return { received, stored, duplicate, merged, conflict, deadLettered, filtered, inFlight };
  }
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
