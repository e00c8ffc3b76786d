import { SEVERITIES, type Severity } from '../../core/alert/model.ts';
import type { AlertListRow } from '../../queries/alerts.ts';
import type { AlertEvent } from './line.ts';

/** An event, with the further fields of JSON output. */
export interface WatchedAlert extends AlertEvent {
  readonly alertId: string | null;
  readonly location: string | null;
  /** The sentence with which it fired; null at the end. */
  readonly text: string | null;
  /** Why it ended; null while it fires. */
  readonly reason: string | null;
}

type Key = string;
const keyOf = (row: AlertListRow): Key =>
  `${row.alertId ?? ''} ${row.sensorId} ${row.alertType} ${row.time.getTime()}`;
/** A row of an operator's own INSERT has no episode id: it is an episode by itself. */
const episodeOf = (row: AlertListRow): Key => row.alertId ?? keyOf(row);

/** Ended episodes that are remembered, so that their rows are not emitted again. */
const REMEMBERED = 10_000;

/**
 * Derives events from successive reads of the alert table: a new alert fired, a second row of an episode escalated it, a
 * row that got its end resolved it. Each event is emitted once, in the order of event times.
 */
export class AlertWatch {
  readonly #seen = new Set<Key>();
  readonly #episodes = new Set<Key>();
  readonly #resolved = new Set<Key>();
  #open: readonly AlertListRow[] = [];

  /** Rows that fired and have not ended: the next read must include them. */
  get open(): readonly AlertListRow[] {
    return this.#open;
  }

  update(rows: readonly AlertListRow[]): readonly WatchedAlert[] {
    const events: WatchedAlert[] = [];
    for (const row of [...rows].sort((a, b) => a.time.getTime() - b.time.getTime())) {
      if (!this.#seen.has(keyOf(row))) {
        this.#seen.add(keyOf(row));
        events.push(fired(row, this.#episodes.has(episodeOf(row)) ? 'escalated' : 'firing'));
        this.#episodes.add(episodeOf(row));
      }
      if (row.resolvedAt !== null && !this.#resolved.has(episodeOf(row))) {
        this.#resolved.add(episodeOf(row));
        events.push(resolved(row, row.resolvedAt));
      }
    }
    this.#open = rows.filter((row) => row.resolvedAt === null);
    for (const set of [this.#seen, this.#episodes, this.#resolved]) forget(set, REMEMBERED);
    return events.sort((a, b) => a.eventTimeMs - b.eventTimeMs);
  }
}

/** Sets iterate in the order of insertion: the oldest go first. */
function forget(set: Set<Key>, keep: number): void {
  for (const key of set) {
    if (set.size <= keep) return;
    set.delete(key);
  }
}

const SUPPRESSIONS = ['silence', 'maintenance', 'inhibition'] as const;

const isSeverity = (text: string): text is Severity => (SEVERITIES as readonly string[]).includes(text);

/** Rule facts of a row; empty for a row that an operator inserted. */
const ofRule = ({ metric, kind, side }: AlertListRow) => ({
  ...(metric === null || kind === null ? {} : { metric, kind }),
  ...(side === null ? {} : { side }),
});

function fired(row: AlertListRow, event: 'firing' | 'escalated'): WatchedAlert {
  return {
    event,
    alertId: row.alertId,
    sensorKey: row.sensor,
    location: row.location,
    alertType: row.alertType,
    ...ofRule(row),
    severity: isSeverity(row.severity) ? row.severity : 'warning',
    text: row.message,
    reason: null,
    value: row.value,
    threshold: row.threshold,
    eventTimeMs: row.time.getTime(),
    durationS: null,
    peakValue: null,
    suppressed: SUPPRESSIONS.find((each) => each === row.suppressed) ?? null,
  };
}

function resolved(row: AlertListRow, at: Date): WatchedAlert {
  const startedMs = (row.startedAt ?? row.time).getTime();
  return {
    ...fired(row, 'firing'),
    event: 'resolved',
    text: null,
    reason: row.resolveReason,
    value: row.resolvedValue,
    eventTimeMs: at.getTime(),
    durationS: (at.getTime() - startedMs) / 1000,
    peakValue: row.peakValue,
  };
}
