/** Metrics of many readings, one entry a value: a place in `texts`, and the value. */
export interface MetricEntries {
  readonly metric: ArrayLike<number>;
  readonly value: ArrayLike<number>;
  readonly texts: readonly string[];
}

/**
 * The metrics of one reading where they lie among those of many. A map of its own for each reading is most of the memory of a batch,
 * and most of the time of the garbage collector.
 */
export class MetricView implements ReadonlyMap<string, number> {
  readonly #entries: MetricEntries;
  readonly #from: number;
  readonly #to: number;

  constructor(entries: MetricEntries, from: number, to: number) {
    this.#entries = entries;
    this.#from = from;
    this.#to = to;
  }

  get size(): number {
    return this.#to - this.#from;
  }

  get(name: string): number | undefined {
    const { metric, value, texts } = this.#entries;
    for (let at = this.#from; at < this.#to; at++) if (texts[metric[at] as number] === name) return value[at];
    return undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  *entries(): MapIterator<[string, number]> {
    const { metric, value, texts } = this.#entries;
    for (let at = this.#from; at < this.#to; at++)
      yield [texts[metric[at] as number] as string, value[at] as number];
  }

  *keys(): MapIterator<string> {
    const { metric, texts } = this.#entries;
    for (let at = this.#from; at < this.#to; at++) yield texts[metric[at] as number] as string;
  }

  *values(): MapIterator<number> {
    const { value } = this.#entries;
    for (let at = this.#from; at < this.#to; at++) yield value[at] as number;
  }

  [Symbol.iterator](): MapIterator<[string, number]> {
    return this.entries();
  }

  forEach(visit: (value: number, name: string, map: ReadonlyMap<string, number>) => void): void {
    for (const [name, value] of this.entries()) visit(value, name, this);
  }
}
