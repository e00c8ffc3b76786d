import type { Millis } from '../reading.ts';
import type { Delivered } from './delivery.ts';
import type { Severity } from './model.ts';
import type { Condition } from './rule.ts';
import type { Series } from './series.ts';
import type { EpisodeState } from './state.ts';
import type { SuppressedBy } from './suppress/suppressions.ts';

/** What became of a number in the pipeline (ALERTS.md section 3). */
export type Outcome = 'evaluated' | 'held' | 'late' | 'duplicate';

/** One alert type of one sensor: committed state, and the state as the batch in hand would leave it. */
export interface Cell {
  readonly condition: Condition;
  committed: EpisodeState;
  work: EpisodeState;
}

/** A transition of one cell, on its way out of the engine. */
export interface CellEffect extends Delivered {
  readonly series: Series;
  readonly cell: Cell;
}

/** Where a series puts what it did, and whom it asks whether anybody is to be told of it. */
export interface Outlet {
  push(effect: CellEffect): void;
  /** What keeps an alert from being told at a moment of the receive clock. */
  suppressedBy(series: Series, cell: Cell, severity: Severity, atMs: Millis): SuppressedBy | undefined;
  /** The state of a cell is another than it was: it may explain other alerts, or not any more. */
  moved(series: Series, cell: Cell, before: EpisodeState, atMs: Millis): void;
}

/** The active side first, so that high resolves before low fires. */
export function activeFirst(cells: readonly Cell[]): readonly Cell[] {
  const open = cells.findIndex((cell) => cell.work.kind !== 'ok');
  if (open <= 0) return cells;
  return [...cells].sort((a, b) => Number(b.work.kind !== 'ok') - Number(a.work.kind !== 'ok'));
}
