import type { Millis } from '../../reading.ts';
import { type EpisodeState, OK } from '../state/state.ts';
import type { AlertInstance } from './alert-instance.ts';
import type { Series } from './series.ts';
import type { SeriesState } from './series-state.ts';

/** The series changed by the uncommitted batch, and those open in the committed states: few, however many sensors there are. */
export class WorkingSet {
  private number = 0;
  private readonly openSeries = new Set<Series>();
  private entered: Series[] = [];

  /** Starts from the committed states: an uncommitted working set is discarded. */
  begin(): void {
    this.number++;
    this.entered = [];
  }

  /** Makes the working states the committed ones. */
  commit(): void {
    for (const series of this.entered) {
      series.commit();
      this.trackOpen(series);
    }
  }

  /** Enters a series before it is changed. */
  enter(series: Series): Series {
    if (series.enter(this.number)) this.entered.push(series);
    return series;
  }

  /** Lists a series by its committed states: open if any of them is not plainly OK. */
  trackOpen(series: Series): void {
    if (series.instances.some((instance) => instance.committed !== OK)) this.openSeries.add(series);
    else this.openSeries.delete(series);
  }

  /** Only between two working sets. */
  forget(isForgotten: (sensorId: number) => boolean): void {
    for (const series of this.openSeries)
      if (isForgotten(series.sensorId)) {
        series.armedMs = Infinity;
        this.openSeries.delete(series);
      }
  }

  /** The entered series, in order of entry. */
  get touched(): readonly Series[] {
    return this.entered;
  }

  /** The series with a committed state that is not plainly OK. */
  get open(): ReadonlySet<Series> {
    return this.openSeries;
  }

  /** The series that are not plainly OK, those of the working set included. */
  *openNow(): Iterable<Series> {
    yield* this.openSeries;
    for (const series of this.entered) if (!this.openSeries.has(series)) yield series;
  }

  isOpenNow(series: Series): boolean {
    return (
      this.openSeries.has(series) ||
      series.instances.some((instance) => this.stateOf(series, instance) !== OK)
    );
  }

  /** True if anything may be open. */
  get anyOpen(): boolean {
    return this.openSeries.size + this.entered.length > 0;
  }

  /** The state of an instance in this working set. */
  stateOf(series: SeriesState, instance: AlertInstance): EpisodeState {
    return series.stateIn(this.number, instance);
  }

  /** Up to when suppressions were applied to a series in this working set. */
  reviewedMsOf(series: Series): Millis {
    return series.reviewedIn(this.number);
  }

  /** When a series was last received, in this working set. */
  receivedMsOf(series: SeriesState): Millis {
    return series.receivedIn(this.number);
  }

  /** Moves the series to the end of the list: the next slice must not begin with processed ones. */
  putLast(series: Series): void {
    if (this.openSeries.delete(series)) this.openSeries.add(series);
  }
}

/** Outcomes of the numbers of a batch; each is counted once. */
export interface EngineCounts {
  evaluated: number;
  /** Waiting for earlier ones (`allowed_lateness`); not counted again when evaluated. */
  held: number;
  late: number;
  duplicate: number;
  /** Numbers that are not finite. */
  invalid: number;
  /** Readings with a future time, evaluated at their arrival time. */
  clamped: number;
}

export function noCounts(): EngineCounts {
  return { evaluated: 0, held: 0, late: 0, duplicate: 0, invalid: 0, clamped: 0 };
}
