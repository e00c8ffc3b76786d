import { type EpisodeState, OK } from '../state/state.ts';
import type { AlertInstance } from './alert-instance.ts';
import type { Series } from './series.ts';

/** Which series the batch in hand works on, and which are open in the committed states: few, however many sensors there are. */
export class WorkingSet {
  private number = 0;
  private readonly openSeries = new Set<Series>();
  private entered: Series[] = [];

  /** Another one, from the committed states: what was entered and not adopted is forgotten. */
  begin(): void {
    this.number++;
    this.entered = [];
  }

  /** The states that the series were brought to are the committed ones now. */
  commit(): void {
    for (const series of this.entered) {
      series.commit();
      this.trackOpen(series);
    }
  }

  /** A series about to be changed. */
  enter(series: Series): Series {
    if (series.enter(this.number)) this.entered.push(series);
    return series;
  }

  /** Lists a series by its committed states: open as long as one of them is not plainly OK. */
  trackOpen(series: Series): void {
    if (series.instances.some((instance) => instance.committed !== OK)) this.openSeries.add(series);
    else this.openSeries.delete(series);
  }

  /** Between two generations. */
  forget(isForgotten: (sensorId: number) => boolean): void {
    for (const series of this.openSeries)
      if (isForgotten(series.sensorId)) {
        series.armedMs = Infinity;
        this.openSeries.delete(series);
      }
  }

  /** The series that were entered, in that order. */
  get touched(): readonly Series[] {
    return this.entered;
  }

  /** The series with a committed state that is not plainly OK. */
  get open(): ReadonlySet<Series> {
    return this.openSeries;
  }

  /** The series that are not plainly OK, those of the generation in hand included. */
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

  /** True once anything may be open. */
  get anyOpen(): boolean {
    return this.openSeries.size + this.entered.length > 0;
  }

  /** The state of a cell as this generation would leave it. */
  stateOf(series: Series, instance: AlertInstance): EpisodeState {
    return series.stateIn(this.number, instance);
  }

  /** To the end of the list: the next slice must not begin with those that are done. */
  putLast(series: Series): void {
    if (this.openSeries.delete(series)) this.openSeries.add(series);
  }
}

/** What happened to the numbers of a batch; every one is counted once. */
export interface EngineCounts {
  evaluated: number;
  /** Waiting for earlier ones (`allowed_lateness`); evaluated later, without being counted again. */
  held: number;
  late: number;
  duplicate: number;
  /** Not finite numbers. */
  invalid: number;
  /** Readings of the future, evaluated at the time they arrived. */
  clamped: number;
}

export function noCounts(): EngineCounts {
  return { evaluated: 0, held: 0, late: 0, duplicate: 0, invalid: 0, clamped: 0 };
}
