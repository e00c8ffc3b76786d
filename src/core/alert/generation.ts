import type { Cell } from './cell.ts';
import type { Series } from './series.ts';
import { OK } from './state.ts';
import type { EpisodeState } from './state.ts';

/** Which series the batch in hand works on, and which are open in the committed states: few, however many sensors there are. */
export class Generation {
  private number = 0;
  private readonly unsettled = new Set<Series>();
  private entered: Series[] = [];

  /** Another one, from the committed states: what was entered and not adopted is forgotten. */
  begin(): void {
    this.number++;
    this.entered = [];
  }

  /** The states that the series were brought to are the committed ones now. */
  adopt(): void {
    for (const series of this.entered) {
      series.adopt();
      this.settle(series);
    }
  }

  /** A series about to be changed. */
  enter(series: Series): Series {
    if (series.enter(this.number)) this.entered.push(series);
    return series;
  }

  /** Lists a series by its committed states: open as long as one of them is not plainly OK. */
  settle(series: Series): void {
    if (series.cells.some((cell) => cell.committed !== OK)) this.unsettled.add(series);
    else this.unsettled.delete(series);
  }

  /** Between two generations. */
  forget(isForgotten: (sensorId: number) => boolean): void {
    for (const series of this.unsettled)
      if (isForgotten(series.sensorId)) {
        series.armedMs = Infinity;
        this.unsettled.delete(series);
      }
  }

  /** The series that were entered, in that order. */
  get touched(): readonly Series[] {
    return this.entered;
  }

  /** The series with a committed state that is not plainly OK. */
  get open(): ReadonlySet<Series> {
    return this.unsettled;
  }

  /** The series that are not plainly OK, those of the generation in hand included. */
  *openNow(): Iterable<Series> {
    yield* this.unsettled;
    for (const series of this.entered) if (!this.unsettled.has(series)) yield series;
  }

  isOpenNow(series: Series): boolean {
    return this.unsettled.has(series) || series.cells.some((cell) => this.stateOf(series, cell) !== OK);
  }

  /** True once anything may be open. */
  get anyOpen(): boolean {
    return this.unsettled.size + this.entered.length > 0;
  }

  /** The state of a cell as this generation would leave it. */
  stateOf(series: Series, cell: Cell): EpisodeState {
    return series.stateIn(this.number, cell);
  }

  /** To the end of the list: the next slice must not begin with those that are done. */
  putLast(series: Series): void {
    if (this.unsettled.delete(series)) this.unsettled.add(series);
  }
}
