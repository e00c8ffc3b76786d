import { CORE_METRICS } from './reading.ts';

/** From here on an index finds a name faster than a look at each. */
const INDEXED_NAMES = 8;
/** Lists of names that are remembered together: devices of one kind send the same few, so this is a bound against those that invent names. */
const MOST_LISTS = 10_000;

/**
 * The names of the metrics of a reading, in their order. Readings with the same names share one list, which is reached name by
 * name from the empty one (as the hidden classes of a JavaScript engine are), so that what follows from the names is worked
 * out once.
 */
export class MetricNames {
  readonly size: number;
  /** The list without the last name, and the last name. */
  readonly #before: MetricNames | undefined;
  readonly #last: string;
  readonly #longer = new Map<string, MetricNames>();
  /** The one of `#longer` that was asked for last. */
  #next: MetricNames | undefined;
  #list: readonly string[] | undefined;
  /** The place of each name; a longer list goes on with the same one, so that it may have names behind these. */
  #index: Map<string, number> | undefined;
  #core: Int32Array | undefined;
  #narrow: Int32Array | undefined;

  /** For those that `of` and `with` do not know yet. */
  constructor(before?: MetricNames, last = '') {
    this.#before = before;
    this.#last = last;
    this.size = before === undefined ? 0 : before.size + 1;
  }

  static get empty(): MetricNames {
    return shared.empty;
  }

  static of(names: Iterable<string>): MetricNames {
    let at = MetricNames.empty;
    for (const name of names) at = at.with(name) ?? at;
    return at;
  }

  get list(): readonly string[] {
    return (this.#list ??= [...MetricNames.#backwards(this)].reverse());
  }

  /** Where each of `CORE_METRICS` is among the names; -1: it is not. */
  get core(): Int32Array {
    return (this.#core ??= Int32Array.from(CORE_METRICS, (name) => this.place(name)));
  }

  /** Where the others are: those without a column of their own in `sensor_readings`. */
  get narrow(): Int32Array {
    return (this.#narrow ??= Int32Array.from(this.list.keys()).filter((place) => !this.core.includes(place)));
  }

  /** Where a name is; -1: it is not among them. */
  place(name: string): number {
    if (this.size < INDEXED_NAMES) return this.list.indexOf(name);
    this.#index ??= this.#indexOf();
    const place = this.#index.get(name) ?? -1;
    return place < this.size ? place : -1;
  }

  /** These names and one more; undefined if it is one of them. */
  with(name: string): MetricNames | undefined {
    const next = this.#next;
    if (next !== undefined && next.#last === name) return next;
    const known = this.#longer.get(name) ?? this.#add(name);
    if (known !== undefined) this.#next = known;
    return known;
  }

  #add(name: string): MetricNames | undefined {
    if (this.#includes(name)) return undefined;
    // What readings in flight have stays theirs.
    if (++shared.lists > MOST_LISTS) [shared.empty, shared.lists] = [new MetricNames(), 0];
    const longer = new MetricNames(this, name);
    if (longer.size > INDEXED_NAMES) longer.#index = this.#indexWith(name);
    this.#longer.set(name, longer);
    return longer;
  }

  #includes(name: string): boolean {
    if (this.size >= INDEXED_NAMES) return this.place(name) >= 0;
    for (const each of MetricNames.#backwards(this)) if (each === name) return true;
    return false;
  }

  #indexOf(): Map<string, number> {
    return new Map(this.list.map((each, place) => [each, place]));
  }

  /** The index of these names and one more: one for each list would make a reading of many new names quadratic. */
  #indexWith(name: string): Map<string, number> {
    const index = this.#index?.size === this.size ? this.#index : this.#indexOf();
    return index.set(name, this.size);
  }

  /** From the last name to the first. */
  static *#backwards(from: MetricNames): Generator<string> {
    for (let at = from; at.#before !== undefined; at = at.#before) yield at.#last;
  }
}

/** The list of no names, which all others are reached from, and how many these are. */
const shared = { empty: new MetricNames(), lists: 0 };

/** Numbers of readings that are made one after the other share a block: an array of its own for each would be most of the garbage. */
const BLOCK_NUMBERS = 4096;
const block = { numbers: new Float64Array(BLOCK_NUMBERS), used: 0 };

/**
 * The metrics of a reading: names that it shares with others, and its part of a block of numbers. A `Map` of its own for each reading
 * is most of the memory of a batch.
 */
export class MetricValues implements ReadonlyMap<string, number> {
  #names = MetricNames.empty;
  #numbers = block.numbers;
  #from = block.used;

  /** Metrics whose numbers lie in `numbers`, one behind the other. */
  static within(names: MetricNames, numbers: Float64Array<ArrayBuffer>, from: number): MetricValues {
    const values = new MetricValues();
    [values.#names, values.#numbers, values.#from] = [names, numbers, from];
    return values;
  }

  /** Converts metrics to this form; a value that is no number, whatever its type says, is NaN. */
  static of(metrics: ReadonlyMap<string, number>): MetricValues {
    if (metrics instanceof MetricValues) return metrics;
    const values = new MetricValues();
    for (const [name, value] of metrics) values.set(name, typeof value === 'number' ? value : NaN);
    return values;
  }

  get names(): MetricNames {
    return this.#names;
  }

  get size(): number {
    return this.#names.size;
  }

  /** The number at a place of `names`, which must be one. */
  at(place: number): number {
    return this.#numbers[this.#from + place] as number;
  }

  get(name: string): number | undefined {
    const place = this.#names.place(name);
    return place < 0 ? undefined : this.at(place);
  }

  has(name: string): boolean {
    return this.#names.place(name) >= 0;
  }

  set(name: string, value: number): this {
    const longer = this.#names.with(name);
    if (longer === undefined) this.#numbers[this.#from + this.#names.place(name)] = value;
    else {
      this.#makeRoom();
      this.#numbers[this.#from + this.#names.size] = value;
      block.used += 1;
      this.#names = longer;
    }
    return this;
  }

  delete(name: string): boolean {
    const place = this.#names.place(name);
    if (place < 0) return false;
    const kept = [...this.entries()].filter(([each]) => each !== name);
    [this.#names, this.#numbers, this.#from] = [MetricNames.empty, block.numbers, block.used];
    for (const [each, value] of kept) this.set(each, value);
    return true;
  }

  *entries(): MapIterator<[string, number]> {
    const { list } = this.#names;
    for (let place = 0; place < list.length; place++) yield [list[place] as string, this.at(place)];
  }

  keys(): MapIterator<string> {
    return this.#names.list.values();
  }

  *values(): MapIterator<number> {
    for (let place = 0; place < this.size; place++) yield this.at(place);
  }

  [Symbol.iterator](): MapIterator<[string, number]> {
    return this.entries();
  }

  forEach(visit: (value: number, name: string, map: ReadonlyMap<string, number>) => void): void {
    for (const [name, value] of this) visit(value, name, this);
  }

  /** For one number more: behind the others if nothing is there yet, else all move to where there is room. */
  #makeRoom(): void {
    const { size } = this.#names;
    const isLast = this.#numbers === block.numbers && this.#from + size === block.used;
    if (isLast && block.used < block.numbers.length) return;
    if (block.used + size >= block.numbers.length) {
      block.numbers = new Float64Array(Math.max(BLOCK_NUMBERS, 2 * size + 1));
      block.used = 0;
    }
    for (let place = 0; place < size; place++) block.numbers[block.used + place] = this.at(place);
    [this.#numbers, this.#from] = [block.numbers, block.used];
    block.used += size;
  }
}
